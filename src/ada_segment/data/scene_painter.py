"""One generated scene: ground, things, shadows, light and noise, with its exact truth."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ada_segment.data.scene_noise import Field, smooth_noise
from ada_segment.data.scene_stuff import STUFF, colour_stuff, lay_out
from ada_segment.data.scene_things import THINGS, Drawn, draw_thing
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.panoptic.recount import recount

CATEGORIES = Categories(
    Category(id=number, name=name, isthing=number <= len(THINGS)) for number, name in enumerate(THINGS + STUFF, start=1)
)

_FEWEST, _MOST = 3, 7
_RADIUS = (0.085, 0.24)  # in units of the picture's side: 11 to 31 pixels across at 64
_STILL_SEEN = 0.4  # share of a thing that others may not hide
_LEAST = 0.006  # of the picture's area: a thing is never smaller (25 pixels at 64)
_DUST = 0.3  # share of pictures with a patch that nobody has labelled


def paint(*, size: int, seed: Sequence[int]) -> tuple[NDArray[np.uint8], PanopticMap]:
    """Paint the scene that `seed` stands for.

    Returns:
        The picture [size, size, 3] uint8, and its truth: a thing's pixels are those that no nearer one hides.
    """
    # A stream for each part, so that a part looks the same however many draws the others took.
    layout, ground, random, dust, exposure = np.random.default_rng(seed).spawn(5)
    labels = lay_out(layout, size)
    picture = colour_stuff(ground, labels)
    light = random.uniform(-np.pi, 0)  # from above
    ids = (labels + 1).astype(np.int32)
    segments = [_segment(label + 1, len(THINGS) + label + 1) for label in range(len(STUFF))]
    areas: dict[int, int] = {}
    for _ in range(random.integers(_FEWEST, _MOST + 1)):
        kind = int(random.integers(len(THINGS)))
        if (thing := _place(random, kind=kind, ids=ids, areas=areas, light=light)) is None:
            continue
        _cast_shadow(picture, thing, light=light)
        window = (thing.rows, thing.columns)
        picture[window] += thing.cover[..., None] * (thing.colour - picture[window])
        inside = thing.cover >= 0.5
        number = len(segments) + 1
        ids[window][inside] = number
        areas[number] = int(inside.sum())
        segments.append(_segment(number, kind + 1))
    if dust.random() < _DUST:
        _dust(dust, picture, ids)
        slivers = [number for number in areas if np.count_nonzero(ids == number) < _LEAST * _STILL_SEEN * size * size]
        ids[np.isin(ids, slivers)] = 0
    return _expose(exposure, picture), recount(ids, segments)


def _segment(number: int, category_id: int) -> Segment:
    return Segment(id=number, category_id=category_id, isthing=CATEGORIES[category_id].isthing)


def _place(
    random: np.random.Generator, *, kind: int, ids: NDArray[np.int32], areas: dict[int, int], light: float
) -> Drawn | None:
    """A thing where it leaves enough of those behind it to be seen; None after a few tries."""
    size = len(ids)
    for _ in range(8):
        radius = float(np.exp(random.uniform(*np.log(_RADIUS))))
        centre = (random.uniform(0.05, 0.95), random.uniform(0.15, 0.95))
        thing = draw_thing(random, kind=kind, centre=centre, radius=radius, size=size, light=light)
        hidden = ids[thing.rows, thing.columns][thing.cover >= 0.5]
        left = np.bincount(ids.ravel(), minlength=max(areas, default=0) + 1)
        left -= np.bincount(hidden, minlength=len(left))
        if len(hidden) >= _LEAST * size * size and all(
            left[number] >= _STILL_SEEN * area for number, area in areas.items()
        ):
            return thing
    return None


def _cast_shadow(picture: Field, thing: Drawn, *, light: float) -> None:
    """Darken what lies beside the thing, on the side away from the light."""
    size = len(picture)
    height, width = thing.cover.shape
    far = 0.3 * max(height, width)
    down, right = round(-np.sin(light) * far), round(-np.cos(light) * far)
    top, left = max(0, thing.rows.start + down), max(0, thing.columns.start + right)
    bottom, end = min(size, thing.rows.stop + down), min(size, thing.columns.stop + right)
    if top < bottom and left < end:
        row, column = top - thing.rows.start - down, left - thing.columns.start - right
        shade = thing.cover[row : row + bottom - top, column : column + end - left]
        picture[top:bottom, left:end] *= 1 - 0.35 * shade[..., None]


def _dust(random: np.random.Generator, picture: Field, ids: NDArray[np.int32]) -> None:
    """A grey patch on the lens, whose pixels are void."""
    size = len(ids)
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = random.uniform(0, 1, 2)
    far = np.hypot(at[None, :] - x, at[:, None] - y) + 0.03 * smooth_noise(random, size, 6, 6)
    patch = far < random.uniform(0.06, 0.14)
    picture[patch] = 0.25 * picture[patch] + 0.75 * random.uniform(0.3, 0.7)
    ids[patch] = 0


def _expose(random: np.random.Generator, picture: Field) -> NDArray[np.uint8]:
    """Uneven light, brightness, contrast and the sensor's noise; then 8 bits."""
    size = len(picture)
    light = random.uniform(0.85, 1.15) * (1 + 0.08 * smooth_noise(random, size, 2, 2))
    exposed = (picture - 0.5) * random.uniform(0.85, 1.1) + 0.5
    exposed *= light[..., None]
    exposed += random.uniform(0.015, 0.04) * random.standard_normal(exposed.shape, dtype=np.float32)
    levels: NDArray[np.uint8] = (np.clip(exposed, 0, 1) * 255 + 0.5).astype(np.uint8)
    return levels
