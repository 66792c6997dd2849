"""Several runs: which belong together, what their differences say, and a page of numbers that the folders hold."""

import csv
import io
import json
import math
import os
import random
import re
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import yaml
from chart_reader import Chart
from hypothesis import given
from hypothesis import strategies as st
from made_histories import DEFAULTS, make_metrics, make_rounds, write_run
from page_checks import check_numbers, check_safe
from recomputed import Files, T
from rich.console import Console

from ada_segment.errors import RunError
from ada_segment.report.arm_figures import draw_arms
from ada_segment.report.arms import alone, differences, group_runs, of_arm
from ada_segment.report.page import write_page
from ada_segment.report.page_arms import render_arms_page, write_arm_figures, write_arms_page
from ada_segment.report.run_files import WHERE_AND_HOW, Run, read_pair, read_run
from ada_segment.report.student import estimate, quantile
from ada_segment.report.tables import arms_table, comparison
from ada_segment.report.wording import score
from ada_segment.runs.settings_file import usual_settings

EVIL = '<script>alert("x")</script>&$x_y$'


def made(folder: Path, strategy: str, seed: int, *, scale: float = 1.0, source: str = "scenes", **search: Any) -> Path:
    """A run as the command line leaves it."""
    default = strategy == "default"
    settings = {
        "seed": seed,
        "data": {"source": source},
        "training": {"reward": "pq-tuned", "workers": seed},
        "search": {"strategy": "ada-segment" if default else strategy, "weights": "default" if default else None}
        | {"members": 1 if default else 3, **search},
    }
    return write_run(
        folder / f"{strategy}-{seed}-{len(list(folder.glob('*')))}",
        make_rounds(rounds=5, members=1 if default else 3, moving=not default, seed=seed),
        metrics=make_metrics({"ball": True, "sky": False}, seed=seed, scale=scale),
        config=yaml.safe_dump(settings),
        defaults=DEFAULTS,
        rounds=5,
        seed=seed,
        strategy=strategy,
    )


def read(*paths: Path) -> list[Run]:
    return [read_run(path) for path in paths]


def test_quantiles_are_those_of_the_tables() -> None:
    for degrees, value in T.items():
        assert quantile(degrees) == pytest.approx(value, rel=1e-8)
    assert quantile(120) == pytest.approx(1.97993, abs=1e-4)
    assert quantile(5, 0.95) == pytest.approx(2.01505, abs=1e-4)


@given(values=st.lists(st.floats(-100, 100), min_size=2, max_size=12), shift=st.floats(-10, 10))
def test_intervals_move_with_the_numbers(values: list[float], shift: float) -> None:
    one, other = estimate(values), estimate([value + shift for value in values])
    assert one is not None
    assert other is not None
    assert one.half is not None
    assert other.mean == pytest.approx(one.mean + shift, abs=1e-9)
    assert other.half == pytest.approx(one.half, abs=1e-6)
    assert one.differs_from_zero == (one.mean - one.half > 0 or one.mean + one.half < 0)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draw, held = random.Random(0), 0
    for _ in range(2000):
        found = estimate([draw.gauss(3, 2) for _ in range(4)])
        assert found is not None
        assert found.half is not None
        held += abs(found.mean - 3) <= found.half
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_of_one_number_no_interval_is_claimed() -> None:
    found = estimate([2.0])
    assert found is not None
    assert (found.mean, found.half, found.differs_from_zero) == (2.0, None, False)
    assert estimate([]) is None


def test_runs_that_differ_in_their_seed_alone_are_one_arm(tmp_path: Path) -> None:
    names = [("ada-segment", 1), ("default", 0), ("ada-segment", 0), ("pbt", 0), ("default", 1)]
    arms = group_runs(read(*(made(tmp_path, strategy, seed) for strategy, seed in names)))
    assert [(arm.name, arm.places, arm.is_default) for arm in arms] == [
        ("ada-segment", (2, 0), False),
        ("default weights", (1, 4), True),
        ("pbt", (3,), False),
    ]
    assert [(one.arm.name, one.reference.name, one.pairs) for one in differences(arms)] == [
        ("ada-segment", "default weights", ((2, 1), (0, 4))),
        ("pbt", "default weights", ((3, 1),)),
    ]


def test_what_sets_arms_apart_is_in_their_names(tmp_path: Path) -> None:
    runs = [made(tmp_path, "pbt", 0), made(tmp_path, "pbt", 0, members=8), made(tmp_path, "x", 0, weights="runs/a")]
    assert [arm.name for arm in group_runs(read(*runs))] == ["pbt (members 3)", "pbt (members 8)", "weights a"]


def test_where_a_run_was_computed_makes_no_arm(tmp_path: Path) -> None:
    runs = [made(tmp_path, "pbt", 0), made(tmp_path, "pbt", 1, executor="processes", workers=4)]
    assert len(group_runs(read(*runs))) == 1


def test_settings_read_back_make_no_arm(tmp_path: Path) -> None:
    """`--config RUN/config.yaml` makes 1.0 of a default of 1, and lists of tuples."""
    settings = {"seed": 0, "data": {"source": "scenes"}, "training": {"lr": 1, "betas": [1, 0.5], "ema": True}}
    runs = [made(tmp_path, "pbt", 0) for _ in range(3)]
    for seed, run in enumerate(runs):
        training = {"lr": 1.0, "betas": [1.0, 0.5], "ema": True} if seed else settings["training"]
        (run / "config.yaml").write_text(yaml.safe_dump(settings | {"seed": seed, "training": training}))
    assert len(group_runs(read(*runs))) == 1
    (runs[2] / "config.yaml").write_text(yaml.safe_dump(settings | {"training": {"lr": 1, "betas": [1, 0.5]}}))
    assert len(group_runs(read(*runs))) == 2


@pytest.mark.parametrize("key", sorted(WHERE_AND_HOW))
def test_what_may_change_at_a_resume_makes_no_arm(tmp_path: Path, key: str) -> None:
    runs = [made(tmp_path, "pbt", 0), made(tmp_path, "pbt", 1, **{key.removeprefix("search."): 7})]
    assert len(group_runs(read(*runs))) == 1


def test_a_folder_is_one_by_all_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("streets")
    sources = ("streets", str(tmp_path / "streets"), "link")
    runs = [made(tmp_path, "pbt", seed, source=source) for seed, source in enumerate(sources)]
    base = [made(tmp_path, "default", seed, source=source) for seed, source in enumerate(reversed(sources))]
    arms = group_runs(read(*runs, *base))
    assert [(len(arm.runs), one.also) for arm, one in zip(arms, [*differences(arms)] * 2, strict=True)] == [(3, "")] * 2
    read_pair(runs[0], base[0])
    other = made(tmp_path, "default", 0, source=str(tmp_path / "scenes"))  # which is not "scenes"
    with pytest.raises(RunError, match="test pictures differ"):
        read_pair(made(tmp_path, "pbt", 0), other)


def keep_names(runs: list[Path], **more: list[str]) -> list[Path]:
    """As a run on a folder keeps the names of its pictures, and what the test pictures hold."""
    for run in runs:
        (run / "splits.json").write_text(json.dumps({"train": ["1"], "reward": ["2"], "test": ["3", "4"], **more}))
    return runs


def test_pictures_are_the_same_wherever_their_folder_lies(tmp_path: Path) -> None:
    sources = ("/mnt/streets", "/data/streets")
    runs = [made(tmp_path, "pbt", 0, source=sources[0]), made(tmp_path, "default", 0, source=sources[1])]
    with pytest.raises(RunError, match="test pictures differ"):
        read_pair(*runs)
    read_pair(*keep_names(runs))
    more = keep_names([made(tmp_path, strategy, 1, source=sources[1]) for strategy in ("pbt", "default")])
    for run in more:  # of one seed, so that they count the same segments
        (run / "metrics.json").write_bytes((runs[0] / "metrics.json").read_bytes())
    arms = group_runs(read(*runs, *more))
    assert [len(arm.runs) for arm in arms] == [2, 2]
    assert [(len(one.pairs), one.also) for one in differences(arms)] == [(2, "")]


def test_pictures_of_the_same_names_may_be_others(tmp_path: Path) -> None:
    runs = keep_names([made(tmp_path, strategy, 0, source="streets") for strategy in ("pbt", "default")])
    read_pair(*runs)
    metrics = json.loads((runs[1] / "metrics.json").read_text())
    metrics["usual"]["per_class"]["ball"]["fn"] += 1
    (runs[1] / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(RunError, match=r"has \d+ of ball, and .* has \d+: their test pictures differ"):
        read_pair(*runs)
    assert not differences(group_runs(read(*runs)))
    keep_names(runs[1:], test=["3"])
    with pytest.raises(RunError, match=r"has 2 test pictures, 4, and .* has 1, no 4: their test pictures differ"):
        read_pair(*runs)
    # Names alone prove nothing: many folders count from 0.
    others = keep_names([made(tmp_path, strategy, 1, source=strategy) for strategy in ("pbt", "default")])
    for run in others:
        (run / "metrics.json").unlink()
    with pytest.raises(RunError, match=r"data\.source = pbt, and .* has default: their test pictures differ"):
        read_pair(*others)


def test_names_without_settings_make_no_arm_of_other_runs(tmp_path: Path) -> None:
    """Of a folder whose config.yaml was lost, before or after one that has it."""
    bare, whole = keep_names([made(tmp_path, "pbt", seed, source="streets") for seed in range(2)])
    (bare / "config.yaml").unlink()
    (bare / "metrics.json").write_bytes((whole / "metrics.json").read_bytes())
    for runs in ((bare, whole), (whole, bare)):
        assert [len(arm.runs) for arm in group_runs(read(*runs))] == [1, 1]


def test_rewards_of_other_kinds_are_not_laid_over_each_other(tmp_path: Path) -> None:
    runs = [made(tmp_path, "pbt", 0), made(tmp_path, "default", 0)]
    config = yaml.safe_load((runs[1] / "config.yaml").read_text())
    (runs[1] / "config.yaml").write_text(yaml.safe_dump(config | {"training": {"reward": "pq-soft"}}))
    with pytest.raises(RunError, match=r"reward = pq-tuned, and .* has pq-soft: their rewards differ.*compares their"):
        read_pair(*runs)


def test_of_one_arm_no_difference_is_told(tmp_path: Path) -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    console.print(arms_table([made(tmp_path, "pbt", seed) for seed in range(2)]))
    assert "nothing on the same data" not in console.export_text()


def test_names_that_are_no_utf8_are_drawn_as_they_can_be(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    runs = [made(tmp_path, "default", 0).rename(tmp_path / name), made(tmp_path, "pbt", 0, weights=name)]
    write_arms_page(runs, tmp_path / "arms.html")
    assert "weights caf\\udce9" in (tmp_path / "arms.html").read_text(encoding="utf-8")
    write_page(runs[1], tmp_path / "run.html", baseline=runs[0])
    write_arm_figures(runs, tmp_path / "figures")


def test_without_default_weights_the_first_arm_is_the_reference(tmp_path: Path) -> None:
    arms = group_runs(read(made(tmp_path, "pbt", 0), made(tmp_path, "random", 0)))
    assert [one.reference.name for one in differences(arms)] == ["pbt"]


def test_arms_are_compared_with_default_weights_on_the_same_data(tmp_path: Path) -> None:
    """Not with the first ones: other test pictures are harder or easier, and longer trainings are better anyway."""
    runs = [
        made(tmp_path, strategy, seed, source=source)
        for source in ("scenes", "streets")
        for strategy in ("default", "pbt")
        for seed in (0, 1)
    ]
    runs += [made(tmp_path, "pbt", 0, rounds=40), made(tmp_path, "default", 0, rounds=40)]
    runs += [made(tmp_path, "random", 0, source="fields"), made(tmp_path, "random", 0, rounds=99)]
    arms = group_runs(read(*runs))
    source = {arm.name: arm.conditions["data.source"] for arm in arms}
    told = {(one.arm.places[0], one.reference.places[0], one.also) for one in differences(arms)}
    assert told == {(2, 0, ""), (6, 4, ""), (8, 9, ""), (9, 0, "rounds 40, not None"), (11, 0, "rounds 99, not None")}
    assert [source[arm.name] for arm in alone(arms, differences(arms))] == ["fields"]
    page = check_safe(render_arms_page(read(*runs)))
    assert "nothing on the same data to be compared with" in page.text
    assert "(also rounds 99, not None)" in page.text
    console = Console(record=True, width=160, file=io.StringIO())
    console.print(arms_table(runs))
    assert console.export_text().count("nothing on the same data") == 1


@pytest.mark.parametrize(
    ("data", "also", "compared"),
    [
        ({"source": "streets"}, {"group_by": "a"}, True),
        ({"source": "streets"}, {"scenes_test": 9}, True),
        ({"source": "streets"}, {"reward_fraction": 0.5}, True),
        ({"source": "scenes"}, {"scenes_train": 9}, True),
        ({"source": "scenes"}, {"scenes_test": 9}, False),
        ({"source": "scenes"}, {"split_seed": 9}, False),
    ],
)
def test_pq_is_compared_where_the_test_pictures_are_the_same(
    tmp_path: Path, data: dict[str, Any], also: dict[str, Any], *, compared: bool
) -> None:
    runs = [made(tmp_path, "default", 0), made(tmp_path, "pbt", 0)]
    for run, part in zip(runs, (data, data | also), strict=True):
        settings = yaml.safe_load((run / "config.yaml").read_text())
        (run / "config.yaml").write_text(yaml.safe_dump(settings | {"data": part}))
    assert bool(differences(group_runs(read(*runs)))) is compared


def test_bare_journals_in_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / place / "run", make_rounds(rounds=2)) for place in ("a", "b")]
    assert [arm.name for arm in group_runs(read(*runs))] == [str(run) for run in runs]
    check_safe(render_arms_page(read(*runs)))


def test_the_curves_of_all_arms_are_within_the_picture(tmp_path: Path) -> None:
    runs = [made(tmp_path, strategy, seed) for strategy in ("default", "pbt", "random") for seed in (0, 1)]
    for run, (start, end) in zip(runs, [(5, 7), (5, 6), (10, 46), (11, 45), (60, 90), (61, 88)], strict=True):
        records = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
        for place, record in enumerate(records):
            for member in record["members"]:
                member["reward"] = start + (end - start) * place / (len(records) - 1)
        (run / "history.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    figure = draw_arms(read(*runs), group_runs(read(*runs)))["curves"]
    low, high = figure.axes[0].get_ylim()
    assert low < 5
    assert high > 90


def test_rewards_of_another_kind_are_not_laid_over_each_other_nor_paired(tmp_path: Path) -> None:
    runs = [made(tmp_path, strategy, seed) for strategy in ("default", "pbt") for seed in (0, 1)]
    for run in runs[2:]:
        (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("pq-tuned", "pq-soft"))
    arms = group_runs(read(*runs))
    figures = draw_arms(read(*runs), arms)
    for name, label, lines in (("curves", "tuned thresholds", {"arm-0"}), ("curves1", "soft PQ", {"arm-1"})):
        axes = figures[name].axes[0]
        assert label in axes.get_ylabel()
        assert {line.get_gid() for line in axes.lines} == lines
    page = check_safe(render_arms_page(read(*runs)))
    check_numbers(page)
    assert "pbt against default weights (also reward pq-soft, not pq-tuned): " in page.text
    assert not [n for n in page.numbers if n.what == "difference" and n.which[0] == "reward"]
    assert [n for n in page.numbers if n.what == "difference" and n.which[0] == "tuned all"]
    files = write_arm_figures(runs, tmp_path / "figures")
    assert {"curves.csv", "curves1.csv"} <= {file.name for file in files}

    for run in runs:
        (run / "metrics.json").unlink()
    assert "their rewards are of other pictures or another kind" in check_safe(render_arms_page(read(*runs))).text


def test_seeds_of_before_and_after_a_setting_was_known_are_one_arm(tmp_path: Path) -> None:
    runs = [made(tmp_path, "pbt", seed) for seed in range(3)]
    for run, more in zip(runs, ("", ", accumulate: 1, aligned: 3", ", accumulate: 2"), strict=True):
        text = yaml.safe_dump(yaml.safe_load((run / "config.yaml").read_text()), default_flow_style=True, width=10**6)
        (run / "config.yaml").write_text(text.replace("reward: pq-tuned", f"reward: pq-tuned{more}", 1))
    usual = {"training.accumulate": 1, "training.aligned": 3, "model.name": "panoptic-fpn"}
    arms = group_runs([read_run(run, usual=usual) for run in runs])
    assert [arm.places for arm in arms] == [(0, 1), (2,)]
    assert {"training.accumulate", "training.lr", "model.aligned_masks", "data.group_by"} <= usual_settings().keys()
    assert usual_settings()["model.aligned_masks"] is False


def test_a_run_that_has_lost_its_settings_is_compared_still(tmp_path: Path) -> None:
    runs = [made(tmp_path, "pbt", 0), made(tmp_path, "default", 0)]
    for run in runs:
        (run / "splits.json").write_text(json.dumps({"train": ["a"], "reward": ["b"], "test": ["c"]}))
    for text in ("seed: 0\n", "{", None):
        if text is None:
            (runs[0] / "config.yaml").unlink()
        else:
            (runs[0] / "config.yaml").write_text(text)
        check_safe(render_arms_page(read(*runs)))
        read_pair(*runs)


def test_runs_that_do_not_tell_their_seed_are_compared_without_pairs(tmp_path: Path) -> None:
    """Of a search from a program the checkpoints know it, and may have been deleted."""
    runs = [
        write_run(tmp_path / f"{name}{seed}", make_rounds(rounds=2, seed=seed))
        for name in ("a", "b")
        for seed in (0, 1)
    ]
    for run in runs:
        controller = {"losses": list(DEFAULTS), "defaults": DEFAULTS, "kind": run.name[0]}
        (run / "controller.json").write_text(json.dumps(controller))
    arms = group_runs(read(*runs))
    assert [arm.places for arm in arms] == [(0, 1), (2, 3)]
    assert "no seed in common" in check_safe(render_arms_page(read(*runs))).text


def test_small_differences_have_a_scale(tmp_path: Path) -> None:
    runs = [made(tmp_path, strategy, 0) for strategy in ("default", "pbt", "random")]
    for number, run in enumerate(runs):
        metrics = json.loads((run / "metrics.json").read_text())
        metrics["tuned"]["all"]["pq"] = 0.5 + 0.0005 * number
        (run / "metrics.json").write_text(json.dumps(metrics))
    figure = draw_arms(read(*runs), group_runs(read(*runs)))["differences"]
    low, high = figure.axes[0].get_xlim()
    assert len([tick for tick in figure.axes[0].get_xticks() if low <= tick <= high]) >= 3


def test_a_mean_says_of_how_many_runs_it_is(tmp_path: Path) -> None:
    runs = [made(tmp_path, strategy, seed) for strategy in ("default", "pbt") for seed in (0, 1)]
    (runs[3] / "metrics.json").unlink()
    page = check_safe(render_arms_page(read(*runs)))
    check_numbers(page)
    assert {number.value for number in page.numbers if number.what == "measured"} == {1}


def test_runs_of_programs_are_told_apart_by_what_was_asked(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / f"{strategy}{seed}", make_rounds(rounds=2), strategy=strategy, seed=seed)
        for strategy in ("random", "pbt")
        for seed in (0, 1)
    ]
    bare = [write_run(tmp_path / f"bare{k}", make_rounds(rounds=2)) for k in range(2)]
    arms = group_runs(read(*runs, *bare))
    assert [(arm.name, len(arm.runs)) for arm in arms] == [("random", 2), ("pbt", 2), ("bare0", 1), ("bare1", 1)]


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    run, again = made(tmp_path, "pbt", 3), made(tmp_path, "pbt", 3)
    with pytest.raises(RunError, match=r"one arm with the same seed, 3; name one"):
        group_runs(read(run, again))


@pytest.fixture
def six(tmp_path: Path) -> list[Path]:
    names = [("ada-segment", seed) for seed in range(3)] + [("default", seed) for seed in range(2)] + [("pbt", 1)]
    return [made(tmp_path, strategy, seed, scale=0.8 + 0.05 * k) for k, (strategy, seed) in enumerate(names)]


def test_every_number_comes_from_the_run_folders(six: list[Path]) -> None:
    markup = render_arms_page(read(*six))
    page = check_safe(markup)
    check_numbers(page)
    told = {number.what for number in page.numbers}
    assert told >= {"arm-mean", "arm-half", "difference", "difference-half", "pairs", "arm-count", "measure", "seed"}
    # The answer's difference, by hand: seeds 0 and 1 are those that both arms have.
    files = [Files(path) for path in six]
    gaps = [100 * (files[k].metrics["tuned"]["all"]["pq"] - files[3 + k].metrics["tuned"]["all"]["pq"]) for k in (0, 1)]
    shown = f"{mean(gaps):+.2f}".replace("-", "−")
    assert f"ada-segment against default weights: {shown} ± " in page.text
    assert "with 1 seed: what chance does is not known" in page.text
    arms = Chart(markup, "arms")
    pq = [100 * file.metrics["tuned"]["all"]["pq"] for file in files]
    assert sorted(x for x, _ in arms.dots("runs-0")) == pytest.approx(sorted(pq[:3]), abs=1e-3)
    half = T[2] * math.sqrt(sum((value - mean(pq[:3])) ** 2 for value in pq[:3]) / 2 / 3)
    assert [x for x, _ in arms.line("interval-0")] == pytest.approx(
        [mean(pq[:3]) - half, mean(pq[:3]) + half], abs=1e-3
    )
    assert not arms.has("interval-2")  # one seed, no interval
    curve = Chart(markup, "curves").line("arm-1")
    expected = [mean(file.lineage(t)["reward"] for file in files[3:5]) for t in range(5)]
    assert [y for _, y in curve] == pytest.approx(expected, abs=1e-3)


def test_figures_of_arms_are_files_with_their_numbers(six: list[Path], tmp_path: Path) -> None:
    files = write_arm_figures(six, tmp_path / "figures")
    names = ("arms", "differences", "curves", "weights0", "weights2")
    assert {path.name for path in files} == {f"{name}.{end}" for name in names for end in ("svg", "png", "csv")}
    with (tmp_path / "figures" / "arms.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["arm"], int(row["seed"])) for row in rows] == [
        *(("ada-segment", seed) for seed in range(3)),
        *(("default weights", seed) for seed in range(2)),
        ("pbt", 1),
    ]
    for row in rows:
        assert float(row["tuned_all"]) == Files(Path(row["run"])).measure("tuned all")
    found = of_arm(group_runs(read(*six))[0], "tuned all")
    assert found is not None
    assert found.mean == pytest.approx(mean(float(row["tuned_all"]) for row in rows[:3]))


def test_the_terminal_says_the_same(six: list[Path]) -> None:
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(arms_table(six))
    text = console.export_text()
    files = [Files(path) for path in six]
    pq = [100 * file.metrics["tuned"]["all"]["pq"] for file in files]
    assert re.search(rf"ada-segment +3 +{mean(pq[:3]):.2f} ± ", text)
    assert re.search(rf"pbt +1 +{pq[5]:.2f} +[+−]{abs(pq[5] - pq[4]):.2f} *$", text, re.MULTILINE)


def test_runs_with_rounds_to_go_are_named(tmp_path: Path) -> None:
    ended = write_run(tmp_path / "ended", make_rounds(rounds=3), strategy="pbt", seed=0, rounds=3)
    going = write_run(tmp_path / "going", make_rounds(rounds=2), strategy="random", seed=0, rounds=3)
    page = check_safe(render_arms_page(read(ended, going)))
    check_numbers(page)
    assert "Not at their end: going (2 of 3 rounds)." in page.text
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(arms_table([ended, going]))
    assert "Not at their end: going." in console.export_text()
    assert "Not at their end" not in check_safe(render_arms_page(read(ended))).text


def test_two_runs_of_programs_are_compared_by_their_rewards(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, make_rounds(rounds=2, seed=k)) for k, name in enumerate(("one", "other"))]
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(comparison(*runs))
    text = console.export_text()
    for run in runs:
        reward = Files(run).measure("reward")
        assert reward is not None
        assert re.search(rf"{run.name} +– +– +– +– +{score(reward)}", text)


def test_runs_still_going_and_names_with_markup(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "new", [], strategy="pbt", seed=0),
        write_run(tmp_path / EVIL.replace("/", "_"), make_rounds(rounds=2, losses=(EVIL,)), strategy=EVIL, seed=0),
        write_run(tmp_path / "other", make_rounds(rounds=3), strategy="random", seed=0),
    ]
    page = check_safe(render_arms_page(read(*runs)))
    check_numbers(page)
    assert EVIL in page.text
    write_arms_page(runs, tmp_path / "page.html")
    with pytest.raises(RunError, match="no folder"):
        write_arms_page([*runs, tmp_path / "nowhere"], tmp_path / "page.html")
