"""COCO's ways to write the pixels of an instance: polygons, run lengths, and run lengths as a string."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pixels_of(segmentation: Any, height: int, width: int) -> NDArray[np.intp]:
    """The pixels of an instance, [N] indices into the flattened picture.

    Raises:
        ValueError: it is written in none of the three ways, or for a picture of another size.
    """
    if isinstance(segmentation, list):
        return np.flatnonzero(_polygons(segmentation, height, width))
    if not isinstance(segmentation, dict):
        raise ValueError("neither polygons nor run lengths")
    if segmentation.get("size") != [height, width]:
        raise ValueError(f"run lengths of size {segmentation.get('size')}, not {[height, width]}")
    counts = segmentation.get("counts")
    lengths = _from_string(counts) if isinstance(counts, str) else counts
    if not isinstance(lengths, list) or not all(isinstance(length, int) and length >= 0 for length in lengths):
        raise ValueError("run lengths that are no whole numbers")
    if sum(lengths) != height * width:
        raise ValueError(f"run lengths of {sum(lengths)} pixels in a picture of {height * width}")
    inside = np.arange(len(lengths)) % 2 == 1  # runs outside and inside take turns, column by column
    return np.flatnonzero(np.repeat(inside, lengths).reshape(width, height).T)


def _polygons(polygons: list[Any], height: int, width: int) -> NDArray[np.bool_]:
    """Pixels whose centre lies inside one of the polygons, by the even-odd rule.

    COCO's own tool rounds outlines to a grid five times finer, so single pixels along an edge may differ.
    """
    inside = np.zeros((height, width), dtype=bool)
    for polygon in polygons:
        corners = np.asarray(polygon, dtype=np.float64)
        if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2 or not np.isfinite(corners).all():
            raise ValueError("a polygon that is no list of at least three finite corners")
        x, y = corners[0::2], corners[1::2]
        x_next, y_next = np.roll(x, -1), np.roll(y, -1)
        # Its own window alone, or each small object would cost the whole picture.
        left, right = (int(side) for side in np.clip([np.floor(x.min()), np.ceil(x.max())], 0, width))
        top, bottom = (int(side) for side in np.clip([np.floor(y.min()), np.ceil(y.max())], 0, height))
        centres = np.arange(top, bottom) + 0.5
        crossed = (y[:, None] <= centres) != (y_next[:, None] <= centres)
        edges, rows = np.nonzero(crossed)
        slope = (x_next[edges] - x[edges]) / (y_next[edges] - y[edges])
        crossing = x[edges] + slope * (centres[rows] - y[edges])
        first = np.ceil(crossing - 0.5).clip(left, right).astype(np.intp)  # the first centre to the right of it
        turns = np.zeros((bottom - top, right - left + 1), dtype=np.intp)
        np.add.at(turns, (rows, first - left), 1)
        inside[top:bottom, left:right] |= np.cumsum(turns, axis=1)[:, :-1] % 2 == 1
    return inside


def _from_string(text: str) -> list[int]:
    """Run lengths from COCO's compressed string: 5 bits a character from "0" on, the sixth says that more follow.

    From the fourth on, each is written as its difference to the one two before.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"run lengths with the character {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("run lengths that break off")
    return lengths
