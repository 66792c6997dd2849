"""Pixels by their ids in two maps: compiled and numpy count alike, ids or colours; what is out of bounds is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ada_segment.errors import DataError
from ada_segment.panoptic import joint_count as module
from ada_segment.panoptic.joint_count import joint_count
from ada_segment.panoptic.panoptic_map import MAX_ID

ROOT = Path(__file__).parents[1]
SOURCE = Path(module.__file__).with_suffix(".c")
needs_compiled = pytest.mark.skipif(module._compiled is None, reason="no C compiler was at hand at installation")
WAYS = [pytest.param(True, marks=needs_compiled, id="compiled"), pytest.param(False, id="numpy")]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(module, "_compiled", None)


def colours(ids: NDArray[np.int32]) -> NDArray[np.uint8]:
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def int32(ids: list[int]) -> NDArray[np.int32]:
    return np.array(ids, dtype=np.int32)


def slow_count(first: NDArray[np.int32], second: NDArray[np.int32], known: list[list[int]]) -> NDArray[np.int64]:
    rows, columns = ([None, 0, *ids] for ids in known)
    counts = np.zeros((len(rows), len(columns)), dtype=np.int64)
    for one, other in zip(first.ravel().tolist(), second.ravel().tolist(), strict=True):
        counts[rows.index(one) if one in rows else 0, columns.index(other) if other in columns else 0] += 1
    return counts


@st.composite
def maps(draw: st.DrawFn) -> tuple[NDArray[np.int32], list[int]]:
    """Rows of equal pixels and noise between them, in a size that no block of pixels divides; some ids not named."""
    size = draw(st.integers(0, 70))
    ids = draw(st.lists(st.integers(1, MAX_ID), max_size=5, unique=True))
    pixels: list[int] = []
    while len(pixels) < size:
        pixels += [draw(st.sampled_from([0, *ids]))] * draw(st.sampled_from([1, 1, 2, 9, 40]))
    named = draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
    return np.array(pixels[:size], dtype=np.int32).reshape(1, size), named


@pytest.mark.usefixtures("way")
@given(first=maps(), second=maps(), coloured=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=300, deadline=None)
def test_the_count_is_the_obvious_one(
    first: tuple[NDArray[np.int32], list[int]], second: tuple[NDArray[np.int32], list[int]], coloured: tuple[bool, bool]
) -> None:
    size = min(first[0].shape[1], second[0].shape[1])
    ids = [first[0][:, :size], second[0][:, :size]]
    pixels = [colours(one) if is_coloured else one for one, is_coloured in zip(ids, coloured, strict=True)]
    found = joint_count(*pixels, first_ids=int32(first[1]), second_ids=int32(second[1]))
    slow = slow_count(*ids, [first[1], second[1]])
    assert found.pixels.dtype == np.int64
    assert found.pixels.tolist() == slow.tolist()
    used = [set(one.ravel().tolist()) for one in ids]
    assert found.all_named == all(
        seen | {0} == {0, *known} for seen, known in zip(used, (first[1], second[1]), strict=True)
    )


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("place", [0, 5, 30])
@pytest.mark.parametrize("value", [-1, MAX_ID + 1, -(2**31), 2**31 - 1])
def test_an_id_out_of_bounds_is_refused_and_the_next_count_is_right(place: int, value: int) -> None:
    good = np.repeat(np.array([[3, 4, 3]], dtype=np.int32), 11, axis=1)
    bad = good.copy()
    bad[0, place] = value
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(DataError, match=str(value)):
            joint_count(*pair, first_ids=int32([3]), second_ids=int32([4]))
    found = joint_count(good, good, first_ids=int32([3]), second_ids=int32([4]))
    assert found.pixels.tolist() == [[0, 0, 11], [0, 0, 0], [22, 0, 0]]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("value", [-1, MAX_ID + 1, 2**31 - 1])
def test_a_named_id_out_of_bounds_is_refused(value: int) -> None:
    with pytest.raises(DataError, match=str(value)):
        joint_count(*[np.zeros((2, 2), np.int32)] * 2, first_ids=int32([1, value]), second_ids=int32([]))


@pytest.mark.usefixtures("way")
def test_views_are_counted_like_copies() -> None:
    wide = np.arange(48, dtype=np.int32).reshape(6, 8) % 5
    for view in (wide[::2, 1::3], wide.T, colours(wide)[::-1, ::2]):
        known = {"first_ids": int32([1, 2, 3, 4]), "second_ids": int32([4, 1, 4])[:2]}
        found, expected = joint_count(view, view, **known), joint_count(view.copy(), view.copy(), **known)
        assert (found.pixels == expected.pixels).all()
        assert not found.all_named


@pytest.mark.parametrize("content", [None, b"no library", b""], ids=["absent", "damaged", "empty"])
def test_without_a_library_numpy_counts(content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if content is not None:
        (tmp_path / "joint_count.compiled").write_bytes(content)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "joint_count.py"))
    assert module._load() is None


def test_the_build_goes_on_without_a_compiler(tmp_path: Path) -> None:
    """As at an installation: a compiler that is absent or fails leaves a pure wheel, one that works a library."""
    (tmp_path / SOURCE.relative_to(ROOT)).parent.mkdir(parents=True)
    (tmp_path / SOURCE.relative_to(ROOT)).write_text(SOURCE.read_text())
    (tmp_path / "hatch_build.py").write_text((ROOT / "hatch_build.py").read_text())
    code = (
        "from hatch_build import Compile; data = {'artifacts': []}; "
        f"Compile({str(tmp_path)!r}, {{}}, None, None, '', 'wheel').initialize('standard', data); print(data)"
    )
    for compiler in ("no-such-compiler", "false"):
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={"CC": compiler}, capture_output=True, text=True, check=True
        )
        assert ran.stdout == "{'artifacts': []}\n"
    if module._compiled is not None:
        ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "py3-none-" in ran.stdout
        assert (tmp_path / "src/ada_segment/panoptic/joint_count.compiled").stat().st_size > 0
