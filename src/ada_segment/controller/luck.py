"""How much of a member's surplus over its prediction is its own, and goes on with its state.

A reward is noisy, and the best observed member is mostly the luckiest one. But a member's luck may be real: a state
that is better by chance stays better. The next round shows which: after a member with surplus e was broadcast, the
level of the next round is higher by phi e.
"""

import numpy as np

from ada_segment.controller.space import Vector

PRIOR_MEAN = 0.05
PRIOR_SD = 0.5
# A surprise is believed up to so many standard deviations of the noise: what is beyond is an accident.
CREDIBLE = 2.5


def level_and_surpluses(surprises: Vector, noise: float) -> tuple[float, Vector]:
    """What the members of a round have in common, and what each has beyond it.

    Surprises further than 2.5 noise from their median count as that far: one accident would else lower the level, and
    so lend the others a surplus that the next round, without an accident, seems to confirm.

    Args:
        surprises: [K], rewards less what their weights are predicted to give.
        noise: standard deviation of a reward.

    Returns:
        The level, and the surpluses [K].
    """
    middle = float(np.median(surprises))
    level = middle + float(np.clip(surprises - middle, -CREDIBLE * noise, CREDIBLE * noise).mean())
    return level, np.clip(surprises - level, -CREDIBLE * noise, CREDIBLE * noise)


def persistence(levels: Vector, surpluses: Vector) -> float:
    """Posterior mean of phi in [0, 1], the share of a surplus that stays.

    Regression of the rise in level on the surplus of the member broadcast, beside a trend a + b / (t + 1), the shape of
    most learning curves; normal prior on phi, flat ones on the trend.

    Args:
        levels: [T], level of each round.
        surpluses: [T], that of the member broadcast after each round.
    """
    rise, surplus = np.diff(levels), surpluses[: len(levels) - 1]
    if len(rise) < 4 or not surplus.any():
        return PRIOR_MEAN
    unit = max(np.abs(rise).max(), np.abs(surplus).max())  # squares of large numbers have none
    rise, surplus = rise / unit, surplus / unit
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
