"""GradNorm: gradients of all losses of a size, faster for what is behind."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ada_segment.errors import ConfigError
from ada_segment.weighting.base import Weighting, mean_where_present
from ada_segment.weighting.gradients import given_parameters, gramian, shared_parameters
from ada_segment.weighting.learned import Learned

# A weight that reached 0 would have no gradient to come back by.
LEAST = 1e-4


class GradNorm(Weighting):
    """Chen, Badrinarayanan, Lee & Rabinovich, GradNorm (ICML 2018, arXiv:1711.02257), algorithm 1.

    With g_i the norm of the gradient of L_i, G_i = w_i g_i and its mean G, and r_i = (L_i / L_i(0)) over its mean: the
    w_i go down sum_i |G_i - G r_i^alpha|, where G r_i^alpha counts as constant, and are then scaled to sum to their
    number (those of the losses at hand, to what they summed to). L_i(0) is the first value of the loss other than 0.
    Where gradients are accumulated, g_i is the mean norm over those batches of a step that have the loss.

    Cost: one extra backward pass a loss, through what lies between it and the shared parameters, and memory for that
    many gradients. When: losses whose values say nothing of the size of their gradients, few of them, and time.

    A loss without gradient in a batch keeps its weight. The scale of a loss does not matter once the w_i have settled.

    Args:
        losses: names.
        alpha: how strongly what is behind is pulled; 1.5 in most of the paper.
        lr: learning rate of the w_i (Adam); 0.025 as in the paper's experiments on NYUv2.
        shared: parameters whose gradients are compared; the paper takes the last shared layer, which is cheap. Those
            that at least two losses reach when not given.
    """

    def __init__(
        self, losses: Iterable[str], *, alpha: float = 1.5, lr: float = 0.025, shared: Iterable[Tensor] | None = None
    ) -> None:
        super().__init__(losses)
        if not 0 <= alpha < math.inf:
            raise ConfigError(f"alpha = {alpha} is not usable; it is at least 0")
        self.alpha = alpha
        self.shared: Sequence[Tensor] | None = given_parameters(shared)
        self._w = Learned(self.names, start=1.0, lr=lr)
        self._first: dict[str, float] = {}
        self._chosen_by: dict[str, float] = {}
        self._norms: list[dict[str, float]] = []  # of the totals since the last step

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        if not torch.is_grad_enabled():  # an evaluation, of which nothing is learned
            return self._w.values
        parameters = self.shared if self.shared is not None else shared_parameters(losses)
        squares = gramian(losses, parameters, self.average).diagonal().tolist()
        self._chosen_by = {name: math.sqrt(square) for name, square in zip(losses, squares, strict=True)}
        return self._w.values

    def total(self, losses: Mapping[str, Tensor], factors: Mapping[str, float] | None = None) -> Tensor:
        total = super().total(losses, factors)
        if torch.is_grad_enabled():
            self._norms.append(self._chosen_by)
        return total

    def step(self, values: Mapping[str, float]) -> None:
        # A loss of 0 has no ratio: it may be absent from the first batch.
        self._first = {name: value for name, value in values.items() if value != 0} | self._first
        w, norms = self._w.values, mean_where_present(self._norms)
        self._norms = []
        names = [name for name in self.names if norms[name] > 0 and math.isfinite(norms[name])]
        if not names:
            return
        ratios = {name: values[name] / self._first[name] if name in self._first else 1.0 for name in names}
        mean_ratio = sum(ratios.values()) / len(names) or 1.0
        mean_norm = sum(w[name] * norms[name] for name in names) / len(names)
        ahead = {
            name: w[name] * norms[name] - mean_norm * max(ratios[name] / mean_ratio, 0.0) ** self.alpha
            for name in names
        }
        self._w.descend({name: math.copysign(norms[name], gap) if gap else 0.0 for name, gap in ahead.items()})
        there = self._w.values
        moved = {name: max(there[name], LEAST) for name in names}
        scale = sum(w[name] for name in names) / sum(moved.values())
        self._w.set({**w, **{name: scale * weight for name, weight in moved.items()}})

    def forget(self) -> None:
        super().forget()
        self._norms = []

    def state_dict(self) -> dict[str, Any]:
        return {"w": self._w.state_dict(), "first": dict(self._first)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._w.load_state_dict(state["w"])
        self._first = dict(state["first"])
