"""Methods against conflicting gradients, by TorchJD: weights from the inner products of the losses' gradients."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ada_segment.errors import ConfigError
from ada_segment.weighting.base import Weighting
from ada_segment.weighting.gradients import given_parameters, gramian, shared_parameters

EXTRA = "pip install 'ada-segment[torchjd]'"
# From inner products [n, n], and what the method kept of the step before, to weights [n] and what it keeps.
Solve = Callable[[Tensor, list[float]], tuple[Tensor, list[float]]]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of TorchJD.

    Attributes:
        make: from TorchJD's module `aggregation`, the number of losses and settings to the solution.
        sums_to_one: whether the weights of gradients that do not meet and are of a length sum to about 1 (or 1 + c).
    """

    make: Callable[..., Solve]
    sums_to_one: bool = True


class ConflictWeighting(Weighting):
    """Weights that a method of TorchJD (Quinton & Rey, arXiv:2406.16232; torchjd.org) gives for the gradients' Gramian.

    Cost: one extra backward pass a loss, through what lies between it and the shared parameters, memory for that many
    gradients, and the solution of a small problem. When: the gradients of losses point against each other, which
    is worth measuring first; with few losses and time.

    What these methods come to is a weighted sum of the losses' gradients. The weights then act on all parameters, not
    on the shared ones alone. Those of pcgrad are for one random order of the losses, drawn anew for every step; imtl-g
    and aligned-mtl may give weights below 0. Where a method's weights sum to 1 for gradients that do not meet (1 + c
    with cagrad), they are multiplied by the number n of losses present, so that another method is not another learning
    rate; nash-mtl is one, since its total gradient has the norm `max_norm`. A loss without gradient in a batch has
    weight 0.

    Args:
        losses: names.
        method: one of `METHODS`.
        shared: parameters whose gradients are compared; those that at least two losses reach when not given.
        seed: of what the method draws.
        settings: of TorchJD's class.

    Raises:
        ConfigError: the method is unknown; TorchJD, or a solver that the method needs, is not installed.
    """

    def __init__(
        self,
        losses: Iterable[str],
        method: str,
        *,
        shared: Iterable[Tensor] | None = None,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(losses)
        if method not in METHODS:
            raise ConfigError(f"method {method!r} is unknown; choose one of {', '.join(METHODS)}")
        self.method = method
        self.shared: Sequence[Tensor] | None = given_parameters(shared)
        self.seed = seed
        self.settings = settings
        self._solvers: dict[int, Solve] = {}
        self._solver(len(self.names))  # what is missing shows here
        self._steps = 0
        self._kept: dict[str, float] = {}
        self._to_keep: dict[str, float] = {}

    @property
    def kind(self) -> str:
        return self.method

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_solvers": {}}  # which cannot be pickled, and are made again when asked for

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        if not torch.is_grad_enabled():  # an evaluation: the weights of gradients that do not meet
            return dict.fromkeys(self.names, 1.0)
        parameters = self.shared if self.shared is not None else shared_parameters(losses)
        products = gramian(losses, parameters, self.average)
        there = [index for index, square in enumerate(products.diagonal().tolist()) if square > 0]
        names = [name for index, name in enumerate(losses) if index in there]
        if not names:
            return dict.fromkeys(self.names, 0.0)
        solve = self._solver(len(names))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            # The same draws in all processes, and after a resume. torch.manual_seed would seed the devices too, whose
            # generators are not put back.
            torch.default_generator.manual_seed((self.seed * 1_000_003 + self._steps) % 2**63)
            found, kept = solve(products[there][:, there], [self._kept.get(name, 1.0) for name in names])
        self._to_keep = {**self._kept, **dict(zip(names, kept, strict=False))}
        factor = len(names) if METHODS[self.method].sums_to_one else 1
        weights = dict(zip(names, found.tolist(), strict=True))
        return {name: factor * weights.get(name, 0.0) for name in self.names}

    def step(self, values: Mapping[str, float]) -> None:
        self._steps += 1
        self._kept = self._to_keep

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps, "kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._steps = state["steps"]
        self._kept = self._to_keep = dict(state["kept"])

    def _solver(self, count: int) -> Solve:
        """The method for `count` losses."""
        if count not in self._solvers:
            try:
                from torchjd import aggregation

                self._solvers[count] = METHODS[self.method].make(aggregation, count, **self.settings)
            except ImportError as error:
                raise ConfigError(f"weighting {self.method} needs TorchJD and its solvers: {EXTRA} ({error})") from None
        return self._solvers[count]


def _by_name(name: str) -> Callable[..., Solve]:
    """One of TorchJD's weightings that need no more than the inner products."""

    def make(aggregation: Any, count: int, **settings: Any) -> Solve:
        weighting = getattr(aggregation, name)(**settings)
        return lambda products, _: (weighting(products), [])

    return make


def _cagrad(aggregation: Any, count: int, c: float = 0.5) -> Solve:
    """With the radius c of the paper's experiments, which TorchJD leaves to its users.

    TorchJD stops where a mixture of the gradients is shorter than `norm_eps`: with the one that it has, also where
    all gradients are small, or one of them. The mean gradient, which is within c of itself, goes on.
    """
    weighting = aggregation.CAGradWeighting(c=c, norm_eps=1e-12)

    def solve(products: Tensor, _: list[float]) -> tuple[Tensor, list[float]]:
        found = weighting(products / products.trace())
        return (found if found.any() else torch.full_like(found, 1 / len(found))), []

    return solve


def _nash(aggregation: Any, count: int, **settings: Any) -> Solve:
    """TorchJD has it for gradients alone; a root of their inner products leads to the same weights.

    It shortens the total gradient to `max_norm`, 1 unless it is set, which is always shorter than what solves the
    equation. With one loss there is nothing to bargain about, and TorchJD fails.
    """
    weighting = aggregation.NashMTL(count, **settings).weighting
    if count == 1:
        longest = min(weighting.max_norm, 1.0) if weighting.max_norm > 0 else 1.0
        return lambda products, before: (longest / products[0].sqrt(), before)

    def solve(products: Tensor, before: list[float]) -> tuple[Tensor, list[float]]:
        import numpy as np

        values, vectors = torch.linalg.eigh(products)
        weighting.prvs_alpha = np.array(before)
        with warnings.catch_warnings(), np.errstate(all="ignore"):  # weights that are not finite are refused later
            # A note on speed that cvxpy gives to the writer of the problem, TorchJD.
            warnings.filterwarnings("ignore", message="You are solving a parameterized problem that is not DPP")
            found = weighting(vectors * values.clamp(min=0).sqrt())
        return found, weighting.prvs_alpha.tolist()

    return solve


METHODS: dict[str, Method] = {
    "pcgrad": Method(_by_name("PCGradWeighting"), sums_to_one=False),  # Yu et al. 2020, arXiv:2001.06782
    "cagrad": Method(_cagrad),  # Liu et al. 2021, arXiv:2110.14048
    "nash-mtl": Method(_nash, sums_to_one=False),  # Navon et al. 2022, arXiv:2202.01017
    "mgda": Method(_by_name("MGDAWeighting")),  # Sener & Koltun 2018, arXiv:1810.04650
    "imtl-g": Method(_by_name("IMTLGWeighting")),  # Liu et al. 2021, Towards Impartial Multi-Task Learning
    "aligned-mtl": Method(_by_name("AlignedMTLWeighting")),  # Senushkin et al. 2023, arXiv:2305.19000
    "upgrad": Method(_by_name("UPGradWeighting")),  # Quinton & Rey 2024, arXiv:2406.16232
}
