"""The same weights throughout: the field's custom, and the baseline of every comparison."""

from collections.abc import Mapping

from torch import Tensor

from ada_segment.weighting.base import Weighting, check_weights


class FixedWeighting(Weighting):
    """Weights given once, by name.

    Cost: none. When: always the first thing to try; every other method has to be better than this one.

    Raises:
        LossError: a weight is negative or not finite.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__(weights)
        self._weights = check_weights(weights)

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        return self._weights
