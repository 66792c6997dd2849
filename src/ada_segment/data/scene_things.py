"""The things of a scene: shapes told apart by outline and texture, in any colour."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ada_segment.data.scene_noise import Field

THINGS = ("ball", "crate", "tent", "star", "ring")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One shape on its window of the picture.

    Attributes:
        rows, columns: the window.
        cover: [h, w] in [0, 1], share of each pixel that the shape covers; a pixel belongs to it from 0.5 on.
        colour: [h, w, 3], lit.
    """

    rows: slice
    columns: slice
    cover: Field
    colour: Field


def draw_thing(
    random: np.random.Generator, *, kind: int, centre: tuple[float, float], radius: float, size: int, light: float
) -> Drawn:
    """Draw a shape.

    Args:
        kind: index into THINGS.
        centre: (x, y) in units of the picture's side.
        radius: of the circle around the shape, in the same units.
        light: direction that the light comes from, radians.
    """
    rows, columns = (_window(value, radius, size) for value in (centre[1], centre[0]))
    x = ((np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) / size - centre[0])[None, :] / radius
    y = ((np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) / size - centre[1])[:, None] / radius
    turn = random.uniform(-0.35, 0.35) if kind == THINGS.index("tent") else random.uniform(0, 2 * np.pi)
    u = x * np.cos(turn) + y * np.sin(turn)
    v = y * np.cos(turn) - x * np.sin(turn)
    distance, pattern = _SHAPES[kind](u.astype(np.float32), v.astype(np.float32), random)
    cover = np.clip(0.5 - distance * radius * size, 0, 1)
    base = random.uniform(0.15, 0.9, 3).astype(np.float32)
    other = np.clip(base + random.choice([-1, 1]) * random.uniform(0.2, 0.35), 0.05, 0.95).astype(np.float32)
    colour = base + (other - base) * pattern[..., None]
    facing = x * np.cos(light) + y * np.sin(light)
    if kind == THINGS.index("ball"):
        depth = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
        shade = 0.35 + 0.75 * np.clip(0.6 * facing + 0.8 * depth, 0, 1)
    else:
        shade = 0.85 + 0.22 * facing
    return Drawn(rows=rows, columns=columns, cover=cover, colour=colour * shade[..., None])


def _window(centre: float, radius: float, size: int) -> slice:
    # One pixel more on each side, for the soft edge.
    return slice(max(0, int((centre - radius) * size) - 1), min(size, int((centre + radius) * size) + 2))


# Each shape: (u, v in units of its radius) -> signed distance (below 0 inside; about true near the edge), and a
# pattern in [0, 1] that blends two colours.


def _ball(u: Field, v: Field, random: np.random.Generator) -> tuple[Field, Field]:
    return np.hypot(u, v) - 1, (np.abs(v) < 0.22).astype(np.float32)


def _crate(u: Field, v: Field, random: np.random.Generator) -> tuple[Field, Field]:
    half = random.uniform(0.55, 0.7)
    wide = np.sqrt(1 - half * half)
    distance = np.maximum(np.abs(u) - wide, np.abs(v) - half)
    checks = (np.floor(u / wide * 2) + np.floor(v / half * 2)) % 2
    return distance, checks.astype(np.float32)


def _tent(u: Field, v: Field, random: np.random.Generator) -> tuple[Field, Field]:
    # An isosceles triangle with its point up (v grows downwards) and its foot at v = 0.6.
    slope = random.uniform(0.62, 0.8)
    side = (np.abs(u) - slope * (v + 1)) / np.hypot(1, slope)
    stripes = np.floor((v + 1) * 3.2) % 2
    return np.maximum(side, v - 0.6), stripes.astype(np.float32)


def _star(u: Field, v: Field, random: np.random.Generator) -> tuple[Field, Field]:
    points = 5
    far = np.hypot(u, v)
    turns = np.arctan2(v, u) * points / (2 * np.pi)
    angle = np.abs(turns % 1 - 0.5) * 2 * np.pi / points
    # The line from the tip (angle pi / points, radius 1) to the notch (angle 0, radius `inner`).
    inner = random.uniform(0.42, 0.52)
    tip = np.array([np.cos(np.pi / points), np.sin(np.pi / points)])
    along = tip - [inner, 0]
    normal = np.array([along[1], -along[0]]) / np.hypot(*along)
    distance = (far * np.cos(angle) - inner) * normal[0] + far * np.sin(angle) * normal[1]
    return distance.astype(np.float32), np.clip(1.2 - 1.6 * far, 0, 1).astype(np.float32)


def _ring(u: Field, v: Field, random: np.random.Generator) -> tuple[Field, Field]:
    middle = random.uniform(0.66, 0.74)
    distance = np.abs(np.hypot(u, v) - middle) - (1 - middle)
    parts = np.floor(np.arctan2(v, u) / (2 * np.pi) * 8) % 2
    return distance, parts.astype(np.float32)


_SHAPES: tuple[Callable[[Field, Field, np.random.Generator], tuple[Field, Field]], ...] = (
    _ball,
    _crate,
    _tent,
    _star,
    _ring,
)
