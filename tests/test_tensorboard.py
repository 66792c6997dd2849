"""What TensorBoard is told of a search, read back from the event files by TensorBoard itself."""

import builtins
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_histories import DEFAULTS, make_rounds, with_controller, with_failures
from rich.console import Console
from small_runs import small

from ada_segment.errors import ConfigError
from ada_segment.population.observer import Several, Silent
from ada_segment.report.display import LiveDisplay
from ada_segment.report.tensorboard import TensorBoard
from ada_segment.runs.search_run import run_search
from ada_segment.training.member import PanopticMember

pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")

# TensorBoard's own reader uses what numpy will drop, and its own generated files.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard.*")


def read(folder: Path) -> Any:
    """All events of a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"images": 0, "histograms": 0, "scalars": 0})
    return events.Reload()


def scalars(events: Any, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(tag)]


def play(board: TensorBoard, records: list[dict[str, Any]]) -> None:
    for record in records:
        board.round_started(record["round"], 9, [member["weights"] for member in record["members"]])
        for index, member in enumerate(record["members"]):
            board.member_finished(record["round"], index, member)
        board.round_finished(record)


def test_curves_are_those_of_the_journal(tmp_path: Path) -> None:
    records = with_controller(with_failures(make_rounds(rounds=4), rounds=(2,)))
    board = TensorBoard(tmp_path / "events", defaults=DEFAULTS)
    assert not (tmp_path / "events").exists()
    play(board, records)
    board.close()
    events = read(tmp_path / "events")
    best = [record["members"][record["best"]] for record in records]
    for name, default in DEFAULTS.items():
        for tag, values in (
            (f"weights, to default/{name}", [member["weights"][name] / default for member in best]),
            (f"raw losses/{name}", [member["losses"][name] for member in best]),
            (f"wanted weights, to default/{name}", [r["controller"]["mean"][name] / default for r in records]),
        ):
            assert [step for step, _ in scalars(events, tag)] == [1, 2, 3, 4]
            assert [value for _, value in scalars(events, tag)] == pytest.approx(values, rel=1e-6)
        found = events.Histograms(f"members/weight of {name}, to default")
        tried = np.array([[m["weights"][name] / default for m in record["members"]] for record in records])
        assert [event.histogram_value.num for event in found] == [5] * 4
        assert [event.histogram_value.sum for event in found] == pytest.approx(tried.sum(1).tolist())
    rewards = [value for _, value in scalars(events, "reward/its best")]
    assert rewards == pytest.approx([member["reward"] for member in best], rel=1e-6)
    total = [sum(value for _, value in scalars(events, f"shares of the total/{name}")) for name in DEFAULTS]
    assert sum(total) == pytest.approx(4)
    failed = next(k for k, member in enumerate(records[2]["members"]) if member["reward"] is None)
    assert [step for step, _ in scalars(events, f"reward of member {failed}")] == [1, 2, 4]


def test_a_resumed_run_replaces_what_it_repeats(tmp_path: Path) -> None:
    records, others = make_rounds(rounds=4), make_rounds(rounds=4, seed=1)
    for before, part in (([], records[:3]), (records[:2], others[2:])):
        board = TensorBoard(tmp_path, defaults=DEFAULTS)
        if before:
            board.resumed(before)
            board.said("going on with round 3")
        play(board, part)
        board.close()
    found = scalars(read(tmp_path), "reward/its best")
    expected = [r["members"][r["best"]]["reward"] for r in (*records[:2], *others[2:])]
    assert [step for step, _ in found] == [1, 2, 3, 4]
    assert [value for _, value in found] == pytest.approx(expected, rel=1e-6)
    so_far = [value for _, value in scalars(read(tmp_path), "reward/best so far")]
    assert so_far == pytest.approx([max(expected[: k + 1]) for k in range(4)], rel=1e-6)


def test_a_run_shows_what_its_best_model_sees_and_is_the_same_run(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=40)
    with LiveDisplay(console) as display:
        seen = run_search(small(search__rounds=2), tmp_path / "seen", observer=display, tensorboard=True)
    blind = run_search(small(search__rounds=2), tmp_path / "blind")
    # Watching changes nothing.
    assert [[m["reward"] for m in r["members"]] for r in seen.journal] == [
        [m["reward"] for m in r["members"]] for r in blind.journal
    ]
    # What takes a while at the end is said, on the terminal and in TensorBoard.
    events = read(tmp_path / "seen" / "tensorboard")
    assert isinstance(console.file, io.StringIO)
    for text in ("tuning the merge thresholds on 5 reward pictures", "scoring 6 test pictures", "drawing pictures"):
        assert text in console.file.getvalue()
    notes = b"".join(event.tensor_proto.string_val[0] for event in events.Tensors("notes/text_summary"))
    assert b"tuning the merge thresholds" in notes
    pictures = [tag for tag in events.Tags()["images"] if tag.startswith("what the best model so far sees/")]
    assert len(pictures) == 4
    best = {max(range(t + 1), key=lambda k: best_of(seen.journal[k])) + 1 for t in range(len(seen.journal))}
    assert {event.step for event in events.Images(pictures[0])} == best
    assert events.Images(pictures[0])[0].width > 900
    metrics = json.loads((tmp_path / "seen" / "metrics.json").read_text())
    ((step, value),) = scalars(events, "PQ on the test split, tuned thresholds/all")
    assert (step, value) == (2, pytest.approx(100 * metrics["tuned"]["all"]["pq"], abs=1e-4))
    assert not (tmp_path / "blind" / "tensorboard").exists()


def best_of(record: dict[str, Any]) -> float:
    reward: float = record["members"][record["best"]]["reward"]
    return reward


def test_without_the_extra_it_says_so_before_any_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith(("tensorboard", "torch.utils.tensorboard")):
            raise ImportError(name)
        return true_import(name, *arguments, **more)

    def train(*_: object, **__: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(PanopticMember, "train", train)
    with pytest.raises(ConfigError, match=r"pip install 'ada-segment\[tensorboard\]'"):
        run_search(small(), tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()


def test_several_observers_hear_the_same() -> None:
    class Heard(Silent):
        def __init__(self) -> None:
            self.all: list[Any] = []

        def round_started(self, *told: Any) -> None:
            self.all.append(told)

        resumed = member_finished = round_finished = said = round_started  # type: ignore[assignment]

    one, other = Heard(), Heard()
    several = Several(one, other)
    several.round_started(0, 2, [])
    several.member_finished(0, 1, {"a": 1})
    several.round_finished({"b": 2})
    several.said("c")
    assert one.all == other.all == [(0, 2, []), (0, 1, {"a": 1}), ({"b": 2},), ("c",)]
