"""The same weights throughout: the field's custom, and the baseline of every comparison."""

from collections.abc import Mapping

from torch import Tensor

from ada_segment.weighting.base import Weighting, check_weights


class FixedWeighting(Weighting):
    """Weights given once, by name.

    Raises:
        LossError: a weight is negative or not finite.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = check_weights(weights)

    def weights(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        return dict(self._weights)
