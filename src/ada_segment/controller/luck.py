"""How much of a member's surplus over its prediction is its own, and goes on with its state.

A reward is noisy, and the best observed member is mostly the luckiest one. But a member's luck may be real: a state
that is better by chance stays better. The next round shows which: after a member with surplus e was broadcast, the
level of the next round is higher by phi e.
"""

import numpy as np

from ada_segment.controller.space import Vector

PRIOR_MEAN = 0.05
PRIOR_SD = 0.5


def persistence(levels: Vector, surpluses: Vector) -> float:
    """Posterior mean of phi in [0, 1], the share of a surplus that stays.

    Regression of the rise in level on the surplus of the member broadcast, beside a trend a + b / (t + 1), the shape of
    most learning curves; normal prior on phi, flat ones on the trend.

    Args:
        levels: [T], level of each round: the mean of the rewards, less what their weights are predicted to have done.
        surpluses: [T], reward less prediction of the member broadcast after each round, the level taken off.
    """
    rise, surplus = np.diff(levels), surpluses[: len(levels) - 1]
    if len(rise) < 4 or not surplus.any():
        return PRIOR_MEAN
    trend = np.stack([np.ones(len(rise)), 1 / np.arange(1, len(rise) + 1)], axis=1)
    # The trend is taken off both sides, as in any regression with nuisance terms.
    hat = trend @ np.linalg.pinv(trend)
    rise, surplus = rise - hat @ rise, surplus - hat @ surplus
    freedom = len(rise) - 2
    phi = PRIOR_MEAN
    for _ in range(20):
        variance = max(float(((rise - phi * surplus) ** 2).sum()) / freedom, 1e-300)
        precision = float((surplus**2).sum()) / variance
        phi = (float((surplus * rise).sum()) / variance + PRIOR_MEAN / PRIOR_SD**2) / (precision + PRIOR_SD**-2)
    return min(max(phi, 0.0), 1.0)
