"""How a training is going, in numbers that carry over to other losses, data and lengths of training."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ada_segment.controller.space import LogWeights, Vector

FEATURES = ("progress", "slope", "share")
# Log-ratios beyond say no more than "very much"; losses that start near 0 would dominate all others otherwise.
LIMIT = 3.0


def dynamics(history: Sequence[Mapping[str, float]], space: LogWeights, *, round: int, rounds: int) -> Vector:
    """The state s of a training before round `round` of `rounds`: [n, features], zeros before any loss was seen.

    Of each loss, relative to the other losses (mean taken off): `progress`, log of the last value over the first;
    `slope`, log of the last value over the one before. `share` of the schedule done, from -1/2 to 1/2, is the same
    for all. No absolute loss scale enters.

    Args:
        history: mean raw losses of the rounds before, by name; what is not finite or not above 0 is left
            out, as if its round had not been.
    """
    state = np.zeros((space.size, len(FEATURES)))
    state[:, 2] = (round + 0.5) / rounds - 0.5
    for row, name in enumerate(space.names):
        seen = [math.log(losses[name]) for losses in history if _usable(losses.get(name))]
        if seen:
            state[row, 0] = seen[-1] - seen[0]
        if len(seen) > 1:
            state[row, 1] = seen[-1] - seen[-2]
    if space.size:
        state[:, :2] = np.clip(state[:, :2] - state[:, :2].mean(0), -LIMIT, LIMIT)
    return state


def _usable(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0
