"""Homoscedastic uncertainty: each loss over a variance that is learned."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ada_segment.weighting.base import Weighting, check_not_below_0
from ada_segment.weighting.learned import Learned


class UncertaintyWeighting(Weighting):
    """Kendall, Gal & Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses (CVPR 2018), equation 10.

    total = sum_i exp(-s_i) L_i + s_i / 2, with s_i = log sigma_i^2: the form for classification, taken for all losses.
    The one for regression, with exp(-s_i) / 2, comes to the same weights 1 / (2 L_i) where the s_i are at their best;
    this one begins at weight 1. The total may be negative, which is no fault. The s_i are learned beside the model, by
    an Adam of their own along d total / d s_i = 1/2 - exp(-s_i) L_i.

    Cost: no extra backward pass. When: losses of very different sizes and no time for anything else. It goes by the
    size of a loss alone: what is small is weighted up, whether it matters or not.

    A loss of exactly 0 leaves its s_i where it is. Scaling a loss by c scales the weight that it comes to by 1 / c.

    Args:
        losses: names.
        lr: learning rate of the s_i; a weight changes by at most about that share in one step.

    Raises:
        LossError: a loss is below 0, whose weight would grow without end.
    """

    def __init__(self, losses: Iterable[str], *, lr: float = 0.01) -> None:
        super().__init__(losses)
        self._s = Learned(self.names, start=0.0, lr=lr)

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        check_not_below_0(values, self.kind)
        return {name: math.exp(-s) for name, s in self._s.values.items()}

    def constant(self) -> float:
        return sum(self._s.values.values()) / 2

    def step(self, values: Mapping[str, float]) -> None:
        self._s.descend(
            {name: 0.5 - math.exp(-s) * values[name] for name, s in self._s.values.items() if values[name] != 0}
        )

    def state_dict(self) -> dict[str, Any]:
        return {"s": self._s.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._s.load_state_dict(state["s"])
