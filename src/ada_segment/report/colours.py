"""One set of colours for all that is drawn: told apart by colour-blind people, on white and on black.

Source of the hues: Okabe and Ito, "Color universal design" (2008), without black and yellow, which vanish on one of
the two grounds. Brick is our addition: the colour farthest from the other six, measured as in distinct.py.
"""

import colorsys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ada_segment.panoptic.categories import Categories
from ada_segment.report.distinct import spread

BLUE, ORANGE, GREEN = "#0072b2", "#e69f00", "#009e73"
SKY, VERMILION, PURPLE, BRICK = "#56b4e9", "#d55e00", "#cc79a7", "#a43c1c"
GREY = "#8a8a8a"  # for what stands back

HUES = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, BRICK)
# On and off lengths in line widths; () is a solid line.
DASHES: tuple[tuple[float, ...], ...] = ((), (4.0, 1.5), (1.2, 1.2), (6.0, 1.5, 1.2, 1.5), (2.5, 3.0))

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How the line of one loss is drawn: `colour` as #rrggbb, `dash` as on and off lengths in line widths."""

    colour: str
    dash: tuple[float, ...]


def loss_styles(names: Iterable[str]) -> dict[str, LineStyle]:
    """A style for each loss, by its place among `names`: the same in every figure, table and display of a run.

    The first 7 differ by colour, the first 35 by colour and dash.
    """
    return {
        name: LineStyle(HUES[place % len(HUES)], DASHES[place // len(HUES) % len(DASHES)])
        for place, name in enumerate(names)
    }


def class_colours(categories: Categories) -> dict[int, Rgb]:
    """A colour for each class, by category id. Things are vivid and stuff is pale, so that things stand out."""
    return dict(_class_colours(tuple((category.id, category.isthing) for category in categories)))


@lru_cache(maxsize=8)
def _class_colours(classes: tuple[tuple[int, bool], ...]) -> tuple[tuple[int, Rgb], ...]:
    things = [category_id for category_id, isthing in classes if isthing]
    stuff = [category_id for category_id, isthing in classes if not isthing]
    first = np.array([_rgb(BLUE)], dtype=np.uint8)
    vivid = np.concatenate([first, spread(max(0, len(things) - 1), vivid=True, beside=first)])
    pale = spread(len(stuff), vivid=False, beside=vivid)
    colours = [*vivid[: len(things)].tolist(), *pale.tolist()]
    return tuple((key, (r, g, b)) for key, (r, g, b) in zip(things + stuff, colours, strict=True))


def instance_shade(colour: Rgb, place: int) -> Rgb:
    """The shade of the `place`-th instance of a class: `colour` for the first, then lighter, darker and turned."""
    if place == 0:
        return colour
    hue, light, saturation = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    # Multiples of the golden ratio fill an interval evenly, however many there are.
    spread = (place * 0.618034) % 1.0 - 0.5
    turn = (place * 0.754878) % 1.0 - 0.5
    return _to_rgb(hue + 0.09 * turn, min(0.9, max(0.12, light + 0.42 * spread)), saturation)


def _rgb(text: str) -> Rgb:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _to_rgb(hue: float, light: float, saturation: float) -> Rgb:
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, light, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)
