"""Where the members of a round stand around the mean."""

import math

import numpy as np

from ada_segment.controller.space import LogWeights, Vector


def step_size(first: float, last: float, share: float) -> float:
    """Geometric path from `first` at share 0 to `last` at share 1."""
    return math.exp((1 - share) * math.log(first) + share * math.log(last))


def directions(
    space: LogWeights, random: np.random.Generator, members: int, *, antithetic: bool, mean_member: bool
) -> Vector:
    """Directions [K, n] from the mean, each of root mean square 1 over the losses (0 where nothing can move).

    The first is 0 (the mean itself) when asked for. The directions d of the others are orthogonal to each other, as far
    as there are dimensions, so that none asks what another one asks; when antithetic they come in pairs d, -d, with one
    alone at the end if one is left. One member alone stands at the mean.
    """
    result = np.zeros((members, space.size))
    if members == 1 or space.frozen:
        return result
    start = 1 if mean_member and members > 1 else 0
    count = members - start
    asked = -(-count // 2) if antithetic else count
    draws = _orthogonal(space, space.draw(random, (asked,)))
    if antithetic:
        result[start::2] = draws
        result[start + 1 :: 2] = -draws[: count // 2]
    else:
        result[start:] = draws
    return result


def _orthogonal(space: LogWeights, draws: Vector) -> Vector:
    """The draws [m, n], orthogonalised in blocks of as many as there are dimensions, of length sqrt(n)."""
    dimensions = len(space.group_names) - int(space.fixed_scale)
    blocks = []
    for start in range(0, len(draws), dimensions):
        basis, _ = np.linalg.qr(draws[start : start + dimensions].T)
        blocks.append(basis.T * math.sqrt(space.size))
    return np.concatenate(blocks)
