"""Splits held in memory: as a list has them, and in little room."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ada_segment.training.held import Held


@given(items=st.lists(st.tuples(st.integers(), st.text())), room=st.integers(0, 300), start=st.integers(-9, 9))
def test_items_are_those_of_a_list(items: list[tuple[int, str]], room: int, start: int) -> None:
    held: Held[tuple[int, str]] = Held(room=room)
    held.extend(items[:2])
    held.extend(items[2:])
    assert list(held) == items
    assert len(held) == len(items)
    assert held[start:] == items[start:]
    if items:
        assert held[-1] == items[-1]
    with pytest.raises(IndexError):
        held[len(items)]


def test_many_maps_take_little_more_than_their_room() -> None:
    maps = [np.full((400, 500), number, dtype=np.int32) for number in range(50)]
    size = sum(each.nbytes for each in maps)
    tracemalloc.start()
    held: Held[np.ndarray] = Held(room=size // 10)
    held.extend(each.copy() for each in maps)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < size / 6
    assert all(np.array_equal(one, other) for one, other in zip(held, maps, strict=True))
