"""How many pixels have one segment id in one map and another id in a second map.

Compiled code counts where it was built at installation (joint_count.c), numpy elsewhere, with the same result.
"""

import ctypes
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ada_segment.errors import DataError
from ada_segment.panoptic.panoptic_map import MAX_ID

Pixels = NDArray[np.int32] | NDArray[np.uint8]
"""Segment ids, [H, W] int32, or colours, [H, W, 3] uint8 with id = R + 256 G + 65536 B."""

Ids = NDArray[np.int32]
_LANES, _OUTSIDE = 4, 2


class JointCount(NamedTuple):
    """Pixels by their ids in two maps.

    Attributes:
        pixels: [2 + first ids, 2 + second ids] int64. Row 0 counts pixels with an id that the first ids do not name,
            row 1 those of void, the rest are in the order of the ids; columns likewise. Of an id that is named twice,
            the last place counts.
        all_named: whether row and column 0 are empty, and no other but those of void.
    """

    pixels: NDArray[np.int64]
    all_named: bool


def joint_count(first: Pixels, second: Pixels, *, first_ids: Ids, second_ids: Ids) -> JointCount:
    """Count pixels by their ids in both maps.

    Args:
        first, second: of the same height and width.
        first_ids, second_ids: the ids to count, 1 to `MAX_ID`.

    Raises:
        DataError: an id, of a pixel or named, is negative or above `MAX_ID`.
    """
    return (_by_numpy if _compiled is None else _by_compiled)(first, second, first_ids, second_ids)


class _Tables(threading.local):
    """Memory that is used again and again; one a thread. From an id to its place, all zero between uses (pages that no
    id ever touched take no memory), and a pattern of lanes."""

    def __init__(self) -> None:
        self.first = np.zeros(MAX_ID + 1, dtype=np.int32)
        self.second = np.zeros(MAX_ID + 1, dtype=np.int32)
        self.addresses = self.first.ctypes.data, self.second.ctypes.data
        self.turns = np.zeros(0, dtype=np.int32)

    def lanes(self, size: int) -> NDArray[np.int32]:
        """0, 1, 2, 3, 0, 1, ..."""
        if len(self.turns) < size:
            self.turns = np.arange(size, dtype=np.int32) % _LANES
        return self.turns[:size]


_tables = _Tables()


def _load() -> Callable[..., int] | None:
    """The compiled function, or None where it was not built, or for another machine or release."""
    file = Path(__file__).with_suffix(".compiled")
    if sys.byteorder != "little" or not file.exists():
        return None
    try:
        function: Any = ctypes.CDLL(str(file)).joint_count_2  # lets other threads run while it counts
    except (OSError, AttributeError):
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    one_map = [pointer, size, pointer, pointer, size]
    function.argtypes = [*one_map, *one_map, size, pointer]
    function.restype = ctypes.c_uint32
    return function  # type: ignore[no-any-return]


_compiled = _load()


def _by_compiled(first: Pixels, second: Pixels, first_ids: Ids, second_ids: Ids) -> JointCount:
    assert _compiled is not None
    first, first_ids = np.ascontiguousarray(first), np.ascontiguousarray(first_ids)  # type: ignore[assignment]
    second, second_ids = np.ascontiguousarray(second), np.ascontiguousarray(second_ids)  # type: ignore[assignment]
    sums = np.zeros((_LANES, len(first_ids) + 2, len(second_ids) + 2), dtype=np.int64)
    first_table, second_table = _tables.addresses
    said = _compiled(
        first.ctypes.data,
        _bytes_a_pixel(first),
        first_table,
        first_ids.ctypes.data,
        len(first_ids),
        second.ctypes.data,
        _bytes_a_pixel(second),
        second_table,
        second_ids.ctypes.data,
        len(second_ids),
        first.shape[0] * first.shape[1],
        sums.ctypes.data,
    )
    if said == _OUTSIDE:
        for ids in (first_ids, second_ids, ids_of(first), ids_of(second)):
            refuse_outside(ids)
    return JointCount(sums[0].copy(), not said)  # the other lanes can go


def _bytes_a_pixel(pixels: Pixels) -> int:
    return 3 if pixels.dtype == np.uint8 else 4


def _by_numpy(first: Pixels, second: Pixels, first_ids: Ids, second_ids: Ids) -> JointCount:
    for ids in (first_ids, second_ids):
        refuse_outside(ids)
    rows, columns = len(first_ids) + 2, len(second_ids) + 2
    first_runs, second_runs, lengths = _joint_runs(ids_of(first), ids_of(second))
    codes = _looked_up(_tables.first, first_runs, first_ids)
    codes *= columns
    codes += _looked_up(_tables.second, second_runs, second_ids)
    # Neighbours often have the same code, and adding to the same place again waits for the last sum: four places take
    # turns, which halves the time.
    codes *= _LANES
    codes += _tables.lanes(len(codes))
    # Sums of integers below 2^53 are exact in float64.
    sums = np.bincount(codes, weights=lengths, minlength=_LANES * rows * columns)
    pixels: NDArray[np.int64] = sums.reshape(rows, columns, _LANES).sum(axis=2).astype(np.int64)
    areas = pixels.sum(axis=1), pixels.sum(axis=0)
    return JointCount(pixels, all(not area[0] and area[2:].all() for area in areas))


def ids_of(pixels: Pixels) -> NDArray[np.int32]:
    """The ids, one after the other, [H x W] int32."""
    if pixels.dtype != np.uint8:
        return pixels.ravel()  # type: ignore[return-value]  # int32, which the checker cannot tell from the dtype
    wide = np.zeros((*pixels.shape[:2], 4), dtype=np.uint8)
    wide[..., :3] = pixels
    return wide.view("<i4").ravel().astype(np.int32, copy=False)


def _joint_runs(
    first: NDArray[np.int32], second: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64] | None]:
    """Values of both arrays wherever one of them changes, and for how many pixels; None: each stands for one pixel."""
    changes = np.empty(first.size, dtype=bool)
    changes[-1:] = True
    np.not_equal(first[1:], first[:-1], out=changes[:-1])
    changes[:-1] |= second[1:] != second[:-1]
    # With so many runs, finding them costs more than they save.
    if 2 * np.count_nonzero(changes) > first.size:
        return first, second, None
    ends = np.flatnonzero(changes)
    lengths = np.empty(len(ends))
    lengths[:1] = ends[:1] + 1
    np.subtract(ends[1:], ends[:-1], out=lengths[1:])
    return first.take(ends, mode="wrap"), second.take(ends, mode="wrap"), lengths  # wrap: without looking for bounds


def _looked_up(table: NDArray[np.int32], ids: Ids, known: Ids) -> NDArray[np.int32]:
    """The place of each id: 0 where it is not known, 1 void, from 2 on those known in their order."""
    table[0] = 1
    table[known] = np.arange(2, len(known) + 2)
    try:
        return table.take(ids.view(np.uint32))  # negative ids are out of bounds, too
    except IndexError:
        refuse_outside(ids)
        raise
    finally:
        table[0] = 0
        table[known] = 0


def refuse_outside(ids: NDArray[Any]) -> None:
    """Raises DataError when an id is negative or above `MAX_ID`."""
    if ids.size and not 0 <= ids.min() <= ids.max() <= MAX_ID:
        raise DataError(f"segment ids lie in 0..{MAX_ID}, but some are {ids.min()} or {ids.max()}")
