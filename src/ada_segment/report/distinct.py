"""Colours as far from each other as can be had, also in the eyes of people who confuse red and green.

Sources: OKLab (Ottosson, "A perceptual color space for image processing", 2020) measures differences;
Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency" (2009),
table 1, severity 1.0, tells what protanopes and deuteranopes see.
"""

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.uint8]

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_EYES = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
)


def seen(colours: Colours) -> NDArray[np.float64]:
    """OKLab coordinates of sRGB colours [N, 3] as trichromats, protanopes and deuteranopes see them: [3, N, 3]."""
    share = colours.astype(np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    eyes = [np.clip(linear @ eye.T, 0, 1) for eye in _EYES]
    return np.stack([np.cbrt(light @ _TO_CONES.T) @ _TO_LAB.T for light in eyes])


def distance(one: Colours, other: Colours) -> NDArray[np.float64]:
    """The least OKLab distance that any of the three kinds of eyes sees, of colours [N, 3] and [M, 3]: [N, M]."""
    apart = seen(one)[:, :, None] - seen(other)[:, None]
    return np.asarray(np.linalg.norm(apart, axis=-1).min(axis=0))


def spread(count: int, *, vivid: bool, beside: Colours) -> Colours:
    """`count` colours [count, 3], each the farthest from all before it and from those `beside`; always the same ones.

    Args:
        count: how many.
        vivid: saturated, or pale.
        beside: colours [N, 3] to stay away from.
    """
    steps = np.linspace(0, 255, 14).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    light, *hue = np.moveaxis(seen(grid)[0], -1, 0)
    chroma = np.hypot(*hue)
    fits = (chroma >= 0.11) & (light > 0.4) & (light < 0.85) if vivid else (chroma < 0.08) & (light > 0.5)
    candidates = grid[fits & (light < 0.93)]
    chosen = np.empty((0, 3), dtype=np.uint8)
    room = distance(candidates, beside).min(axis=1) if len(beside) else np.full(len(candidates), np.inf)
    for _ in range(count):
        best = candidates[int(room.argmax())][None]
        chosen = np.concatenate([chosen, best])
        room = np.minimum(room, distance(candidates, best)[:, 0])
    return chosen
