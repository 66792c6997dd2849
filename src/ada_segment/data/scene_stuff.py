"""The ground of a scene: which class lies where, and what it looks like."""

import numpy as np
from numpy.typing import NDArray

from ada_segment.data.scene_noise import Field, smooth_line, smooth_noise

STUFF = ("sky", "mountain", "water", "grass", "sand")
_SKY, _MOUNTAIN, _WATER, _GRASS, _SAND = range(len(STUFF))

# Mean colours, RGB in [0, 1]. They overlap once the tint is added, so that texture and place have to tell.
_COLOUR = np.array(
    [[0.62, 0.70, 0.82], [0.48, 0.45, 0.46], [0.32, 0.48, 0.62], [0.38, 0.54, 0.28], [0.68, 0.58, 0.40]],
    dtype=np.float32,
)
_TINT = 0.03


def lay_out(random: np.random.Generator, size: int) -> NDArray[np.intp]:
    """Index into STUFF per pixel, [size, size]: sky, maybe mountains before it, one to three grounds below."""
    height = ((np.arange(size, dtype=np.float32) + 0.5) / size)[:, None]
    horizon = random.uniform(0.2, 0.5)
    labels = np.full((size, size), _SKY)
    if random.random() < 0.6:
        ridge = horizon - random.uniform(0.06, 0.22) + 0.05 * smooth_line(random, size, int(random.integers(3, 7)))
        labels[height > ridge] = _MOUNTAIN
    grounds = random.permutation([_WATER, _GRASS, _SAND])[: random.integers(1, 4)]
    edge = horizon + 0.015 * smooth_line(random, size, 3)
    depths = np.sort(random.uniform(horizon + 0.12, 0.95, len(grounds) - 1))
    for number, label in enumerate(grounds):
        if number:
            edge = depths[number - 1] + random.uniform(0.03, 0.10) * smooth_line(
                random, size, int(random.integers(2, 5))
            )
        labels[height > edge] = label
    if random.random() < 0.5:  # a pool, a lawn or a bank of sand
        patch = random.choice([_WATER, _GRASS, _SAND])
        field = smooth_noise(random, size, 3, 3) - 0.9
        labels[(field > 0) & (height > horizon + 0.08)] = patch
    return labels


def colour_stuff(random: np.random.Generator, labels: NDArray[np.intp]) -> Field:
    """Colours [size, size, 3] in about [0, 1] of a layout."""
    size = len(labels)
    tinted = _COLOUR + random.normal(0, _TINT, _COLOUR.shape).astype(np.float32)
    picture = tinted[labels]
    for label in range(len(STUFF)):
        inside = labels == label
        if inside.any():
            picture[inside] += _texture(random, label, size)[inside][:, None]
    return picture


def _texture(random: np.random.Generator, label: int, size: int) -> Field:
    """Brightness that is added to a class, [size, size]."""
    fine = max(4, min(size // 2, 48))  # bumps across the finest grain
    if label == _SKY:  # clouds
        return 0.07 * smooth_noise(random, size, 3, 4)
    if label == _MOUNTAIN:  # layers of broken rock
        return _strata(random, size) + 0.07 * np.abs(smooth_noise(random, size, 10, 6))
    if label == _WATER:  # ripples that lie
        return 0.06 * smooth_noise(random, size, fine // 2, 4)
    if label == _GRASS:  # blades that stand
        return 0.08 * smooth_noise(random, size, fine // 3, fine)
    pebbles = smooth_noise(random, size, fine // 2, fine // 2) > 1.0
    return 0.05 * smooth_noise(random, size, 4, 4) - np.float32(0.2) * pebbles


def _strata(random: np.random.Generator, size: int) -> Field:
    """Slanted layers of rock."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    slant = random.uniform(-1.5, 1.5)
    wave = at[:, None] + slant * at + 0.02 * smooth_noise(random, size, 4, 4)
    return (0.06 * np.sin(2 * np.pi * random.uniform(8, 14) * wave)).astype(np.float32)
