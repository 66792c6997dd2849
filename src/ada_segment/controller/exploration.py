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

    The first is 0 (the mean itself) when asked for; one member alone stands at the mean. The directions d of the others
    are orthogonal to each other, as far as there are dimensions, so that none asks what another one asks; then come
    their mirrors -d, then others. When antithetic each d is followed by its mirror. In a single dimension, where there
    are no other directions, further ones are half as long, and again.
    """
    result = np.zeros((members, space.size))
    if members == 1 or space.frozen:
        return result
    start = 1 if mean_member else 0
    dimensions = len(space.group_names) - int(space.fixed_scale)
    rows: list[Vector] = []
    length = math.sqrt(space.size)
    while len(rows) < members - start:
        basis = length * _orthonormal(space.draw(random, (dimensions,)))
        if antithetic:
            rows.extend(row for one in basis for row in (one, -one))
        else:
            rows.extend((*basis, *-basis))
        if dimensions == 1:
            length /= 2
    result[start:] = rows[: members - start]
    return result


def _orthonormal(draws: Vector) -> Vector:
    """The draws [m, n] made orthogonal, one after the other, and of length 1; each on its draw's side.

    Without their sides all rounds would ask about the same half of the space, since a QR decomposition chooses its own.
    """
    basis, triangle = np.linalg.qr(draws.T)
    oriented: Vector = (basis * np.where(np.diag(triangle) < 0, -1.0, 1.0)).T
    return oriented
