"""The published controller: a small network that answers the weighted losses it wants, moved by policy gradient.

Zhang et al., "Ada-Segment", AAAI 2021, arXiv:2012.03603, section 3; docs/controller.md says what is known and
what is reconstructed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ada_segment.controller.base import Controller
from ada_segment.errors import LossError
from ada_segment.weighting.base import check_names

# Losses outside are taken as the nearer end: beyond, no weight times a loss says anything about a training.
LOWEST_LOSS, HIGHEST_LOSS = 1e-4, 1e4


class PolicyGradientController(Controller):
    """mu(phi) = f_phi(l) / l, f an MLP n -> 16 -> ReLU -> n, l the mean raw losses of the last round [n].

    mu is the wanted ratio weight / default of each loss, kept within [1 / limit, limit]. Before any loss was seen mu
    is 1; `calibrate` sets the answer so that it is still 1 at the first losses seen.

    Args:
        defaults: default weight of each loss; its order is the order of the network's inputs.
        hidden: units of the hidden layer; 0: no network, an answer a loss whatever is seen.
        limit: bound of the ratios.
        learning_rate, weight_decay: of Adam.
        seed: of the network's first layer.
    """

    kind: ClassVar[str] = "policy-gradient"

    def __init__(
        self,
        defaults: Mapping[str, float],
        *,
        hidden: int = 16,
        limit: float = 16.0,
        learning_rate: float = 0.05,
        weight_decay: float = 5e-4,
        seed: int = 0,
    ) -> None:
        self.losses = tuple(defaults)
        self._defaults = dict(defaults)
        self._options = {
            "hidden": hidden,
            "limit": limit,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "seed": seed,
        }
        self.limit = limit
        self.calibrated = False
        self.names = tuple(sorted(name for name in defaults if defaults[name] > 0))
        size = len(self.names)
        self.net = _Constant(max(size, 1)) if hidden == 0 else _Network(max(size, 1), hidden, seed)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=learning_rate, weight_decay=weight_decay)

    def inputs(self, losses: Mapping[str, float]) -> Tensor:
        """The losses [n] as the network sees them: float64, clamped, 1 where not finite."""
        values = torch.tensor([losses[name] for name in self.names], dtype=torch.float64)
        return torch.nan_to_num(values, nan=1.0, posinf=HIGHEST_LOSS).clamp(LOWEST_LOSS, HIGHEST_LOSS)

    def calibrate(self, losses: Mapping[str, float]) -> None:
        """Make mu = 1 at `losses`, the first ones seen."""
        with torch.no_grad():
            self.net.bias[: len(self.names)] = self.inputs(losses)
        self.calibrated = True

    def means(self, losses: Mapping[str, float]) -> Tensor:
        """mu [n], float64, with gradients where it lies within the limits."""
        seen = self.inputs(losses)
        if not len(self.names):
            return seen
        mean: Tensor = self.net(seen) / seen
        return mean.clamp(1 / self.limit, self.limit)

    def surrogate(self, losses: Mapping[str, float], ratios: Tensor, rewards: Tensor, *, sigma: float) -> Tensor:
        """(1/K) sum_k r_k log N(ratios_k; mu(phi), sigma^2), whose gradient is the policy gradient.

        Args:
            losses: what the controller saw when the ratios were drawn.
            ratios: [K, n] as drawn.
            rewards: [K].
        """
        log_density = torch.distributions.Normal(self.means(losses), sigma).log_prob(ratios).sum(-1)
        surrogate: Tensor = (rewards * log_density).mean()
        return surrogate

    def step(self, losses: Mapping[str, float], ratios: Tensor, rewards: Tensor, *, sigma: float) -> None:
        """One step of Adam up the surrogate. Rewards that are all 0 change nothing."""
        if not len(self.names) or not bool(rewards.any()):
            return
        self.optimizer.zero_grad()
        (-self.surrogate(losses, ratios, rewards, sigma=sigma)).backward()
        self.optimizer.step()

    def to_weights(self, ratios: Tensor) -> dict[str, float]:
        """Weights by name from ratios [n], kept within the limits."""
        kept = dict(zip(self.names, ratios.clamp(1 / self.limit, self.limit).tolist(), strict=True))
        return {name: default * kept.get(name, 0.0) for name, default in self._defaults.items()}

    def weights(self, history: Sequence[Mapping[str, float]], *, round: int, rounds: int) -> dict[str, float]:
        with torch.no_grad():
            if not history or not self.calibrated:
                return self.to_weights(torch.ones(len(self.names), dtype=torch.float64))
            return self.to_weights(self.means(history[-1]))

    def rebound(self, losses: Sequence[str], defaults: Mapping[str, float], groups: Mapping[str, str]) -> Self:
        try:
            check_names(losses, self.losses, "the controller's losses and the model's")
        except LossError as error:
            raise LossError(
                f"{error}; a {self.kind} controller has one input and one output a loss, so it serves the losses "
                "that it was trained on and no others; search anew, or use a controller of the strategy ada-segment"
            ) from None
        if off := sorted(name for name in losses if (defaults[name] > 0) != (self._defaults[name] > 0)):
            raise LossError(
                f"default weights of {', '.join(off)} do not fit: a {self.kind} controller cannot serve a loss that "
                "was switched off (default 0) where it was trained, or the reverse"
            )
        state = self.state_dict()
        return self.from_state({**state, "defaults": {name: float(defaults[name]) for name in self.losses}})

    def about(self) -> dict[str, Any]:
        return {"losses": list(self.losses), "defaults": dict(self._defaults), "settings": dict(self._options)}

    def state_dict(self) -> dict[str, Any]:
        return {
            "defaults": dict(self._defaults),
            "options": dict(self._options),
            "calibrated": self.calibrated,
            "net": dict(self.net.state_dict()),
            "optimizer": self.optimizer.state_dict(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        controller = cls(state["defaults"], **state["options"])
        controller.calibrated = bool(state["calibrated"])
        controller.net.load_state_dict(state["net"])
        controller.optimizer.load_state_dict(state["optimizer"])
        return controller


class _Constant(nn.Module):
    """The same answer [n] to any input."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size, dtype=torch.float64))

    def forward(self, _: Tensor) -> Tensor:
        return self.bias


class _Network(nn.Module):
    """n -> hidden -> ReLU -> n; its last layer starts at 0."""

    def __init__(self, size: int, hidden: int, seed: int) -> None:
        super().__init__()
        # A generator of its own: making a controller must not change the random numbers of the training around it.
        generator = torch.Generator().manual_seed(seed)
        span = 1 / math.sqrt(size)
        self.first = nn.Linear(size, hidden, dtype=torch.float64)
        with torch.no_grad():
            for parameter in self.first.parameters():
                parameter.uniform_(-span, span, generator=generator)
        self.last = nn.Parameter(torch.zeros(size, hidden, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(size, dtype=torch.float64))

    def forward(self, seen: Tensor) -> Tensor:
        return nn.functional.linear(torch.relu(self.first(seen)), self.last, self.bias)
