"""What the pixels say of segments: areas and boxes counted, vanished segments dropped."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ada_segment.panoptic.panoptic_map import PanopticMap, Segment

Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels, as COCO has it."""


def recount(ids: NDArray[np.int32], segments: Iterable[Segment]) -> PanopticMap:
    """A map whose segments have their areas from `ids`; those without a pixel are left out.

    Args:
        ids: [H, W] int32, 0 = void; every other id is that of one of the segments.
        segments: what is known of each id; their own areas are not looked at.
    """
    return PanopticMap(ids=ids, segments=with_areas(segments, areas(ids)))


def with_areas(segments: Iterable[Segment], counted: Mapping[int, int]) -> tuple[Segment, ...]:
    """The segments with the areas counted by `areas`; those without a pixel are left out."""
    return tuple(
        segment if segment.area == counted[segment.id] else replace(segment, area=counted[segment.id])
        for segment in segments
        if segment.id in counted
    )


def areas(ids: NDArray[np.int32]) -> dict[int, int]:
    """Number of pixels of each id that occurs, void (0) included. ids: [H, W] int32."""
    values, lengths, _ = _runs(ids)
    known, local = np.unique(values, return_inverse=True)
    counts = np.bincount(local, weights=lengths, minlength=len(known)).astype(np.int64)
    return dict(zip(known.tolist(), counts.tolist(), strict=True))


def boxes(ids: NDArray[np.int32]) -> dict[int, Box]:
    """The smallest box around the pixels of each id that occurs, void (0) included. ids: [H, W] int32."""
    values, lengths, starts = _runs(ids, by_row=True)
    known, local = np.unique(values, return_inverse=True)
    width = ids.shape[1]
    rows, columns = np.divmod(starts, width)
    least = np.full((2, len(known)), ids.size)
    greatest = np.zeros((2, len(known)), dtype=np.intp)
    np.minimum.at(least[0], local, columns)
    np.minimum.at(least[1], local, rows)
    np.maximum.at(greatest[0], local, columns + lengths)
    np.maximum.at(greatest[1], local, rows + 1)
    corners = np.concatenate([least, greatest - least]).T.tolist()
    return {number: (left, top, w, h) for number, (left, top, w, h) in zip(known.tolist(), corners, strict=True)}


def relabelled(ids: NDArray[np.int32], labels: Mapping[int, int], *, other: int) -> NDArray[np.int64]:
    """The label of each pixel by its id, `other` where the id has none: [H, W] int64. ids: [H, W] int32."""
    values, lengths, _ = _runs(ids)
    known, local = np.unique(values, return_inverse=True)
    of_known = np.array([labels.get(number, other) for number in known.tolist()], dtype=np.int64)
    return np.repeat(of_known[local], lengths).reshape(ids.shape)


def _runs(
    ids: NDArray[np.int32], *, by_row: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.intp]]:
    """Stretches of equal ids in reading order: (id, length, first pixel) of each. `by_row` ends them at each row."""
    flat = ids.ravel()
    changes = np.empty(flat.size, dtype=bool)
    changes[:1] = True
    np.not_equal(flat[1:], flat[:-1], out=changes[1:])
    if by_row:
        changes[:: ids.shape[1]] = True
    starts = np.flatnonzero(changes)
    return flat[starts], np.diff(starts, append=flat.size), starts
