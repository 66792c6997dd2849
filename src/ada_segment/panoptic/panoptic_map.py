"""The one structure for a panoptic picture, true or predicted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_ID = 2**24 - 1
"""The greatest segment id that a PNG with three channels of 8 bits can hold."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a panoptic map.

    Attributes:
        id: value of its pixels in `PanopticMap.ids`, from 1 to 2^24 - 1.
        category_id: class, with the id of the annotation file.
        isthing: an instance of a thing class, or a region of stuff.
        iscrowd: a group of instances not told apart; never matched, never a false negative.
        area: number of its pixels, counted from the pixels.
        score: confidence in [0, 1]; 1 for truth and for stuff.
    """

    id: int
    category_id: int
    isthing: bool
    iscrowd: bool = False
    area: int = 0
    score: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class PanopticMap:
    """Segment ids per pixel, [H, W] int32 with 0 = void, and the segments that the ids name."""

    ids: NDArray[np.int32]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ColourMap:
    """A panoptic map as its files have it, which saves counting the detour by ids and segments.

    Attributes:
        colours: of the PNG, [H, W, 3] uint8, id = R + 256 G + 65536 B.
        ids: of the segments, int32.
        labels: class of each segment, as its place among the classes in the order of their ids, int32.
        crowd: whether each segment is a crowd, bool.
    """

    colours: NDArray[np.uint8]
    ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    crowd: NDArray[np.bool_]
