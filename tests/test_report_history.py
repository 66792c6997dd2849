"""Reading a run folder: whole, growing, damaged."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_histories import DEFAULTS, SIX, make_metrics, make_rounds, with_failures, write_run

from ada_segment.errors import RunError
from ada_segment.report.history import as_history, parse_round, read_history
from ada_segment.report.run_files import read_run


def test_what_was_written_is_read(tmp_path: Path) -> None:
    records = with_failures(make_rounds(), rounds=(2,))
    history = read_history(write_run(tmp_path, records))
    assert history.losses == SIX
    assert len(history.rounds) == 12
    for record, read in zip(records, history.rounds, strict=True):
        assert read.best == record["best"]
        assert read.seconds == record["seconds"]
        for member, seen in zip(record["members"], read.members, strict=True):
            assert (seen.weights, seen.losses, seen.reward) == (member["weights"], member["losses"], member["reward"])
    assert history.best is not None
    assert history.best[1].reward == max(record["members"][record["best"]]["reward"] for record in records)
    assert history.trainings == 5
    assert history.seconds == pytest.approx(sum(record["seconds"] for record in records))
    assert read_history(tmp_path / "history.jsonl") == history


@given(cut=st.integers(0, 2000))
def test_a_line_still_being_written_is_left_out(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    run = write_run(tmp_path_factory.mktemp("run"), make_rounds(rounds=2, members=1))
    text = (run / "history.jsonl").read_text()
    (run / "history.jsonl").write_text(text[:cut])
    whole = text[:cut].count("\n")
    # A line that lacks nothing but its end is as good as written.
    assert len(read_history(run).rounds) - whole in (0, 1)


def test_damage_is_named_with_its_line(tmp_path: Path) -> None:
    write_run(tmp_path, make_rounds(rounds=3))
    journal = tmp_path / "history.jsonl"
    lines = journal.read_text().splitlines()
    for broken in ("{", "[]", '{"round": 1}', '{"round": 1, "members": [{}]}', '{"round": 1, "members": 3}'):
        journal.write_text("\n".join([lines[0], broken, lines[2], ""]))
        with pytest.raises(RunError, match=r"history\.jsonl, line 2: "):
            read_history(tmp_path)
    with pytest.raises(RunError, match=r"missing.*search has written"):
        read_history(tmp_path / "nowhere")
    journal.write_bytes(b"\xff\xfe\n")
    with pytest.raises(RunError, match="cannot be read"):
        read_history(tmp_path)
    with pytest.raises(RunError, match='"best" is 4'):
        parse_round({**make_rounds(rounds=1, members=4)[0], "best": 4})


def test_what_is_not_finite_or_null_is_left_out() -> None:
    record = make_rounds(rounds=1, members=2)[0]
    record["members"][0].update(losses={"loss_cls": None, "loss_mask": float("nan"), "loss_box_reg": 2.0}, reward=None)
    record["best"] = 1
    member = parse_round(record).members[0]
    assert member.losses == {"loss_box_reg": 2.0}
    assert member.reward is None


def test_lineage_follows_the_parents() -> None:
    records = make_rounds(rounds=4, members=3)
    for record, best, parents in zip(
        records, (0, 1, 2, 1), ((None,) * 3, (2, 0, 1), (0, 1, 2), (1, 0, 0)), strict=True
    ):
        record["best"] = best
        for member, parent in zip(record["members"], parents, strict=True):
            member["parent"] = parent
    history = as_history([parse_round(record) for record in records])
    path = [record.members.index(member) for record, member in history.lineage]
    assert path == [2, 0, 0, 1]


def test_lineage_without_parents_is_the_best_of_each_round() -> None:
    records = make_rounds(rounds=4, members=3)
    history = as_history([parse_round(record) for record in records])
    assert [member.reward for _, member in history.lineage] == [r["members"][r["best"]]["reward"] for r in records]


def test_a_round_in_which_all_failed() -> None:
    record = make_rounds(rounds=1, members=2)[0]
    for member in record["members"]:
        member.update(reward=None, losses={}, status="failed: boom")
    record["best"] = None
    history = as_history([parse_round(record)])
    assert (history.best, history.lineage, len(history.failures)) == (None, (), 2)


def test_repeated_rounds_cost_and_their_failures_are_kept() -> None:
    records = make_rounds(rounds=2, members=3)
    lost = [dict(member, reward=None, status="failed: boom") for member in records[1]["members"]]
    records[1]["failed_attempts"] = [lost]
    history = as_history([parse_round(record) for record in records])
    assert history.failures == tuple((1, index, "failed: boom") for index in range(3))
    assert history.trainings == (3 + 6) / 2


def test_a_run_folder_tells_what_it_has(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "bare", make_rounds(rounds=2)))
    assert (run.metrics, run.config, run.identity, run.overlays, run.defaults, run.rounds) == (
        None,
        None,
        {},
        None,
        None,
        None,
    )
    assert (run.reward_label, run.is_default, run.has_controller) == ("reward", False, False)

    folder = write_run(
        tmp_path / "full",
        make_rounds(rounds=2),
        metrics=make_metrics({"ball": True}),
        config="training:\n  reward: pq-soft\nsearch:\n  weights: default\n",
    )
    (folder / "checkpoints").mkdir()
    for place in (1, 2):
        about = {"defaults": DEFAULTS, "rounds": place}
        (folder / "checkpoints" / f"round-0000{place}.json").write_text(json.dumps(about))
    (folder / "controller.safetensors").touch()
    (folder / "overlays.png").touch()
    run = read_run(folder)
    assert run.metrics is not None
    assert (run.defaults, run.rounds) == (DEFAULTS, 2)
    assert (run.reward_label, run.is_default, run.has_controller) == ("soft PQ on the reward split, %", True, True)
    assert run.overlays == folder / "overlays.png"


def test_damaged_files_of_a_run_are_named(tmp_path: Path) -> None:
    write_run(tmp_path, make_rounds(rounds=1), config="{ : not yaml")
    assert read_run(tmp_path).reward_label == "reward"
    for content in ("{", "[1]"):
        (tmp_path / "metrics.json").write_text(content)
        with pytest.raises(RunError, match=r"metrics\.json .*delete it"):
            read_run(tmp_path)
    with pytest.raises(RunError, match="no folder"):
        read_run(tmp_path / "nowhere")
