"""The report reads what a search really writes, and displays follow a search that really runs."""

import io
import json
import re
import shlex
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from made_histories import make_metrics
from page_checks import check_numbers, check_safe
from rich.console import Console

from ada_segment.cli import app
from ada_segment.errors import SearchError
from ada_segment.population.search import search
from ada_segment.report.display import LiveDisplay, PlainDisplay
from ada_segment.report.history import read_history
from ada_segment.report.page import render_page
from ada_segment.report.run_files import read_run

LOSSES = ["a", "b", "c"]
DEFAULTS = {"a": 1.0, "b": 0.5, "c": 2.0}


class Walker:
    """A member whose reward is how far it has come; of round `broken` its second training fails, or every one."""

    def __init__(self, *, broken: int | None = None, hopeless: bool = False) -> None:
        self.place = torch.zeros(1)
        self.broken, self.hopeless, self.calls = broken, hopeless, 0

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        self.calls += round == self.broken
        if round == self.broken and (self.hopeless or self.calls == 2):
            raise RuntimeError("out of <memory>")
        self.place += weights["a"] / weights["b"]
        return {name: 1.0 / (1 + round) + weight for name, weight in weights.items()}

    def evaluate(self) -> float:
        return float(self.place)

    def state_dict(self) -> dict[str, Any]:
        return {"place": self.place.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.place = state["place"].clone()


@pytest.mark.parametrize("strategy", ["ada-segment", "published", "pbt", "random", "select-only", "default"])
def test_every_strategy_can_be_shown(strategy: str, tmp_path: Path) -> None:
    lines = Console(file=io.StringIO(), width=80)
    result = search(
        lambda seed: Walker(broken=2),
        losses=LOSSES,
        rounds=4,
        members=1 if strategy == "default" else 4,
        strategy=strategy,
        defaults=DEFAULTS,
        out=tmp_path / "run",
        observer=PlainDisplay(lines, defaults=DEFAULTS),
    )
    run = read_run(tmp_path / "run")
    assert (run.defaults, run.rounds, run.identity["strategy"]) == (DEFAULTS, 4, strategy)
    assert run.has_controller == (result.controller is not None)
    assert [member.weights for _, member in run.history.lineage] == result.schedule
    assert run.history.best is not None
    assert run.history.best[1].reward == result.best_reward
    failed = sum(member["status"] != "ok" for record in result.journal for member in record["members"])
    assert len(run.history.failures) == failed
    assert failed == (strategy != "default")
    markup = render_page(run)
    check_numbers(check_safe(markup))
    assert ("out of &lt;memory&gt;" in markup) == bool(failed)
    assert ("What the controller wanted" in markup) == (result.controller is not None)
    assert isinstance(lines.file, io.StringIO)
    assert lines.file.getvalue().count("\n") == len(result.journal) * (1 + len(result.journal[0]["members"]))


@pytest.mark.parametrize("strategy", ["ada-segment", "random"])
def test_the_program_that_the_page_gives_runs(strategy: str, tmp_path: Path) -> None:
    search(lambda seed: Walker(), losses=LOSSES, rounds=2, members=2, strategy=strategy, out=tmp_path / "it's a run")
    markup = render_page(read_run(tmp_path / "it's a run"))
    program = re.search(r"<pre>(.*?)</pre>", markup, re.DOTALL)
    assert program is not None
    given: dict[str, Any] = {"make_member": lambda seed: Walker(), "rounds": 3}
    lines = unescape(program[1]).splitlines()
    exec("\n".join([*lines[:-1], f"result = {lines[-1]}"]), given)
    assert len(given["result"].schedule) == 3


def test_the_commands_that_the_page_gives_are_commands(tmp_path: Path) -> None:
    search(lambda seed: Walker(), losses=LOSSES, rounds=2, members=2, strategy="random", out=tmp_path / "a run")
    (tmp_path / "a run" / "config.yaml").touch()
    assert "ada-segment predict" not in render_page(
        read_run(tmp_path / "a run")
    )  # before its end there are no thresholds
    (tmp_path / "a run" / "metrics.json").write_text(json.dumps(make_metrics({"ball": True, "sky": False})))
    markup = render_page(read_run(tmp_path / "a run"))
    commands = re.findall(r"^(?:<pre>)?(ada-segment .*?)(?:</pre>.*)?$", markup, re.MULTILINE)
    assert len(commands) == 2
    group = typer.main.get_command(app)
    for command in commands:
        _, name, *arguments = shlex.split(unescape(command).replace(" N ", " 3 "))
        with group.make_context("ada-segment", [name, *arguments], resilient_parsing=False) as context:
            chosen = group.get_command(context, name)
            assert chosen is not None
            chosen.make_context(name, arguments, parent=context)


def test_the_live_display_follows_a_search_on_a_terminal(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=30)
    with LiveDisplay(console, defaults=DEFAULTS) as display:
        result = search(lambda seed: Walker(), losses=LOSSES, rounds=3, members=4, defaults=DEFAULTS, observer=display)
        shown = Console(record=True, width=100, file=io.StringIO())
        shown.print(display.render())
    text = shown.export_text()
    assert "all rounds done" in text
    assert f"best {result.best_reward:.2f}" in text
    for member in result.journal[-1]["members"]:
        assert f"{member['reward']:.2f}" in text


def test_a_search_that_ended_with_an_error_can_be_shown(tmp_path: Path) -> None:
    with pytest.raises(SearchError):
        search(
            lambda seed: Walker(broken=2, hopeless=True),
            losses=LOSSES,
            rounds=4,
            members=2,
            strategy="select-only",
            out=tmp_path / "run",
        )
    page = check_safe(render_page(read_run(tmp_path / "run")))
    check_numbers(page)
    assert "2 of 4 rounds so far" in page.text


def test_a_journal_read_here_is_the_one_written_there(tmp_path: Path) -> None:
    result = search(lambda seed: Walker(), losses=LOSSES, rounds=2, members=2, strategy="random", out=tmp_path / "run")
    history = read_history(tmp_path / "run")
    for record, read in zip(json.loads(json.dumps(result.journal)), history.rounds, strict=True):
        assert [member["reward"] for member in record["members"]] == [member.reward for member in read.members]
        assert [member["losses"] for member in record["members"]] == [member.losses for member in read.members]
        assert [member["parent"] for member in record["members"]] == [member.parent for member in read.members]
        assert record["seconds"] == read.seconds
