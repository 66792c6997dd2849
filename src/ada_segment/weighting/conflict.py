"""Methods against conflicting gradients, mostly TorchJD's: weights from inner products of the losses' gradients."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ada_segment.errors import ConfigError, LossError
from ada_segment.weighting.base import Weighting
from ada_segment.weighting.gradients import given_parameters, gramian, shared_parameters

EXTRA = "pip install 'ada-segment[torchjd]'"
# From inner products [n, n] with a diagonal above 0 to weights [n].
Solve = Callable[[Tensor], Tensor]
# What the bargaining takes for gradients that leave nothing to agree on, as a share of each gradient's square.
APART = 1e-4


@dataclass(frozen=True, slots=True)
class Method:
    """A method.

    Attributes:
        make: from settings to the solution.
        sums_to_one: whether the weights of gradients that do not meet and are of a length sum to about 1 (or 1 + c).
    """

    make: Callable[..., Solve]
    sums_to_one: bool = True


class ConflictWeighting(Weighting):
    """Weights that a method of TorchJD (Quinton & Rey, arXiv:2406.16232; torchjd.org) gives for the gradients' Gramian.

    Cost: one extra backward pass a loss, through what lies between it and the shared parameters, memory for that many
    gradients, and the solution of a small problem. When: the gradients of losses point against each other, which
    is worth measuring first; with few losses and time. The size of all gradients together changes nothing. nash-mtl
    alone is not TorchJD's: the solver there gives up, without a word, where gradients are small or much against
    each other.

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
        settings: `c` of cagrad, `max_norm` of nash-mtl, none of upgrad; those of TorchJD's class of the others.

    Raises:
        ConfigError: the method is unknown; TorchJD, or a solver that the method needs, is not installed.
        TypeError, ValueError: a setting is unknown or out of range.
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
        self._solve: Solve | None = self._made()  # what is missing shows here
        self._steps = 0

    @property
    def kind(self) -> str:
        return self.method

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_solve": None}  # which cannot be pickled, and is made again when asked for

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        if not torch.is_grad_enabled():  # an evaluation: the weights of gradients that do not meet
            return dict.fromkeys(self.names, 1.0)
        parameters = self.shared if self.shared is not None else shared_parameters(losses)
        products = gramian(losses, parameters, self.average)
        if not products.isfinite().all():
            endless = [name for name, square in zip(losses, products.diagonal(), strict=True) if not square.isfinite()]
            raise LossError(
                f"{self.method} needs finite gradients; those of {', '.join(endless) or 'two losses'} are not"
            )
        there = [index for index, square in enumerate(products.diagonal().tolist()) if square > 0]
        names = [name for index, name in enumerate(losses) if index in there]
        if not names:
            return dict.fromkeys(self.names, 0.0)
        self._solve = self._solve or self._made()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            # The same draws in all processes, and after a resume. torch.manual_seed would seed the devices too, whose
            # generators are not put back.
            torch.default_generator.manual_seed((self.seed * 1_000_003 + self._steps) % 2**63)
            found = self._solve(products[there][:, there])
        factor = len(names) if METHODS[self.method].sums_to_one else 1
        weights = dict(zip(names, found.tolist(), strict=True))
        return {name: factor * weights.get(name, 0.0) for name in self.names}

    def step(self, values: Mapping[str, float]) -> None:
        self._steps += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._steps = state["steps"]

    def _made(self) -> Solve:
        try:
            return METHODS[self.method].make(**self.settings)
        except ImportError as error:
            raise ConfigError(f"weighting {self.method} needs TorchJD and its solvers: {EXTRA} ({error})") from None


def _by_name(name: str) -> Callable[..., Solve]:
    """One of TorchJD's weightings that need no more than the inner products."""

    def make(**settings: Any) -> Solve:
        from torchjd import aggregation

        weighting = getattr(aggregation, name)(**settings)
        # Some of them take what is below a size of their own for nothing, though all gradients be small.
        return lambda products: weighting(products / products.trace())

    return make


def _cagrad(c: float = 0.5) -> Solve:
    """With the radius c of the paper's experiments, which TorchJD leaves to its users.

    TorchJD stops where a mixture of the gradients is shorter than `norm_eps`: with the one that it has, also where
    one of them is small. The mean gradient, which is within c of itself, goes on.
    """
    from torchjd import aggregation

    if not (math.isfinite(c) and c >= 0):
        raise ValueError(f"c = {c!r} is no radius; give a number, 0 for the mean gradient")
    weighting = aggregation.CAGradWeighting(c=c, norm_eps=1e-12)

    def solve(products: Tensor) -> Tensor:
        found = weighting(products / products.trace())
        return found if found.any() else torch.full_like(found, 1 / len(found))

    return solve


def _upgrad() -> Solve:
    """The projections of gradients of length 1, weighted by the lengths that they have, are those of the gradients.

    TorchJD adds 1e-4 of the trace to each inner product of a gradient with itself; of gradients as they are that would
    be more than all of one that is a hundredth of another, and let the others go against it.
    """
    from torchjd import aggregation

    weighting = aggregation.UPGradWeighting()

    def solve(products: Tensor) -> Tensor:
        lengths, cosines = _taken_apart(products)
        weighting.pref_vector = lengths / lengths.sum()
        found = weighting(cosines)
        return found / lengths * lengths.sum() / len(lengths)

    return solve


def _nash(max_norm: float = 1.0) -> Solve:
    """The weights w > 0 with G w = 1 / w (Navon et al. 2022, equation 5), and so the least of w G w / 2 - sum(log w).

    Its total gradient is sqrt(n) long, and shortened to `max_norm`; 0 leaves it. The solution is that of gradients
    of length 1, each divided by its own length. Where they leave nothing to agree on (two of them opposite, say),
    there is none; `APART` bounds it.
    """
    if not (math.isfinite(max_norm) and max_norm >= 0):
        raise ValueError(f"max_norm = {max_norm!r} is no length; give a number, 0 to leave the gradient as it is")

    def solve(products: Tensor) -> Tensor:
        lengths, cosines = _taken_apart(products)
        cosines = cosines + APART * torch.eye(len(cosines), dtype=cosines.dtype)
        shortening = min(1.0, max_norm / math.sqrt(len(cosines))) if max_norm else 1.0
        return shortening * _bargained(cosines) / lengths

    return solve


def _taken_apart(products: Tensor) -> tuple[Tensor, Tensor]:
    """The lengths of gradients [n], and the cosines between them [n, n]."""
    lengths = products.diagonal().sqrt()
    return lengths, products / lengths / lengths[:, None]


def _bargained(products: Tensor) -> Tensor:
    """The w > 0 with G w = 1 / w for a positive definite G, by damped Newton steps, which find it from anywhere.

    The function is self-concordant (Boyd & Vandenberghe 2004, Convex Optimization, section 9.6).
    """
    weights = torch.ones_like(products[0])
    for _ in range(1000):
        slope = products @ weights - 1 / weights
        step = torch.linalg.solve(products + torch.diag(weights**-2), slope)
        decrement = (slope @ step).clamp(min=0).sqrt().item()
        weights = weights - step / (1 + decrement if decrement > 0.25 else 1)
        if not decrement > 1e-9:
            break
    return weights


METHODS: dict[str, Method] = {
    "pcgrad": Method(_by_name("PCGradWeighting"), sums_to_one=False),  # Yu et al. 2020, arXiv:2001.06782
    "cagrad": Method(_cagrad),  # Liu et al. 2021, arXiv:2110.14048
    "nash-mtl": Method(_nash, sums_to_one=False),  # Navon et al. 2022, arXiv:2202.01017
    "mgda": Method(_by_name("MGDAWeighting")),  # Sener & Koltun 2018, arXiv:1810.04650
    "imtl-g": Method(_by_name("IMTLGWeighting")),  # Liu et al. 2021, Towards Impartial Multi-Task Learning
    "aligned-mtl": Method(_by_name("AlignedMTLWeighting")),  # Senushkin et al. 2023, arXiv:2305.19000
    "upgrad": Method(_upgrad),  # Quinton & Rey 2024, arXiv:2406.16232
}
