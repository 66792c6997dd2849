"""The page: complete for any state of a run, safe for any name, and made of numbers from the run folder alone."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import pstdev
from typing import Any

import pytest
from chart_reader import Chart, Point
from made_histories import (
    DEFAULTS,
    make_metrics,
    make_rounds,
    with_controller,
    with_failures,
    write_examples,
    write_run,
)
from page_checks import check_numbers, check_safe
from page_reader import Page
from PIL import Image
from recomputed import Files
from toy_members import QuadraticMember

from ada_segment.errors import RunError
from ada_segment.population.search import search
from ada_segment.report.page import render_page, write_page
from ada_segment.report.run_figures import write_figures
from ada_segment.report.run_files import read_run

CLASSES = {"ball": True, "crate": True, "sky": False, "sand": False}
EVIL = '<script>alert("x")</script>&$x_y$'


def made_run(folder: Path, *, rounds: int = 18, **identity: Any) -> Path:
    records = with_failures(make_rounds(rounds=rounds), rounds=(1,))
    records[1]["failed_attempts"] = [[dict(m, reward=None, status="failed: 3 x <b>") for m in records[0]["members"]]]
    run = write_run(
        folder,
        with_controller(records),
        metrics=make_metrics(CLASSES),
        config="training:\n  reward: pq-tuned\n",
        **{"defaults": DEFAULTS, "rounds": rounds, "seed": 3, "strategy": "ada-segment", **identity},
    )
    write_examples(run, seed=1)
    Image.new("RGB", (1800, 300), "red").save(run / "overlays.png")
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made_run(tmp_path / "demo")


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    folder = write_run(
        tmp_path / "base",
        make_rounds(rounds=18, members=1, moving=False, seed=4),
        metrics=make_metrics(CLASSES, scale=0.9),
        config="search:\n  weights: default\n",
    )
    write_examples(folder, seed=2)
    return folder


def test_every_number_comes_from_the_run_folder(run: Path, baseline: Path) -> None:
    page = check_safe(render_page(read_run(run), baseline=read_run(baseline)))
    check_numbers(page)
    told = {number.what for number in page.numbers}
    assert told >= {
        *("seed", "rounds", "trainings", "members", "seconds", "failures", "failure", "pq", "gain", "class"),
        *("class-gain", "best-reward", "best-round", "reward-gain", "round", "to-default", "weight", "share"),
        *("chosen-reward", "predicted", "mean-reward", "spread", "noise", "failed", "round-seconds", "repeats"),
        *("example", "example-gain"),
    }
    assert "against default weights" in page.text
    assert f"--weights {run / 'schedule.json'}" in page.text
    assert "PQ on the reward split, tuned thresholds, %" in page.text  # label of the axis
    assert "reward: pq-tuned" in page.text
    assert "loss_mask = nan" in page.text


def test_a_baseline_on_other_data_is_refused(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, make_rounds(rounds=2), config=f"data:\n  source: {name}\n  reward_fraction: 0.2\n")
        for name in ("streets", "fields")
    ]
    page = tmp_path / "page.html"
    for write in (lambda: write_page(runs[0], page, baseline=runs[1]),
                  lambda: write_figures(runs[0], tmp_path, baseline=runs[1])):  # fmt: skip
        with pytest.raises(RunError, match=r"has data\.source = streets, and .* has fields: .* name a baseline on the"):
            write()
    assert not page.exists()
    write_page(runs[0], page, baseline=runs[0])


def test_a_baseline_with_other_reward_pictures_is_compared_elsewhere(tmp_path: Path) -> None:
    """Its PQ is of the same test pictures, and `report RUN RUN` compares that; its curve is of others."""
    runs = [
        write_run(tmp_path / name, make_rounds(rounds=2), config=f"data: {{source: streets, group_by: {name}}}\n")
        for name in ("a", "b")
    ]
    with pytest.raises(RunError, match=r"has data\.group_by = a, and .* has b: their reward pictures differ"):
        write_page(runs[0], tmp_path / "page.html", baseline=runs[1])


def test_the_check_of_numbers_sees_what_is_wrong(run: Path) -> None:
    markup = render_page(read_run(run))
    check_numbers(Page(markup))
    for wrong in (
        markup.replace("</h1>", "</h1> 7 ", 1),  # a number of no origin
        re.sub(r'<data value="([^"]*)"', r'<data value="1\1"', markup, count=1),
        re.sub(r"(<data [^>]*>)", r"\g<1>1", markup, count=1),
        markup.replace('data-from="rounds"', 'data-from="members"'),
        markup.replace("reward: pq-tuned", "reward: pq-tuned9"),
    ):
        assert wrong != markup
        with pytest.raises(AssertionError):
            check_numbers(Page(wrong))


def test_the_controller_is_named_where_there_is_one(run: Path) -> None:
    (run / "controller.safetensors").touch()
    assert f"--weights {run} " in Page(render_page(read_run(run))).text


def test_the_command_names_the_model_whose_losses_the_controller_knows(tmp_path: Path) -> None:
    config = "model: {name: 'hf:mask2former'}\ndata: {source: streets}\n"
    run = write_run(tmp_path / "run", make_rounds(rounds=2), config=config)
    text = Page(render_page(read_run(run))).text
    assert f"ada-segment train --data DATA --model hf:mask2former --weights {run}/schedule.json --epochs" in text


@pytest.mark.parametrize("groups", [None, {"a": "box", "b": "box", "m": "mask"}])
@pytest.mark.parametrize("stored", ["controller", "schedule"])
def test_what_the_page_says_of_a_search_from_a_program_can_be_run(
    stored: str, groups: dict[str, str] | None, tmp_path: Path
) -> None:
    names = ("a", "b", "m")
    toy = QuadraticMember(names=names)
    search(lambda seed: toy, losses=names, groups=groups, rounds=2, members=3, out=tmp_path / "run")
    if stored == "schedule":
        (tmp_path / "run" / "controller.safetensors").unlink()
    code = Page(render_page(read_run(tmp_path / "run"))).code[0]
    done: dict[str, Any] = {"make_member": lambda seed: toy, "rounds": 2}
    exec(code.replace("search(make_member", "result = search(make_member"), done)
    assert len(done["result"].schedule) == 2


def test_small_rewards_are_written_with_digits_that_say_something(tmp_path: Path) -> None:
    """As of a training of one's own whose reward is a share."""
    runs = []
    for name, seed in (("ours", 0), ("theirs", 1)):
        records = make_rounds(rounds=3, seed=seed)
        for record in records:
            for member in record["members"]:
                member["reward"] /= 1e4
        runs.append(write_run(tmp_path / name, records))
    page = Page(render_page(read_run(runs[0]), baseline=read_run(runs[1])))
    check_numbers(page)
    small = [number for number in page.numbers if number.what in ("spread", "reward-gain")]
    assert len(small) == 4
    for number in small:
        assert float(number.text.replace("−", "-")) == pytest.approx(number.value, rel=0.05)


def test_what_the_controller_noted_is_shown(tmp_path: Path) -> None:
    records = make_rounds(rounds=3, members=2)
    for record in records:
        record["controller"] = {"mean": DEFAULTS, "step": 0.3, "predicted": [50.25, None], "noise": 0.1234}
        record["best"] = 0
    page = Page(render_page(read_run(write_run(tmp_path / "run", records))))
    assert "What the controller wanted" in page.text
    check_numbers(page)
    assert [(n.text, n.value) for n in page.numbers if n.what == "predicted"] == [("50.25", 50.25)] * 3
    assert [n.text for n in page.numbers if n.what == "noise"] == ["0.1234"] * 3


def test_a_run_still_going(tmp_path: Path) -> None:
    run = made_run(tmp_path / "going", rounds=2)
    about = {"defaults": DEFAULTS, "rounds": 12, "strategy": "pbt"}
    (run / "checkpoints" / "round-00002.json").write_text(json.dumps(about))
    (run / "metrics.json").unlink()
    (run / "overlays.png").unlink()
    with (run / "history.jsonl").open("a") as file:
        file.write('{"round": 2, "memb')
    page = check_safe(render_page(read_run(run)))
    check_numbers(page)
    assert "2 of 12 rounds so far" in page.text
    assert "Panoptic quality" not in page.text


def test_a_run_before_its_first_round_is_over(tmp_path: Path) -> None:
    page = check_safe(render_page(read_run(write_run(tmp_path / "new", []))))
    assert "no member has ended a round well yet" in page.text
    assert "first round is not over" in page.text


def test_a_run_in_which_everything_failed(tmp_path: Path) -> None:
    records = make_rounds(rounds=2, members=60)
    for record in records:
        record["best"] = None
        for member in record["members"]:
            member.update(reward=None, losses=dict.fromkeys(member["losses"]), status=f"failed: {EVIL}")
    page = check_safe(render_page(read_run(write_run(tmp_path / "bad", records))))
    check_numbers(page)
    assert [n.value for n in page.numbers if n.what == "failures"] == [120]
    assert page.text.count(EVIL) == 100
    assert "20 more are in history.jsonl" in page.text


def test_many_rounds_losses_classes_and_names_with_markup(tmp_path: Path) -> None:
    losses = (EVIL, *(f"_loss_{k}_layer" for k in range(29)))
    classes = {EVIL: True, **{f"class-{k}": k < 80 for k in range(132)}}
    records = with_failures(make_rounds(rounds=200, members=8, losses=losses), rounds=tuple(range(200)))
    run = write_run(tmp_path / EVIL.replace("/", "_"), records, metrics=make_metrics(classes), config=EVIL)
    out = tmp_path / "report.html"
    write_page(run, out, baseline=run)
    page = check_safe(out.read_text())
    assert page.text.count(EVIL) >= 4  # legend, weights, classes, settings
    check_numbers(page)
    assert "all 133 classes" in page.text
    assert out.stat().st_size < 5e6


def test_pictures_are_inside_the_page_and_not_too_large(run: Path) -> None:
    page = check_safe(render_page(read_run(run)))
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert pictures[-1]["width"] == "1500"
    assert len(pictures) == 1 + 6 * 3  # the two best and the four worst, each with its truth


def test_what_cannot_be_read_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere is no folder"):
        write_page(tmp_path / "nowhere", tmp_path / "report.html")
    (run / "overlays.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"overlays\.png is no picture"):
        write_page(run, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"split": "reward"}, "figures of the reward split"),
        ({"tuned": 3}, "'tuned'"),
        ({"usual": {"all": 0.5}}, "'usual'"),
    ],
)
def test_figures_that_are_none_of_the_test_split_are_refused(run: Path, change: dict[str, Any], text: str) -> None:
    (run / "metrics.json").write_text(json.dumps(make_metrics(CLASSES) | change))
    with pytest.raises(RunError, match=f"metrics.json holds .*{text}.*ada-segment evaluate"):
        read_run(run)


def test_the_charts_of_the_page_say_what_the_journal_says(run: Path, baseline: Path) -> None:
    """Lines and dots, read back from the SVG by the labels of the axes, and computed from the files."""
    markup, files, base = render_page(read_run(run), baseline=read_run(baseline)), Files(run), Files(baseline)
    names, places = list(DEFAULTS), range(len(files.rounds))
    members = [(t + 1, m["reward"]) for t in places for m in files.rounds[t]["members"] if m["reward"] is not None]
    reward = Chart(markup, "reward")
    close(sorted(reward.dots("members")), sorted(members))
    close(reward.line("carried"), [(t + 1, files.lineage(t)["reward"]) for t in places])
    close(reward.line("baseline"), [(t + 1, base.lineage(t)["reward"]) for t in range(len(base.rounds))])
    weights, losses, wanted = (Chart(markup, name) for name in ("weights", "losses", "controller"))
    for place, name in enumerate(names):
        line = f"line-{place}"
        close(weights.line(line), [(t + 1, files.lineage(t)["weights"][name] / DEFAULTS[name]) for t in places])
        close(losses.line(line), [(t + 1, files.lineage(t)["losses"][name]) for t in places])
        means = [record["controller"]["mean"][name] / DEFAULTS[name] for record in files.rounds]
        close(wanted.line(line), [(t + 1, mean) for t, mean in zip(places, means, strict=True)])
    noise = Chart(markup, "noise")
    close(noise.line("noise"), [(t + 1, files.rounds[t]["controller"]["noise"]) for t in places])
    close(noise.line("spread"), [(t + 1, pstdev(files.rewards(t))) for t in places])


def close(found: list[Point], expected: Sequence[Point]) -> None:
    """The same points, to what six decimals of a pixel and the labels of an axis allow."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=2e-4, abs=2e-4)
