"""Predictions and truths of a whole split in memory, however many full-size pictures it has."""

import pickle
import zlib
from collections.abc import Iterable, Sequence
from typing import TypeVar, overload

_T = TypeVar("_T")

ROOM = 2**30
"""Bytes that the items of one `Held` take before further ones are compressed."""


class Held(Sequence[_T]):
    """Items in the order in which they were added, as a list has them, but compressed once there are many.

    Maps of segments shrink to a twentieth or less: the 5000 pictures of COCO's val, with what a model says of them,
    take 11 GB as they are. An item that is compressed is made anew each time it is asked for, so change none.

    Args:
        room: bytes that may be taken as they are.
    """

    def __init__(self, *, room: int | None = None) -> None:
        self._left = ROOM if room is None else room
        self._items: list[_T | bytes] = []

    def extend(self, items: Iterable[_T]) -> None:
        """Add items; they must go through pickle, and be no bytes."""
        for item in items:
            content = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
            self._left -= len(content)
            self._items.append(item if self._left >= 0 else zlib.compress(content, level=1))

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> _T: ...

    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...

    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        item = self._items[index]
        if isinstance(item, bytes):
            made: _T = pickle.loads(zlib.decompress(item))
            return made
        return item
