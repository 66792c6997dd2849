"""Soft optimal uncertainty: the closed form of learned variances, softened by a softmax."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from ada_segment.errors import ConfigError
from ada_segment.weighting.base import Weighting
from ada_segment.weighting.shares import present, softmax


class SoftOptimalWeighting(Weighting):
    """UW-SO: Kirchdorfer et al., Analytical Uncertainty-Based Loss Weighting in Multi-Task Learning (GCPR 2024,
    arXiv:2408.07985).

    weight_i = n exp(1 / (T L_i)) / sum_j exp(1 / (T L_j)), where 1 / L_i is the weight at which learned uncertainty
    would be best (UW-O). The paper's weights sum to 1; times the number n of losses that are present they sum to n as
    those of DWA do, so that another method is not another learning rate.

    Cost: no extra backward pass. When: as for `UncertaintyWeighting`, without its slow start, if T can be tuned: it is
    in units of 1 / loss, and too small a T gives everything to the smallest loss (a loss near 0 takes all), too great a
    T is equal weights.

    A loss of exactly 0 has weight 0 and the others share the sum. Losses below 0 are weighted as the formula says.

    Args:
        losses: names.
        temperature: T.
    """

    def __init__(self, losses: Iterable[str], *, temperature: float = 20.0) -> None:
        super().__init__(losses)
        if not temperature > 0:
            raise ConfigError(f"temperature = {temperature} is not usable; it is above 0")
        self.temperature = temperature

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        names = present(values)
        share = softmax({name: _inverse(values[name]) / self.temperature for name in names})
        return {name: len(names) * share.get(name, 0.0) for name in self.names}


def _inverse(value: float) -> float:
    """1 / value, of the largest size that a float has where it would be infinite."""
    return 1 / value if abs(value) > 1e-300 else (1e300 if value > 0 else -1e300)
