"""Smooth random fields, in coordinates that do not depend on the number of pixels."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]


@lru_cache(maxsize=256)
def _weights(size: int, cells: int) -> Field:
    """Cubic B-spline weights of `cells` + 3 knots at `size` pixel centres: [size, cells + 3]."""
    at = (np.arange(size) + 0.5) / size * cells
    left = np.floor(at).astype(int)
    part = at - left
    weights = np.zeros((size, cells + 3))
    rows = np.arange(size)
    weights[rows, left] = (1 - part) ** 3 / 6
    weights[rows, left + 1] = (3 * part**3 - 6 * part**2 + 4) / 6
    weights[rows, left + 2] = (-3 * part**3 + 3 * part**2 + 3 * part + 1) / 6
    weights[rows, left + 3] = part**3 / 6
    return weights.astype(np.float32)


def smooth_noise(random: np.random.Generator, size: int, rows: int, columns: int) -> Field:
    """A field [size, size] that varies over `rows` x `columns` bumps; mean about 0, deviation about 1."""
    knots = random.standard_normal((rows + 3, columns + 3), dtype=np.float32)
    # 2.1 undoes the smoothing: the spline's weights leave that share of the knots' deviation.
    return (2.1 * (_weights(size, rows) @ knots @ _weights(size, columns).T)).astype(np.float32)


def smooth_line(random: np.random.Generator, size: int, bumps: int) -> Field:
    """A line [size] with `bumps` bumps; deviation about 1."""
    return (1.45 * (_weights(size, bumps) @ random.standard_normal(bumps + 3, dtype=np.float32))).astype(np.float32)
