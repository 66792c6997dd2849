"""Figures: right numbers, one style a loss, valid files for any history."""

import csv
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_histories import DEFAULTS, SIX, make_metrics, make_rounds, with_controller, with_failures, write_run
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from ada_segment.report.colours import GREY, loss_styles
from ada_segment.report.controller_figures import controller_figure, noise_figure
from ada_segment.report.figure_data import shares
from ada_segment.report.figure_files import inline_svg, save_figures, svg
from ada_segment.report.figure_style import INK_OF_PAGE
from ada_segment.report.figures import loss_figure, reward_figure, share_figure, weight_figure
from ada_segment.report.history import History, as_history, parse_round
from ada_segment.report.run_figures import data_of_all, draw_all, write_figures
from ada_segment.report.run_files import Run


def history_of(records: list[dict[str, Any]]) -> History:
    return as_history([parse_round(record) for record in records])


def run_of(history: History, **more: Any) -> Run:
    values: dict[str, Any] = {"path": Path("run"), "metrics": None, "config": None, "identity": {"defaults": DEFAULTS}}
    return Run(history=history, overlays=None, **{**values, **more})


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


def test_small_losses_are_drawn_as_they_are() -> None:
    records = make_rounds(losses=("a", "b"))
    for record in records:
        for member in record["members"]:
            member["losses"] = {name: 1e-12 * loss for name, loss in member["losses"].items()}
    history = history_of(records)
    drawn = [list(line.get_ydata()) for line in loss_figure(history).axes[0].lines]
    for name in "ab":
        assert [member.losses[name] for _, member in history.lineage] in drawn


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
    for figure in draw_all(run_of(history), legend=False).values():
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
    figures = draw_all(run_of(history_of(records)))
    assert loss_styles(SIX)["loss_mask"].colour not in lines_of(figures["weights"])


def test_files_are_svg_png_and_csv_of_the_same_content_each_time(tmp_path: Path) -> None:
    run, base = run_of(HISTORY, metrics=make_metrics({"ball": True, "$sky_": False})), run_of(BASELINE)
    figures, data = draw_all(run, baseline=base), data_of_all(run, baseline=base)
    paths = save_figures(figures, tmp_path / "one", data=data)
    save_figures(draw_all(run, baseline=base), tmp_path / "two", data=data)
    names = ("reward", "weights", "shares", "losses", "noise", "classes")
    assert {path.name for path in paths} == {f"{name}.{ending}" for name in names for ending in ("svg", "png", "csv")}
    for path in paths:
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert picture.width > 900
                assert len(picture.convert("RGB").getcolors(maxcolors=2**20) or []) > 10
        elif path.suffix == ".svg":
            ET.fromstring(path.read_text())


def test_inline_figures_take_the_ink_of_the_page_and_point_nowhere() -> None:
    figures = draw_all(run_of(HISTORY), legend=False, ink=INK_OF_PAGE)
    for name, figure in figures.items():
        element = inline_svg(figure, name=name, described="a &amp; b")
        root = ET.fromstring(element)
        assert root.get("aria-label") == "a & b"
        assert root.get("width") is None
        assert "currentColor" in element
        assert INK_OF_PAGE not in element
        assert "<metadata" not in element
        links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
        ids = [node.get("id") for node in root.iter() if node.get("id")]
        assert len(ids) == len(set(ids))
        assert all(str(one).startswith(f"{name}-") for one in ids)
        assert links
        assert {link.removeprefix("#") for link in links} <= set(ids)
        clips = [node.get("clip-path") for node in root.iter() if node.get("clip-path")]
        assert clips
        assert {clip.removeprefix("url(#").removesuffix(")") for clip in clips} <= set(ids)


def test_the_csv_beside_a_figure_holds_what_the_journal_says(tmp_path: Path) -> None:
    """Computed again from the records, row by row."""
    records, theirs = (
        with_controller(with_failures(make_rounds(rounds=5), rounds=(3,))),
        make_rounds(rounds=4, members=1),
    )
    metrics, other = (make_metrics({"ball": True, "sea, sky": False}, seed=seed) for seed in (1, 2))
    run = write_run(tmp_path / "run", records, metrics=metrics, defaults=DEFAULTS)
    base = write_run(tmp_path / "base", theirs, metrics=other)
    write_figures(run, tmp_path / "out", baseline=base)

    def rows(name: str) -> list[dict[str, str]]:
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    both = [("run", record) for record in records] + [("baseline", record) for record in theirs]
    found = rows("reward")
    assert [(r["run"], int(r["round"]), int(r["member"]), r["reward"], r["carried_on"]) for r in found] == [
        (which, t["round"] + 1, k, "" if m["reward"] is None else repr(m["reward"]), str(int(k == t["best"])))
        for which, t in both
        for k, m in enumerate(t["members"])
    ]
    chosen = [(record, record["members"][record["best"]]) for record in records]
    for row, (record, member, name) in zip(rows("weights"), ((r, m, n) for r, m in chosen for n in SIX), strict=True):
        assert (int(row["round"]), row["loss"], float(row["weight"])) == (
            record["round"] + 1,
            name,
            member["weights"][name],
        )
        ratios = [m["weights"][name] / DEFAULTS[name] for m in record["members"]]
        assert float(row["to_default"]) == pytest.approx(member["weights"][name] / DEFAULTS[name])
        assert float(row["least_to_default"]) == pytest.approx(min(ratios))
        assert float(row["greatest_to_default"]) == pytest.approx(max(ratios))
    for row, (member, name) in zip(rows("shares"), ((m, n) for _, m in chosen for n in SIX), strict=True):
        total = sum(member["weights"][n] * member["losses"][n] for n in SIX)
        assert float(row["share_percent"]) == pytest.approx(
            100 * member["weights"][name] * member["losses"][name] / total
        )
    standing = [(which, t["members"][t["best"]]) for which, t in both]
    assert [(r["run"], r["loss"], float(r["raw_loss"])) for r in rows("losses")] == [
        (which, name, member["losses"][name]) for which, member in standing for name in SIX
    ]
    for row in rows("controller"):
        notes = records[int(row["round"]) - 1]["controller"]
        assert float(row["wanted_to_default"]) == pytest.approx(notes["mean"][row["loss"]] / DEFAULTS[row["loss"]])
        assert float(row["doubt_log"]) == notes["doubt"][row["loss"]]
    for row, record in zip(rows("noise"), records, strict=True):
        pairs = [
            (m["reward"], p) for m, p in zip(record["members"], record["controller"]["predicted"], strict=True) if p
        ]
        rewards = np.array([m["reward"] for m in record["members"] if m["reward"] is not None])
        assert float(row["spread_of_members"]) == pytest.approx(rewards.std())
        assert float(row["error_of_predictions"]) == pytest.approx(
            np.sqrt(np.mean([(reward - value) ** 2 for reward, value in pairs]))
        )
        assert float(row["noise_estimated"]) == record["controller"]["noise"]
    for row in rows("classes"):
        assert float(row["pq"]) == pytest.approx(100 * metrics["tuned"]["per_class"][row["class"]]["pq"])
        assert float(row["baseline_pq"]) == pytest.approx(100 * other["tuned"]["per_class"][row["class"]]["pq"])


def test_noise_is_drawn_as_it_is_noted() -> None:
    history = history_of(with_controller(make_rounds(rounds=4)))
    figure = noise_figure(history, unit=", %")
    assert figure is not None
    assert figure.axes[0].get_ylabel() == "reward, %"
    noted = next(line for line in figure.axes[0].lines if line.get_gid() == "noise")
    assert list(noted.get_ydata()) == [record.controller["noise"] for record in history.rounds]
    assert noise_figure(history_of(make_rounds(members=1))) is None


def test_the_band_of_the_controller_is_its_doubt() -> None:
    records = with_controller(make_rounds(rounds=3))
    for record in records:
        record["controller"] |= {"mean": DEFAULTS, "doubt": dict.fromkeys(SIX, math.log(3))}
    figure = controller_figure(history_of(records), defaults=DEFAULTS)
    assert figure is not None
    (band, *_) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(1 / 3), pytest.approx(3))
