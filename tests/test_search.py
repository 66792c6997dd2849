"""The engine: rounds, journal, run folder, failures, resume; for every strategy."""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from journals import journal_of, without_times
from toy_members import NAMES, QuadraticMember

from ada_segment import storage
from ada_segment.controller.stored import load_controller
from ada_segment.errors import ConfigError, LossError, RunError, SearchError
from ada_segment.population import run_folder
from ada_segment.population.run_folder import strategy_state
from ada_segment.population.search import SearchResult, make_task, search
from ada_segment.population.seeds import derive_seed
from ada_segment.population.strategies import STRATEGIES
from ada_segment.population.strategies.ada_segment import AdaSegment
from ada_segment.population.strategies.base import Plan, Strategy, Verdict
from ada_segment.population.strategies.replay import Replay, Transfer, known_beforehand
from ada_segment.storage import copy_state, load_entry, load_state, read_about, save_state

ALL = sorted(STRATEGIES)
TARGET = {"mask": 0.5, "box": -0.5}


def run(member: QuadraticMember | None = None, **how: Any) -> SearchResult:
    how = {"losses": NAMES, "rounds": 4, "members": 4, **how}
    return search(lambda seed: member or QuadraticMember(target=TARGET), **how)


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize("members", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 2, 30])
def test_sizes(strategy: str, members: int, count: int) -> None:
    names = tuple(f"loss {i}" for i in range(count))
    member = QuadraticMember(names=names)
    result = run(member, losses=names, members=members, rounds=3, strategy=strategy)
    assert [record["round"] for record in result.journal] == [0, 1, 2]
    assert len(result.schedule) == 3
    for record in result.journal:
        assert len(record["members"]) == members
        for entry in record["members"]:
            assert set(entry["weights"]) == set(names)
            assert all(math.isfinite(weight) and weight > 0 for weight in entry["weights"].values())


@pytest.mark.parametrize("strategy", ALL)
def test_same_seed_same_journal_and_another_seed_another(strategy: str) -> None:
    first, again, other = (without_times(run(strategy=strategy, seed=seed).journal) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("strategy", ALL)
def test_order_of_losses_does_not_matter(strategy: str) -> None:
    for result, names in ((run(strategy=strategy), NAMES), (run(strategy=strategy, losses=NAMES[::-1]), NAMES[::-1])):
        assert all(list(weights) == list(names) for weights in result.schedule)
    forward, back = run(strategy=strategy).schedule, run(strategy=strategy, losses=NAMES[::-1]).schedule
    for one, other in zip(forward, back, strict=True):
        assert one == pytest.approx(other, rel=1e-9)


def test_state_of_the_best_was_trained_under_the_schedule() -> None:
    for strategy in ALL:
        result = run(strategy=strategy, rounds=5)
        if result.best_round == 4:
            path = result.best_state["path"].tolist()
            assert path == [[weights[name] for name in NAMES] for weights in result.schedule]
        standing = [record["members"][record["best"]]["reward"] for record in result.journal]
        assert result.best_reward == max(standing) == standing[result.best_round]
        assert len(result.best_state["path"]) == result.best_round + 1


def test_common_random_numbers() -> None:
    for strategy, shared in (("ada-segment", True), ("select-only", False), ("random", False), ("pbt", False)):
        member = QuadraticMember()
        run(member, strategy=strategy, rounds=2, members=3)
        first, second = member.seeds[:3], member.seeds[3:]
        assert len(set(first)) == len(set(second)) == (1 if shared else 3)
        assert first[0] != second[0]
        assert first[0] == derive_seed(0, "round", 0)
    member = QuadraticMember()
    run(member, rounds=1, members=3, common_seed=False)
    assert len(set(member.seeds)) == 3


@pytest.mark.parametrize("strategy", ["ada-segment", "published", "select-only"])
def test_broadcast_members_start_from_one_state(strategy: str) -> None:
    result = run(strategy=strategy, rounds=3)
    for before, after in zip(result.journal, result.journal[1:], strict=False):
        assert {entry["parent"] for entry in after["members"]} == {before["best"]}


def test_defaults_of_zero_stay_off_and_others_are_kept() -> None:
    for strategy in ALL:
        defaults = {"mask": 2.0, "box": 0.0}
        result = run(QuadraticMember(), strategy=strategy, defaults=defaults)
        for weights in result.schedule:
            assert weights["box"] == 0.0
        if strategy in ("default", "select-only"):
            assert result.schedule[0] == {"mask": 2.0, "box": 0.0, "class": 1.0}


def test_tied_groups_share_their_factor_until_they_are_free() -> None:
    groups = {"mask": "a", "box": "b", "class": "a"}

    def tied(**how: Any) -> list[bool]:
        result = run(groups=groups, defaults={"class": 0.5}, rounds=4, **how)
        entries = [[entry["weights"] for entry in record["members"]] for record in result.journal]
        return [all(w["mask"] == pytest.approx(2 * w["class"]) for w in weights) for weights in entries]

    assert tied() == [True, True, False, False]
    assert tied(untie_at=1.0) == [True] * 4
    assert tied(untie_at=0.25) == [True, False, False, False]
    assert tied(tied=False) == [False] * 4
    for strategy in ("random", "pbt"):
        assert tied(strategy=strategy) == [True] * 4


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["raise", "nan loss", "inf reward"])
@pytest.mark.parametrize("strategy", ALL)
def test_a_failing_member_is_left_out_and_goes_on_from_the_best(strategy: str, how: str) -> None:
    result = run(QuadraticMember(fails={(1, 2): how}), strategy=strategy)
    failed = result.journal[1]["members"][2]
    assert failed["status"].startswith("failed: ")
    assert failed["reward"] is None
    assert failed["weights"].keys() == set(NAMES)
    assert result.journal[1]["best"] != 2
    assert result.journal[2]["members"][2]["parent"] == result.journal[1]["best"]
    assert all(entry["status"] == "ok" for entry in result.journal[2]["members"])
    json.dumps(result.journal, allow_nan=False)


def test_what_a_failing_member_tried_does_not_teach() -> None:
    left_out = run(QuadraticMember(fails={(0, 3): "raise"}), rounds=2)
    notes = left_out.journal[0]["controller"]["predicted"]
    assert notes[3] is None
    assert all(value is not None for value in notes[:3])


def test_a_round_in_which_all_fail_is_repeated_with_half_the_step() -> None:
    fails = {(2, call): "raise" for call in range(4)}
    result = run(QuadraticMember(fails=fails))
    record = result.journal[2]
    (attempt,) = record["failed_attempts"]
    last = result.schedule[1]
    for wanted, taken in zip(attempt, record["members"], strict=True):
        assert wanted["status"] == "failed: ValueError: the learning rate is too high"
        for name in NAMES:
            assert taken["weights"][name] == pytest.approx(math.sqrt(wanted["weights"][name] * last[name]))


class Careful(QuadraticMember):
    """Trains under weights that are near to the defaults only."""

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        if max(abs(math.log(weight)) for weight in weights.values()) > 0.15:
            raise FloatingPointError("diverged")
        return super().train(weights, round=round, seed=seed)


def test_pbt_goes_on_from_the_smaller_steps_of_a_repeated_round() -> None:
    result = run(Careful(), strategy="pbt", rounds=6)
    repeated = next(record for record in result.journal if "failed_attempts" in record)
    after = result.journal[repeated["round"] + 1]
    first = after.get("failed_attempts", [after["members"]])[0]
    stayed = [k for k in range(4) if first[k]["parent"] == k and repeated["members"][k]["status"] == "ok"]
    assert stayed
    for k in stayed:
        assert first[k]["weights"] == pytest.approx(repeated["members"][k]["weights"])


def test_a_round_that_fails_twice_ends_the_search_and_keeps_the_rest(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"round 3 failed.*learning rate") as caught:
        run(QuadraticMember(fails={(2, -1): "raise"}), out=tmp_path / "run", members=3)
    assert isinstance(caught.value.__cause__, ValueError)
    assert len(journal_of(tmp_path / "run")) == 2
    assert load_state(tmp_path / "run" / "best.safetensors")["path"].shape[1] == 3
    resumed = run(QuadraticMember(target=TARGET), out=tmp_path / "run", members=3, resume=True)
    assert without_times(resumed.journal[:2]) == journal_of(tmp_path / "run")[:2]
    assert len(resumed.journal) == 4


def test_a_state_that_could_not_be_copied_is_refused_before_anything_is_trained() -> None:
    class Arrays(QuadraticMember):
        def state_dict(self) -> dict[str, Any]:
            return {"x": np.zeros(2)}

        def train(self, *_: Any, **__: Any) -> dict[str, float]:
            raise AssertionError

    with pytest.raises(SearchError, match=r"state\['x'\] is <class 'numpy.ndarray'>; .* of an array make a tensor"):
        search(lambda seed: Arrays(), losses=NAMES, rounds=2, members=3)


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (torch.eye(2).to_sparse(), r"state\['model'\]\[1\] is a tensor of torch.float32, torch.sparse_coo"),
        (
            torch.zeros(2, dtype=torch.complex128),
            r"state\['model'\]\[1\] is a tensor of torch.complex128.*view_as_real",
        ),
        (torch.empty(2, dtype=torch.bits8), r"state\['model'\]\[1\] is a tensor of torch.bits8"),
        (torch.zeros(2, device="meta"), r"state\['model'\]\[1\] is a tensor without data"),
    ],
    ids=["sparse", "complex", "bits", "meta"],
)
def test_a_tensor_that_could_not_be_stored_is_named(tmp_path: Path, tensor: torch.Tensor, text: str) -> None:
    state = {"model": [torch.zeros(1), tensor]}
    with pytest.raises(TypeError, match=text):
        copy_state(state)
    with pytest.raises(TypeError, match=text):
        save_state(tmp_path / "state.safetensors", state)
    assert list(tmp_path.iterdir()) == []


def test_a_single_number_with_a_stride_is_stored(tmp_path: Path) -> None:
    save_state(tmp_path / "state.safetensors", {"x": torch.arange(2.0)[::2]})
    assert load_state(tmp_path / "state.safetensors")["x"].tolist() == [0.0]


def test_a_key_that_could_not_be_stored_is_refused_before_anything_is_trained() -> None:
    class Keys(QuadraticMember):
        def state_dict(self) -> dict[str, Any]:
            return {("x", 1): 0.0}  # type: ignore[dict-item]

        def train(self, *_: Any, **__: Any) -> dict[str, float]:
            raise AssertionError

    with pytest.raises(SearchError, match=r"state has the key \('x', 1\); a state's keys are str or int, not tuple"):
        search(lambda seed: Keys(), losses=NAMES, rounds=2, members=3)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"resume": True}, "name it with out"),
        ({"checkpoint_minutes": "10"}, "checkpoint_minutes = '10'"),
        ({"seed": 1.5}, "seed = 1.5"),
        ({"executer": "local"}, "did you mean executor"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(how: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        run(**how)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    numbers = {"seed": np.int64(3), "rounds": np.int64(2), "members": np.int32(3)}
    journal = run(**numbers, out=tmp_path / "run").journal
    assert [len(record["members"]) for record in journal] == [3, 3]
    assert run(seed=3, rounds=2, members=3, out=tmp_path / "run", resume=True).journal == journal


def test_a_search_begins_with_what_paths_name(tmp_path: Path) -> None:
    for seed in range(2):
        run(seed=seed, out=tmp_path / str(seed))
    paths = [tmp_path / "0", tmp_path / "1"]
    by_text = run(learned=f"{paths[0]},{paths[1]}", out=tmp_path / "text")
    assert without_times(run(learned=paths, out=tmp_path / "list").journal) == without_times(by_text.journal)
    assert len(run(learned=paths[0], out=tmp_path / "one").journal) == 4


def test_what_a_search_began_with_may_be_gone_when_it_is_resumed(tmp_path: Path) -> None:
    run(out=tmp_path / "before", seed=1)
    whole = run(learned=tmp_path / "before")
    how = {"learned": tmp_path / "before", "out": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        run(QuadraticMember(target=TARGET, fails={(2, 1): "interrupt"}), **how)
    (tmp_path / "before").rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r'settings = \{"learned": ".*before"\}, asked for is \{"learned": ".*elsewh'):
        run(**{**how, "learned": tmp_path / "elsewhere"}, resume=True)
    assert without_times(run(**how, resume=True).journal) == without_times(whole.journal)
    with pytest.raises(RunError, match="is missing"):
        run(learned=tmp_path / "before", out=tmp_path / "new", resume=True)


def test_another_controller_is_another_search(tmp_path: Path) -> None:
    for seed in range(2):
        run(seed=seed, out=tmp_path / str(seed))
    one, again, other = (Transfer(load_controller(tmp_path / str(seed))) for seed in (0, 0, 1))
    run(strategy=one, members=1, out=tmp_path / "run")
    run(strategy=again, members=1, out=tmp_path / "run", resume=True)
    with pytest.raises(RunError, match="learned"):
        run(strategy=other, members=1, out=tmp_path / "run", resume=True)


@pytest.mark.parametrize("kind", ["transfer", "replay"])
def test_checkpoints_keep_the_weights_that_were_known_beforehand(tmp_path: Path, kind: str) -> None:
    run(out=tmp_path / "before", seed=1)
    given = Replay.load(tmp_path / "before") if kind == "replay" else Transfer(load_controller(tmp_path / "before"))
    whole = run(strategy=given, members=1, out=tmp_path / "run")
    kept = known_beforehand(strategy_state(tmp_path / "run"))
    assert kept is not None
    assert kept.settings() == given.settings()
    resumed = run(strategy=kept, members=1, out=tmp_path / "run", resume=True)
    assert resumed.journal == whole.journal
    again = run(strategy=kept, members=1, out=tmp_path / "again")
    assert without_times(again.journal) == without_times(whole.journal)
    last, before = reversed(run_folder.checkpoints(tmp_path / "run"))
    last.write_bytes(last.read_bytes()[:200])
    found = known_beforehand(strategy_state(tmp_path / "run"))
    assert found is not None
    assert found.settings() == given.settings()
    before.unlink()
    assert known_beforehand(strategy_state(tmp_path / "run")) is None


def test_what_is_no_kept_strategy_is_left_alone(tmp_path: Path) -> None:
    run(out=tmp_path / "run")
    (checkpoint, *_) = run_folder.checkpoints(tmp_path / "run")
    assert known_beforehand(strategy_state(tmp_path / "run")) is None
    for state in ({"schedule": [{"mask": -1.0}], "stretch": True}, {"kind": "bayesian", "controller": {"losses": 3}}):
        assert known_beforehand(state) is None
    with pytest.raises(RunError, match="holds no kept"):
        load_entry(checkpoint, "kept")
    assert load_entry(checkpoint, "best") == load_state(checkpoint)["best"]


def test_a_member_that_returns_no_losses_is_told_so_at_once() -> None:
    class Forgets(QuadraticMember):
        def train(self, *args: Any, **how: Any) -> dict[str, float]:
            super().train(*args, **how)
            return None  # type: ignore[return-value]

    member = Forgets()
    with pytest.raises(LossError, match="returned no losses; return the mean of each loss by name"):
        run(member)
    assert len(member.seeds) == 1


def test_wrong_loss_names_are_an_error_and_no_failure() -> None:
    with pytest.raises(LossError, match=r"missing: extra"):
        run(losses=(*NAMES, "extra"))


# -- run folder --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ALL)
def test_run_folder_holds_everything(tmp_path: Path, strategy: str) -> None:
    folder = tmp_path / "run"
    result = run(strategy=strategy, out=folder, rounds=4)
    assert journal_of(folder) == without_times(result.journal)
    assert json.loads((folder / "schedule.json").read_text()) == {"losses": list(NAMES), "schedule": result.schedule}
    about = read_about(folder / "best.safetensors")
    assert about["reward"] == result.best_reward
    assert about["losses"] == list(NAMES)
    assert load_state(folder / "best.safetensors")["path"].tolist() == result.best_state["path"].tolist()
    assert (folder / "controller.safetensors").exists() == (strategy in ("ada-segment", "published"))
    names = sorted(path.name for path in (folder / "checkpoints").glob("*.safetensors"))
    assert names == ["round-00002.safetensors", "round-00003.safetensors"]
    assert not list(folder.rglob(".*"))


def test_a_folder_in_use_is_refused_before_a_member_is_made(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    def make(seed: int) -> QuadraticMember:
        raise AssertionError("a member was made")

    with pytest.raises(RunError, match=r"notes\.txt"):
        search(make, losses=NAMES, rounds=1, members=1, out=tmp_path)
    with pytest.raises(RunError, match="is a file"):
        search(make, losses=NAMES, rounds=1, members=1, out=tmp_path / "notes.txt", resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_settings_written_beforehand_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    assert len(run(out=tmp_path, rounds=1).journal) == 1


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("seed", {"seed": 1}),
        ("rounds", {"rounds": 5}),
        ("members", {"members": 3}),
        ("strategy", {"strategy": "pbt"}),
        ("defaults", {"defaults": {"mask": 2.0}}),
        ("groups", {"groups": {"mask": "a", "box": "a", "class": "b"}}),
        ("settings", {"trust": 1.0}),
        ("losses", {"losses": ("mask", "box", "other")}),
    ],
)
def test_resuming_something_else_is_refused(tmp_path: Path, key: str, other: dict[str, Any]) -> None:
    run(out=tmp_path / "run", rounds=2)
    with pytest.raises(RunError, match=key if key != "losses" else "losses|defaults|groups"):
        run(**{"out": tmp_path / "run", "rounds": 2, "resume": True, **other})


class Crash(BaseException):
    """As good as a power cut."""


class Disk:
    """Notes the files that a search writes or removes, one after the other; after `lasts` of them it is cut off."""

    def __init__(self, patch: pytest.MonkeyPatch, lasts: float = math.inf) -> None:
        self.touched: list[Path] = []
        self._lasts = lasts
        # What a run folder holds comes to be and goes by one of these, whatever calls them.
        patch.setattr(storage, "write_whole", self._watched(storage.write_whole))
        patch.setattr(Path, "open", self._watched(Path.open, mode="a"))
        patch.setattr(Path, "unlink", self._watched(Path.unlink))

    def _watched(self, function: Callable[..., Any], mode: str | None = None) -> Callable[..., Any]:
        def wrapper(path: Path, *args: Any, **how: Any) -> Any:
            if mode is None or mode in args:
                if len(self.touched) == self._lasts:
                    raise Crash
                self.touched.append(path)
            return function(path, *args, **how)

        return wrapper


def files_of(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("strategy", ["ada-segment", "pbt"])
def test_resume_after_a_crash_between_any_two_writes(tmp_path: Path, strategy: str) -> None:
    how = {"strategy": strategy, "rounds": 3}
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        whole = run(**how, out=tmp_path / "whole")
    touched = [path.relative_to(tmp_path / "whole") for path in disk.touched]
    files = files_of(tmp_path / "whole")
    # Nothing is written or removed past this: it would be a place at which no search below is cut off.
    assert len(touched) > 15
    assert files < set(touched)
    assert Path("checkpoints/round-00000.safetensors") in set(touched) - files
    for lasts, path in enumerate(touched):
        folder, place = tmp_path / str(lasts), f"cut off before {path}, the file touched as number {lasts}"
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, lasts)
            with pytest.raises(Crash):
                run(**how, out=folder)
        resumed = run(**how, out=folder, resume=True)
        assert without_times(resumed.journal) == without_times(whole.journal), place
        assert journal_of(folder) == journal_of(tmp_path / "whole"), place
        assert resumed.best_state["path"].tolist() == whole.best_state["path"].tolist(), place
        # What a checkpoint says of itself to people lies beside it and comes after it: it alone may be missing.
        about = {path} if path.match("checkpoints/*.json") else set()
        assert files_of(folder) in (files, files - about), place
        for name in {"schedule.json", "best.json", "controller.json"} & {str(file) for file in files}:
            assert (folder / name).read_text() == (tmp_path / "whole" / name).read_text(), place


@pytest.mark.parametrize("strategy", ALL)
def test_resume_after_an_interruption_in_a_member(tmp_path: Path, strategy: str) -> None:
    whole = run(strategy=strategy)
    with pytest.raises(KeyboardInterrupt):
        run(QuadraticMember(target=TARGET, fails={(2, 1): "interrupt"}), strategy=strategy, out=tmp_path / "run")
    resumed = run(strategy=strategy, out=tmp_path / "run", resume=True)
    assert without_times(resumed.journal) == without_times(whole.journal)
    assert resumed.schedule == whole.schedule


def test_resume_after_a_line_was_cut_and_a_checkpoint_damaged(tmp_path: Path) -> None:
    whole = run(out=tmp_path / "run")
    history, last = tmp_path / "run" / "history.jsonl", tmp_path / "run" / "checkpoints" / "round-00003.safetensors"
    history.write_bytes(history.read_bytes()[:-20])
    last.write_bytes(last.read_bytes()[:100])
    resumed = run(out=tmp_path / "run", resume=True)
    assert without_times(resumed.journal) == without_times(whole.journal) == journal_of(tmp_path / "run")


def test_resume_of_a_finished_run_trains_nothing(tmp_path: Path) -> None:
    whole = run(out=tmp_path / "run")
    member = QuadraticMember()
    again = run(member, out=tmp_path / "run", resume=True)
    assert member.seeds == []
    assert again.best_reward == whole.best_reward
    assert again.schedule == whole.schedule


def test_resume_of_a_finished_run_leaves_what_its_model_says_of_itself(tmp_path: Path) -> None:
    best = tmp_path / "run" / "best.safetensors"
    run(out=tmp_path / "run")
    save_state(best, load_state(best), about=read_about(best) | {"thresholds": {"score": 0.3}})
    run(out=tmp_path / "run", resume=True)
    assert read_about(best)["thresholds"] == {"score": 0.3}


@pytest.mark.parametrize("damaged", ["best.safetensors", "best.json"])
def test_a_best_state_that_is_damaged_is_written_again(tmp_path: Path, damaged: str) -> None:
    found = run(out=tmp_path / "run")
    path = tmp_path / "run" / damaged
    before = path.read_bytes()
    path.write_bytes(before[:-20])
    run(out=tmp_path / "run", resume=True)
    assert len(path.read_bytes()) == len(before)
    assert load_state(tmp_path / "run" / "best.safetensors")["path"].tolist() == found.best_state["path"].tolist()


def test_files_are_for_those_whom_the_user_lets_read_them(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run(out=tmp_path / "run", rounds=1)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert modes == {0o640}


def test_a_run_of_before_a_setting_was_known_goes_on(tmp_path: Path) -> None:
    """The setting is not set now, and it was not then; one that is set now is another search."""

    class Earlier(AdaSegment):
        def settings(self) -> dict[str, Any]:
            return {key: value for key, value in super().settings().items() if key not in ("learned", "spread")}

    out = tmp_path / "run"
    first = run(out=out, strategy=Earlier())
    again = run(out=out, strategy=AdaSegment(), resume=True)
    assert again.schedule == first.schedule
    with pytest.raises(RunError, match=r'settings = \{"spread": 0\.5\}, asked for is \{"spread": 0\.8\}'):
        run(out=out, strategy=AdaSegment(spread=0.8), resume=True)
    with pytest.raises(RunError, match="settings = "):
        run(out=out, strategy=AdaSegment(learned=str(out)), resume=True)


def test_resume_without_the_journal_says_so(tmp_path: Path) -> None:
    run(out=tmp_path / "run")
    (tmp_path / "run" / "history.jsonl").write_text("")
    with pytest.raises(RunError, match=r"history\.jsonl ends before round 3"):
        run(out=tmp_path / "run", resume=True)


def test_resume_without_checkpoints_does_not_overwrite_the_journal(tmp_path: Path) -> None:
    run(out=tmp_path / "run")
    text = (tmp_path / "run" / "history.jsonl").read_text()
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(RunError, match="no checkpoint"):
        run(out=tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "history.jsonl").read_text() == text


def test_a_run_of_one_round_is_not_trained_anew_where_its_checkpoints_were_deleted(tmp_path: Path) -> None:
    run(out=tmp_path / "run", rounds=1)
    best = (tmp_path / "run" / "best.safetensors").read_bytes()
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(RunError, match="no checkpoint"):
        run(out=tmp_path / "run", rounds=1, seed=7, resume=True)
    assert (tmp_path / "run" / "best.safetensors").read_bytes() == best


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (
            {"state_dict": lambda self: {"mean": np.ones(3)}},
            SearchError,
            "state of strategy pbt cannot be kept.*mean",
        ),
        (
            {"settings": lambda self: {"step": np.float32(1)}},
            ConfigError,
            "strategy pbt: its settings .* JSON",
        ),
        ({"settings": lambda self: {"step": math.nan}}, ConfigError, "strategy pbt: its settings .* JSON"),
    ],
)
def test_a_strategy_that_cannot_be_kept_is_refused_before_anything_is_trained(
    change: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    kind = type("Mine", (STRATEGIES["pbt"],), change)
    trained: list[int] = []

    class Counts(QuadraticMember):
        def train(self, weights: Any, *, round: int, seed: int) -> dict[str, float]:
            trained.append(round)
            return super().train(weights, round=round, seed=seed)

    member = Counts()
    with pytest.raises(error, match=said):
        search(lambda seed: member, losses=member.names, rounds=2, members=2, strategy=kind(), out=tmp_path / "run")
    assert not trained


# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ({"rounds": 0}, ConfigError, "rounds = 0"),
        ({"members": 1.5}, ConfigError, "members = 1.5"),
        ({"members": True}, ConfigError, "members = True"),
        ({"losses": ()}, ConfigError, "losses"),
        ({"losses": [0, 1]}, ConfigError, r"losses = \[0, 1\]"),
        ({"losses": ("a", "a")}, ConfigError, "a twice"),
        ({"defaults": {"mask": -1.0}}, LossError, "mask"),
        ({"defaults": {"mask": math.nan}}, LossError, "mask"),
        ({"defaults": {"mosk": 1.0}}, LossError, "mosk"),
        ({"groups": {"mask": "a"}}, LossError, "box, class"),
        ({"strategy": "ada-segmnt"}, ConfigError, "did you mean ada-segment"),
        ({"first_stp": 1.0}, ConfigError, "did you mean first_step"),
        ({"first_step": -1.0}, ConfigError, "first_step = -1.0"),
        ({"trust": 2.0}, ConfigError, "trust = 2.0"),
        ({"executor": "moon"}, ConfigError, "known: local"),
        ({"strategy": "default", "sigma": 1.0}, ConfigError, "sigma"),
        ({"strategy": Replay({"mask": 1.0})}, LossError, "missing: box, class"),
    ],
)
def test_unusable_arguments(how: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        run(**how)


def test_replay_and_transfer_run_on_the_same_engine(tmp_path: Path) -> None:
    found = run(out=tmp_path / "run", rounds=4)
    replayed = run(strategy=Replay.load(tmp_path / "run"), members=1, rounds=4, out=tmp_path / "replay")
    assert replayed.schedule == found.schedule
    controller = load_controller(tmp_path / "run")
    moved = run(strategy=Transfer(controller), members=1, rounds=6, out=tmp_path / "transfer")
    assert len(moved.schedule) == 6
    assert moved.schedule[0] == pytest.approx(controller.weights([], round=0, rounds=6))
    assert (tmp_path / "transfer" / "controller.safetensors").exists()
    with pytest.raises(RunError, match="settings"):
        run(strategy=Replay(dict.fromkeys(NAMES, 1.0)), members=1, rounds=4, out=tmp_path / "replay", resume=True)


class Own(Strategy):
    """All members at the defaults, and the first one goes on; `plan` and `verdict` say it otherwise."""

    name = "own"

    def __init__(self, *, plan: Any = None, verdict: Any = None) -> None:
        self._plan, self._verdict = plan, verdict

    def plan(self, round: int) -> Plan:
        return self._plan or Plan([dict(self.task.defaults)] * self.task.members)

    def judge(self, round: int, trials: Any) -> Verdict:
        return self._verdict or Verdict(best=0, parents=(0, 0))


def test_a_strategy_of_ones_own_searches(tmp_path: Path) -> None:
    weights = {name: np.float32(2) for name in NAMES}
    settings: dict[str, Any] = {"losses": list(NAMES), "members": 2, "strategy": Own(plan=Plan([weights, weights]))}
    search(lambda seed: QuadraticMember(), rounds=2, out=tmp_path / "run", **settings)
    result = search(lambda seed: QuadraticMember(), rounds=2, out=tmp_path / "run", resume=True, **settings)
    assert result.schedule == [dict.fromkeys(NAMES, 2.0)] * 2


ONES = dict.fromkeys(NAMES, 1.0)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"plan": Plan([ONES])}, "strategy own plans 1 sets of weights for 2 members"),
        ({"plan": Plan([ONES, {**ONES, NAMES[0]: -1.0}])}, rf"strategy own, round 1: weight -1.0 of {NAMES[0]} is not"),
        ({"plan": Plan([ONES, {NAMES[0]: 1.0}])}, "strategy own, round 1: its weights and the losses do not fit"),
        ({"plan": Plan([ONES, ONES], {"gap": np.float32(1)})}, "strategy own notes what a journal cannot hold"),
        ({"verdict": Verdict(best=0, parents=(0,))}, "strategy own names 1 parents for 2 members"),
        (
            {"verdict": Verdict(best=0, parents=(0, 2))},
            "own, round 1: member 2 made no trial; choose among 0, 1",
        ),
        (
            {"verdict": Verdict(best=0, parents=(0, 0), notes={"x": {1}})},
            "strategy own notes what a journal cannot hold",
        ),
    ],
)
def test_a_strategy_of_ones_own_that_does_not_fit_is_named(said: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=says):
        search(
            lambda seed: QuadraticMember(),
            losses=list(NAMES),
            rounds=2,
            members=2,
            strategy=Own(**said),
            out=tmp_path / "run",
        )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Transfer("runs/x"), "'runs/x' is no controller; load_controller reads"),  # type: ignore[arg-type]
        (lambda: Replay("runs/x"), "runs/x is a path, no schedule; Replay.load reads it"),  # type: ignore[arg-type]
    ],
)
def test_a_path_in_place_of_what_it_holds_says_what_reads_it(make: Callable[[], Strategy], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make()


def test_groups_may_be_named_by_anything() -> None:
    task = make_task(NAMES, 2, 2, defaults=None, groups={"mask": 1, "box": "b", "class": 1}, seed=0)  # type: ignore[dict-item]
    assert task.groups == {"mask": "1", "box": "b", "class": "1"}
