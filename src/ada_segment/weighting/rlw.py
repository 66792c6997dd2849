"""Random loss weighting: other weights at every step."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ada_segment.weighting.base import Weighting
from ada_segment.weighting.shares import present, softmax


class RandomLossWeighting(Weighting):
    """RLW: Lin, Ye, Zhang & Tsang, Reasonable Effectiveness of Random Weighting (TMLR 2022, arXiv:2111.10603), normal.

    weight = n softmax(z), z_i ~ N(0, 1), drawn anew for every step. The paper's weights sum to 1; times the number n of
    losses that are present, the mean weight is 1, so that another method is not another learning rate.

    Cost: none. When: as a control. A method that does not beat it has not found anything.

    The draw of a step hangs on the seed, the step and the sorted names alone: not on the order of the losses, and the
    same in all processes. A loss of exactly 0 has weight 0 and the others share the sum.

    Args:
        losses: names.
        seed: of the draws.
    """

    def __init__(self, losses: Iterable[str], *, seed: int = 0) -> None:
        super().__init__(losses)
        np.random.default_rng([seed, 0])  # refuses what is no seed, before any training
        self.seed = seed
        self._steps = 0

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        drawn = np.random.default_rng([self.seed, self._steps]).standard_normal(len(self.names)).tolist()
        scores = dict(zip(sorted(self.names), drawn, strict=True))
        names = present(values)
        share = softmax({name: scores[name] for name in names})
        return {name: len(names) * share.get(name, 0.0) for name in self.names}

    def step(self, values: Mapping[str, float]) -> None:
        self._steps += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._steps = state["steps"]
