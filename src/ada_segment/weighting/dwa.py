"""Dynamic weight averaging: what falls slowly is weighted up."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ada_segment.errors import ConfigError
from ada_segment.weighting.base import Weighting
from ada_segment.weighting.shares import present, softmax

# Ratios beyond say no more than "it exploded".
LIMIT = 1e6


class DynamicWeightAveraging(Weighting):
    """DWA: Liu, Johns & Davison, End-to-End Multi-Task Learning with Attention (CVPR 2019), equation 7.

    weight_i(t) = n exp(r_i / T) / sum_j exp(r_j / T), r_i = L_i(t-1) / L_i(t-2), from the mean losses of the last two
    epochs. All weights are 1 in the first two epochs.

    Cost: none. When: it moves weights little (a loss that stays against one that halves: 1.12 to 0.88), so it seldom
    harms and seldom helps.

    The scale of a loss does not matter. A loss whose mean is not finite in one of the epochs, or 0 in the one before,
    counts as unchanged. One whose mean is 0 in the last, as of a loss that is switched off, has weight 1 and is none
    of the n.

    Args:
        losses: names.
        temperature: T; 2 in the paper. Greater is nearer to equal weights.
    """

    def __init__(self, losses: Iterable[str], *, temperature: float = 2.0) -> None:
        super().__init__(losses)
        if not temperature > 0:
            raise ConfigError(f"temperature = {temperature} is not usable; it is above 0")
        self.temperature = temperature
        self._epochs: list[dict[str, float]] = []

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        if len(self._epochs) < 2:
            return dict.fromkeys(self.names, 1.0)
        before, last = self._epochs
        share = softmax({name: _ratio(last[name], before[name]) / self.temperature for name in present(last)})
        return {name: len(share) * share[name] if name in share else 1.0 for name in self.names}

    def end_epoch(self, means: Mapping[str, float]) -> None:
        self._epochs = [*self._epochs[-1:], {name: float(means[name]) for name in self.names}]

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": [dict(epoch) for epoch in self._epochs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._epochs = [dict(epoch) for epoch in state["epochs"]]


def _ratio(last: float, before: float) -> float:
    if not math.isfinite(last) or not math.isfinite(before) or last == 0 or before == 0:
        return 1.0
    return max(-LIMIT, min(last / before, LIMIT))
