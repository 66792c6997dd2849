"""`train --weights NAME`: the journal shows the effective weights; interrupted and resumed, the same numbers."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from journals import journal_of
from page_reader import Page, says
from small_runs import SMALL, small
from torch import nn

from ada_segment.errors import AdaSegmentError, ConfigError
from ada_segment.panoptic.backbones import ThinResNet
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.observer import Silent
from ada_segment.population.search import search
from ada_segment.population.strategies.replay import Replay, Transfer
from ada_segment.report.page import write_page
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.runs.search_run import run_search
from ada_segment.weighting.registry import WEIGHTINGS

DEFAULTS = loss_table(small().model).defaults
pytestmark = pytest.mark.usefixtures("undrawn")


def members(run: Path) -> list[Any]:
    return [record["members"][0] for record in journal_of(run)]


def assert_shown(page: Path, weights: Mapping[str, float]) -> None:
    """The page's table has these weights of the last of three rounds."""
    shown = [number for number in Page(page.read_text()).numbers if number.what == "weight"]
    assert sorted(number.which for number in shown) == sorted((2, name) for name in weights)
    for number in shown:
        assert says(number.text, weights[number.which[1]])
        assert number.value == pytest.approx(weights[number.which[1]], rel=1e-5)


def settings_for(weights: str, *, rounds: int = 2, **changes: Any) -> Any:
    return small(search__weights=weights, search__members=1, search__rounds=rounds, **changes)


class StopAfter(Silent):
    """Somebody presses Ctrl-C when a round has been written."""

    def __init__(self, round: int) -> None:
        self.round = round

    def round_finished(self, record: Mapping[str, Any]) -> None:
        if record["round"] == self.round:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", [name for name in WEIGHTINGS if name != "fixed"])
def test_the_weight_in_the_journal_is_the_mean_effective_one(name: str) -> None:
    """d total / d loss of each step, by autograd, on the model's own losses."""
    settings = settings_for(name)
    member = build_member(settings, open_data(settings), seed=0)
    slopes: list[dict[str, float]] = []
    total = member.weighting.total

    def spied(losses: Mapping[str, torch.Tensor], factors: Mapping[str, float]) -> torch.Tensor:
        made = total(losses, factors)
        found = torch.autograd.grad(made, list(losses.values()), retain_graph=True)
        slopes.append(dict(zip(losses, [slope.item() for slope in found], strict=True)))
        return made

    member.weighting.total = spied  # type: ignore[method-assign, assignment]
    member.train(DEFAULTS, round=0, seed=3)
    means = {key: sum(each[key] for each in slopes) / len(slopes) for key in DEFAULTS}
    assert member.effective_weights == pytest.approx(means, rel=1e-5)


# One that learns from each epoch's values, and one from each step's gradients.
@pytest.mark.parametrize("name", ["dwa", "gradnorm"])
def test_stopped_and_resumed_it_comes_to_the_same(name: str, tmp_path: Path) -> None:
    settings = settings_for(name, rounds=3)
    run_search(settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, tmp_path / "stopped", observer=StopAfter(1))
    run_search(settings, tmp_path / "stopped", resume=True)
    whole = members(tmp_path / "whole")
    assert members(tmp_path / "stopped") == whole
    metrics = [json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("whole", "stopped")]
    assert metrics[0] == metrics[1]
    if name != "dwa":  # which moves in the third epoch only
        assert whole[0]["weights"] != DEFAULTS
    assert whole[2]["weights"] != whole[1]["weights"]
    assert all(member["given"] == DEFAULTS for member in whole)
    write_page(tmp_path / "whole", tmp_path / "page.html")
    assert_shown(tmp_path / "page.html", whole[-1]["weights"])


def test_fixed_is_default(tmp_path: Path) -> None:
    for name in ("fixed", "default"):
        run_search(settings_for(name), tmp_path / name)
    first, second = members(tmp_path / "fixed"), members(tmp_path / "default")
    assert [m["weights"] for m in first] == [m["weights"] for m in second] == [DEFAULTS] * 2
    assert [m["losses"] for m in first] == [m["losses"] for m in second]


def test_what_a_method_came_to_can_be_replayed(tmp_path: Path) -> None:
    run_search(settings_for("uncertainty"), tmp_path / "run")
    run_search(settings_for(str(tmp_path / "run" / "schedule.json")), tmp_path / "again")
    assert [m["weights"] for m in members(tmp_path / "again")] == [m["weights"] for m in members(tmp_path / "run")]


def test_settings_reach_the_method(tmp_path: Path) -> None:
    run_search(settings_for("uw-so", rounds=1, search__settings={"temperature": 1e9}), tmp_path / "run")
    assert members(tmp_path / "run")[0]["weights"] == pytest.approx(DEFAULTS, rel=1e-6)
    with pytest.raises(ConfigError, match="weighting uw-so has no setting 'temprature'; did you mean temperature"):
        run_search(settings_for("uw-so", search__settings={"temprature": 1.0}), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_function_of_the_epoch(tmp_path: Path) -> None:
    file = tmp_path / "fade.py"
    file.write_text(
        f"def late(epoch):\n    return {{**{DEFAULTS}, 'loss_mask': epoch / 4}}\n"
        "def wrong(epoch):\n    return {'loss_mask': 1.0}\n"
        "def broken(epoch):\n    return 1 / 0\n"
    )
    run_search(settings_for(f"{file}:late", rounds=3, training__epochs_per_round=2), tmp_path / "run")
    assert [m["weights"]["loss_mask"] for m in members(tmp_path / "run")] == [0.0, 0.5, 1.0]
    for name, text in (
        ("wrong", "missing: loss_box_reg"),
        ("broken", "ZeroDivisionError"),
        ("absent", "holds no function absent"),
    ):
        with pytest.raises(AdaSegmentError, match=text):
            run_search(settings_for(f"{file}:{name}"), tmp_path / "other")
    with pytest.raises(ConfigError, match=r"there is no file nowhere\.py"):
        run_search(settings_for("nowhere.py:late"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that has ended."""
    run = tmp_path_factory.mktemp("found") / "run"
    run_search(small(search__rounds=2), run)
    return run


@pytest.mark.parametrize("source", ["run", "run/schedule.json", "late.py:late"])
def test_what_a_training_began_with_may_be_gone_when_it_is_resumed(source: str, found: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(found, before / "run")
    (before / "late.py").write_text(f"def late(epoch):\n    return {{**{DEFAULTS}, 'loss_mask': epoch / 4}}\n")
    torch.save(ThinResNet(SMALL["model.width"], nn.BatchNorm2d).state_dict(), before / "own.pth")
    weights = {"training__start": str(before / "run"), "model__pretrained": str(before / "own.pth")}
    settings = settings_for(str(before / source), **weights)
    run_search(settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, tmp_path / "stopped", observer=StopAfter(0))
    shutil.rmtree(before)
    run_search(settings, tmp_path / "stopped", resume=True)
    whole = members(tmp_path / "whole")
    assert members(tmp_path / "stopped") == whole
    metrics = [json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("whole", "stopped")]
    assert metrics[0] == metrics[1]
    with pytest.raises(AdaSegmentError, match=r"late\.py|is missing"):
        run_search(settings, tmp_path / "new", resume=True)


@pytest.mark.parametrize("source", ["run", "run/schedule.json"])
def test_a_run_of_an_earlier_version_goes_on_with_what_it_began_with(
    source: str, found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose checkpoints do not keep it."""
    settings = settings_for(str(found.parent / source))
    with monkeypatch.context() as patch:
        patch.setattr(Replay, "state_dict", lambda self: {})
        patch.setattr(Transfer, "state_dict", lambda self: {"history": self._history})
        with pytest.raises(KeyboardInterrupt):
            run_search(settings, tmp_path / "run", observer=StopAfter(0))
    run_search(settings, tmp_path / "run", resume=True)
    run_search(settings, tmp_path / "whole")
    assert members(tmp_path / "run") == members(tmp_path / "whole")


def test_a_mistyped_method_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"weights = gradnom: .* did you mean gradnorm"):
        run_search(settings_for("gradnom"), tmp_path / "run")


def test_the_page_can_show_weights_of_0_and_below(tmp_path: Path) -> None:
    run_search(settings_for("default", rounds=3), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    for line in lines:
        line["members"][0]["weights"] |= {"loss_mask": -0.25, "loss_cls": 0.0}
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_page(tmp_path, tmp_path / "report.html")
    assert_shown(tmp_path / "report.html", lines[-1]["members"][0]["weights"])


# --- the seam for members of one's own


class Moving:
    """A member whose weights were twice those that it was given."""

    def __init__(self, seed: int = 0) -> None:
        self.effective_weights: Any = None
        self.given: list[dict[str, float]] = []

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        self.given.append(dict(weights))
        self.effective_weights = {name: 2 * weight for name, weight in weights.items()}
        return dict.fromkeys(weights, 1.0)

    def evaluate(self) -> float:
        return -abs(self.given[-1]["mask"] - 1.5)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def test_the_journal_shows_effective_weights_and_the_strategy_learns_from_those_it_gave() -> None:
    found = search(Moving, losses=["mask", "box"], rounds=3, members=3, strategy="pbt")
    for record in found.journal:
        for member in record["members"]:
            assert member["weights"] == {name: 2 * weight for name, weight in member["given"].items()}
    assert found.schedule[-1] == found.journal[-1]["members"][found.journal[-1]["best"]]["weights"]


@pytest.mark.parametrize(
    ("weights", "text"), [({"mask": 1.0}, "missing: box"), ({"mask": 1.0, "box": float("inf")}, "weight of box = inf")]
)
def test_effective_weights_that_do_not_fit_are_named(weights: dict[str, float], text: str) -> None:
    class Wrong(Moving):
        def train(self, given: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
            self.effective_weights = weights
            self.given.append(dict(given))
            return dict.fromkeys(given, 1.0)

    with pytest.raises(AdaSegmentError, match=text):
        search(Wrong, losses=["mask", "box"], rounds=1, members=1, strategy="default")
