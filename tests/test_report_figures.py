"""Figures: right numbers, one style a loss, valid files for any history."""

import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_histories import DEFAULTS, SIX, make_rounds, with_failures
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from ada_segment.report.colours import GREY, loss_styles
from ada_segment.report.figure_files import inline_svg, save_figures, svg
from ada_segment.report.figure_style import INK_OF_PAGE
from ada_segment.report.figures import (
    controller_figure,
    draw_all,
    loss_figure,
    reward_figure,
    share_figure,
    shares,
    weight_figure,
)
from ada_segment.report.history import History, as_history, parse_round


def history_of(records: list[dict[str, Any]]) -> History:
    return as_history([parse_round(record) for record in records])


def lines_of(figure: Figure) -> dict[str, np.ndarray]:
    """Colour to (x, y) of the lines that hold data."""
    return {to_hex(line.get_color()): np.array(line.get_data()) for line in figure.axes[0].lines}


RECORDS = with_failures(make_rounds(), rounds=(3,))
HISTORY = history_of(RECORDS)
BASELINE = history_of(make_rounds(members=1, moving=False, seed=4))


def test_every_member_is_a_dot_and_the_best_of_each_round_the_line() -> None:
    figure = reward_figure(HISTORY, baseline=BASELINE, label="PQ, %")
    dots = figure.axes[0].collections[0].get_offsets()
    rewards = [m["reward"] for record in RECORDS for m in record["members"] if m["reward"] is not None]
    assert sorted(np.asarray(dots)[:, 1].tolist()) == pytest.approx(sorted(rewards))
    lines = lines_of(figure)
    best = [record["members"][record["best"]]["reward"] for record in RECORDS]
    assert lines["#0072b2"].tolist() == [list(range(1, 13)), best]
    assert lines[GREY][1].tolist() == [member.reward for _, member in BASELINE.lineage]
    assert lines["#e69f00"].tolist() == [[best.index(max(best)) + 1], [max(best)]]
    assert np.asarray(figure.axes[0].collections[1].get_offsets())[:, 0].tolist() == [4]  # the failure
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("round", "PQ, %")


def test_weights_and_losses_are_those_of_the_lineage() -> None:
    chosen = [record["members"][record["best"]] for record in RECORDS]
    styles = loss_styles(SIX)
    weights, losses = lines_of(weight_figure(HISTORY, defaults=DEFAULTS)), lines_of(loss_figure(HISTORY))
    for name in SIX:
        colour = styles[name].colour
        assert weights[colour][1] == pytest.approx([member["weights"][name] / DEFAULTS[name] for member in chosen])
        assert losses[colour][1] == pytest.approx([member["losses"][name] for member in chosen])


def test_the_controller_is_drawn_where_the_journal_tells_of_it() -> None:
    assert controller_figure(HISTORY) is None
    records = make_rounds(rounds=3)
    for t, record in enumerate(records):
        record["controller"] = {"mean": {name: DEFAULTS[name] * 2**t for name in SIX}, "step": math.log(2)}
    figure = controller_figure(history_of(records), defaults=DEFAULTS)
    assert figure is not None
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert len(drawn) == 6
    for line in drawn:
        assert np.array(line.get_data()).tolist() == [[1, 2, 3], [1, 2, 4]]
    (band, *_) = figure.axes[0].collections
    assert band.get_paths()[0].vertices[:, 1].min() == pytest.approx(0.5)
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(8)


def test_tied_losses_share_one_line_in_turns() -> None:
    records = make_rounds(losses=("a", "b", "c"))
    for record in records:
        for member in record["members"]:
            member["weights"]["b"] = member["weights"]["a"]
    lines = [line for line in weight_figure(history_of(records)).axes[0].lines if len(line.get_xdata()) > 2]
    patterns = {to_hex(line.get_color()): line._dash_pattern for line in lines}
    styles = loss_styles("abc")
    offsets = [patterns[styles[name].colour] for name in "ab"]
    assert offsets[0][1] == offsets[1][1] is not None
    assert offsets[0][0] != offsets[1][0]
    assert patterns[styles["c"].colour][1] is None


@given(
    weights=st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1e6), min_size=1),
    losses=st.dictionaries(st.sampled_from("abcdef"), st.floats(-1e6, 1e6), min_size=1),
)
def test_shares_sum_to_one_or_all_are_nothing(weights: dict[str, float], losses: dict[str, float]) -> None:
    result = shares(weights, losses)
    assert result.keys() == losses.keys()
    assert all(0 <= share <= 1 for share in result.values())
    assert sum(result.values()) == pytest.approx(1) or not any(result.values())


def test_shares_by_hand() -> None:
    assert shares({"a": 2.0, "b": 1.0}, {"a": 1.0, "b": 2.0, "c": 9.0}) == {"a": 0.5, "b": 0.5, "c": 0.0}


def test_shares_fill_the_figure() -> None:
    areas = share_figure(HISTORY).axes[0].collections
    assert len(areas) == 6
    assert max(path.vertices[:, 1].max() for path in areas[-1].get_paths()) == pytest.approx(100)


@settings(max_examples=6)
@given(
    rounds=st.integers(0, 30),
    members=st.integers(1, 8),
    losses=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=40, unique=True),
)
def test_any_history_gives_valid_svg(rounds: int, members: int, losses: list[str]) -> None:
    names = tuple(name for name in losses if name.isprintable()) or ("loss",)
    history = history_of(make_rounds(rounds=rounds, members=members, losses=names))
    for figure in draw_all(history, legend=False).values():
        ET.fromstring(svg(figure, text_as_paths=False))


@pytest.mark.parametrize(
    "names", [("_hidden", "$x_y$", "<script>", "a & b", "$"), tuple(f"loss_{k}" for k in range(30))]
)
def test_names_in_legends_are_text_and_nothing_else(names: tuple[str, ...]) -> None:
    history = history_of(make_rounds(rounds=2, losses=names))
    root = ET.fromstring(svg(weight_figure(history), text_as_paths=False))
    texts = {
        "".join(node.itertext()).strip().replace("\u200b", "") for node in root.iter() if node.tag.endswith("text")
    }
    assert set(names) <= texts


def test_weights_of_zero_and_failed_rounds_are_left_out() -> None:
    records = make_rounds(rounds=3, members=2)
    for member in (member for record in records for member in record["members"]):
        member["weights"]["loss_mask"] = 0.0
    for member in records[1]["members"]:
        member.update(reward=None, losses={}, status="failed: boom")
    records[1]["best"] = None
    figures = draw_all(history_of(records), defaults=DEFAULTS)
    assert loss_styles(SIX)["loss_mask"].colour not in lines_of(figures["weights"])


def test_files_are_svg_and_png_of_the_same_content_each_time(tmp_path: Path) -> None:
    paths = save_figures(draw_all(HISTORY, defaults=DEFAULTS, baseline=BASELINE), tmp_path / "one")
    save_figures(draw_all(HISTORY, defaults=DEFAULTS, baseline=BASELINE), tmp_path / "two")
    assert {path.name for path in paths} == {
        f"{name}.{ending}" for name in ("reward", "weights", "shares", "losses") for ending in ("svg", "png")
    }
    for path in paths:
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert picture.width > 900
                assert len(picture.convert("RGB").getcolors(maxcolors=2**20) or []) > 10
        else:
            ET.fromstring(path.read_text())


def test_inline_figures_take_the_ink_of_the_page_and_point_nowhere() -> None:
    figures = draw_all(HISTORY, legend=False, ink=INK_OF_PAGE)
    for figure in figures.values():
        element = inline_svg(figure, described="a &amp; b")
        root = ET.fromstring(element)
        assert root.get("aria-label") == "a & b"
        assert root.get("width") is None
        assert "currentColor" in element
        assert INK_OF_PAGE not in element
        assert "<metadata" not in element
        links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
        assert all(link.startswith("#") for link in links)
