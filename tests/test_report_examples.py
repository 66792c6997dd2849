"""Which pictures are kept and shown: evenly spread ones, the best, the worst, the most improved."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_histories import make_metrics, make_rounds, write_examples, write_run
from PIL import Image

from ada_segment.errors import RunError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.merge import Thresholds
from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.recount import recount
from ada_segment.report.example_files import Example, best, improved, worst
from ada_segment.report.page import render_page
from ada_segment.report.run_files import read_run
from ada_segment.runs.examples import BEST, SPREAD, WORST, chosen, picture_quality

SCORES = st.lists(st.floats(0, 1), max_size=300)
EMPTY = st.lists(st.none() | st.floats(0, 1), max_size=300)


@given(pq=SCORES)
def test_the_worst_and_the_best_are_drawn_and_no_more_than_promised(pq: list[float]) -> None:
    drawn = chosen(pq)
    assert drawn <= set(range(len(pq)))
    assert len(drawn) <= SPREAD + WORST + BEST
    left = sorted(set(range(len(pq))) - drawn, key=lambda place: pq[place])
    if left:
        assert sum(pq[place] <= pq[left[0]] for place in drawn) >= WORST
        assert sum(pq[place] >= pq[left[-1]] for place in drawn) >= BEST


@given(pq=EMPTY)
def test_pictures_without_a_pq_are_neither_good_nor_bad(pq: list[float | None]) -> None:
    drawn = chosen(pq)
    scored = [place for place, value in enumerate(pq) if value is not None]
    assert len(drawn & set(scored)) >= min(len(scored), WORST + BEST)


@given(one=SCORES, other=SCORES)
def test_spread_pictures_are_the_same_in_every_run(one: list[float], other: list[float]) -> None:
    count = min(len(one), len(other))
    both = chosen(one[:count]) & chosen(other[:count])
    assert len(both) >= min(count, SPREAD)


def examples(pq: list[float], *, undrawn: int | None = None) -> tuple[Example, ...]:
    return tuple(
        Example(place, f"{place}.png", value, None if place == undrawn else Path("x")) for place, value in enumerate(pq)
    )


def test_most_improved_are_pictures_that_both_drew() -> None:
    ours, theirs = examples([0.9, 0.5, 0.2, 1.0], undrawn=3), examples([0.1, 0.4, 0.6, 0.0])
    assert [(one.place, other.place) for one, other in improved(ours, theirs, 4)] == [(0, 0), (1, 1)]
    assert [one.place for one in worst(ours, 2)] == [2, 1]
    assert [one.place for one in best(ours, 2)] == [0, 1]


def test_the_page_shows_them_in_this_order(tmp_path: Path) -> None:
    run, base = (
        write_run(tmp_path / name, make_rounds(rounds=2), metrics=make_metrics({"ball": True})) for name in ("a", "b")
    )
    write_examples(run, seed=1)
    write_examples(base, seed=2)
    markup = render_page(read_run(run), baseline=read_run(base))
    assert markup.index("Where it improved most over b") < markup.index("Where it fails worst")
    assert "Where it does best" in render_page(read_run(run))


def test_a_picture_without_a_segment_does_not_fail_worst(tmp_path: Path) -> None:
    nothing = Prediction((), np.full((16, 16), -1, dtype=np.int16))
    void = recount(np.zeros((16, 16), dtype=np.int32), ())
    categories = Categories([Category(1, "ball", True), Category(2, "sky", False)])
    assert picture_quality(nothing, void, categories, Thresholds()) == {"pq": None, "tp": 0, "fp": 0, "fn": 0}
    run = write_run(tmp_path / "run", make_rounds(rounds=2))
    write_examples(run, seed=1, pictures=3)
    content = json.loads((run / "examples.json").read_text())
    content["pictures"][1]["pq"] = None
    (run / "examples.json").write_text(json.dumps(content))
    assert [one.place for one in read_run(run).examples] == [0, 2]


def test_files_that_are_damaged_are_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", make_rounds(rounds=2))
    write_examples(run, seed=1)
    for file in (run / "examples").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"examples.*is no picture"):
        render_page(read_run(run))
    (run / "examples.json").write_text('{"pictures": [{"name": "x"}]}')
    with pytest.raises(RunError, match=r"examples\.json is malformed"):
        read_run(run)


def test_pictures_that_are_not_there_are_not_asked_for(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", make_rounds(rounds=2))
    Image.new("RGB", (30, 20)).save(run / "overlays.png")
    assert "What the best model sees" in render_page(read_run(run))
