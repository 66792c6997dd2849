"""Nights with faults: searches and workers that are killed, members that go wrong, disks that are full, Ctrl-C."""

import contextlib
import errno
import mmap
import multiprocessing
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journals import journal_of, without_times
from toy_members import NAMES
from worker_members import Says, Toys, killing

from ada_segment.errors import RunError, SearchError
from ada_segment.population.executors import ExecutorSettings, processes
from ada_segment.population.interruption import Interruption
from ada_segment.population.run_folder import RunFolder
from ada_segment.population.search import SearchResult, _job_seed, search
from ada_segment.storage import load_state, write_text, write_whole

TESTS = Path(__file__).parent


def run(make: Any = None, **how: Any) -> SearchResult:
    return search(make or Toys(state=500), **{"losses": NAMES, "rounds": 4, "members": 4, **how})


# -- the search is killed ----------------------------------------------------------------------------------------------

KILLS = 20
DOING = ("training", "writing", "removing", "between")


class Watched:
    """Two numbers that a forked child leaves for its parent: steps done, and what it is at."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def step(self, doing: str) -> None:
        self._memory[:16] = struct.pack("qq", self.steps + 1, DOING.index(doing))

    def reset(self) -> None:
        self._memory[:16] = struct.pack("qq", 0, 0)

    @property
    def steps(self) -> int:
        steps: int = struct.unpack("qq", self._memory[:16])[0]
        return steps

    @property
    def doing(self) -> str:
        return DOING[struct.unpack("qq", self._memory[:16])[1]]


def searching(watched: Watched, out: Path) -> None:
    """A child's life: the search, telling of each training and of each access to the disk before it is done."""

    def told(function: Callable[..., Any], doing: str) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:
            watched.step(doing)
            result = function(*args, **more)
            watched.step("between")
            return result

        return wrapper

    class Told:
        def __init__(self, seed: int) -> None:
            self._toy = Toys(state=500, seconds=0.002)(seed)
            self.evaluate, self.state_dict = self._toy.evaluate, self._toy.state_dict
            self.load_state_dict = self._toy.load_state_dict
            self.train = told(self._toy.train, "training")

    os.fsync = told(os.fsync, "writing")
    Path.replace = told(Path.replace, "writing")  # type: ignore[method-assign]
    Path.write_text = told(Path.write_text, "writing")  # type: ignore[method-assign]
    Path.unlink = told(Path.unlink, "removing")  # type: ignore[method-assign]
    run(Told, out=out, resume=True, rounds=ROUNDS, checkpoint_minutes=0)


ROUNDS = 12


@pytest.mark.parametrize("last", range(1, 9))
def test_what_a_kill_leaves_of_a_removal_is_removed_later(
    last: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each checkpoint is two files; the search ends after the removal of any one of them."""
    run(out=tmp_path / "whole", checkpoint_minutes=0)
    unlink, count = Path.unlink, 0

    def then_ends(path: Path, **how: Any) -> None:
        nonlocal count
        unlink(path, **how)
        count += 1
        if count == last:
            raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", then_ends)
        with pytest.raises(SystemExit):
            run(out=tmp_path / "run", checkpoint_minutes=0)
    run(out=tmp_path / "run", checkpoint_minutes=0, resume=True)
    kept, whole = (
        sorted(path.name for path in (tmp_path / name / "checkpoints").iterdir()) for name in ("run", "whole")
    )
    assert kept == whole


def test_what_a_kill_leaves_of_a_writing_is_removed_later_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(out=folder, rounds=2)
    ours = [
        ".history.jsonl.0a1b2c3d",
        ".best.safetensors.a_zmkst8",
        ".config.yaml.00000000",
        "checkpoints/.round-00001.safetensors.0a1b2c3d",
        "checkpoints/.part-00001-0-00002.json.0a1b2c3d",
    ]
    others = [
        ".best.safetensors.swp",
        ".report.html.0a1b2c3d",
        ".gitignore",
        "best.safetensors.0a1b2c3d",
        "checkpoints/.nfs000000000a1b2c3d",
        "checkpoints/.round-00001.safetensors.0a1b2c3d4",
    ]
    for name in ours + others:
        (folder / name).write_text("part of it")
    ours.append("checkpoints/.round-00001.safetensors.a_zmkst8")
    (folder / ours[-1]).mkdir()
    (folder / ours[-1] / ".tmpAbC012").write_text("part of it")
    run(out=folder, rounds=2, resume=True)
    assert [name for name in ours + others if (folder / name).exists()] == others


KILLED_WRITING = """
import resource, signal, sys
from pathlib import Path
from toy_members import NAMES
from worker_members import Says, Toys
from ada_segment import search

class Kills(Says):
    def round_finished(self, record):
        if record["round"] == 1:  # the system kills it in the middle of the next large file
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

search(Toys(state=50_000), losses=NAMES, rounds=4, members=4, out=Path(sys.argv[1]), observer=Kills())
"""


def test_a_kill_while_a_large_state_is_written_leaves_nothing_for_ever(tmp_path: Path) -> None:
    whole = run(Toys(state=50_000), out=tmp_path / "whole")
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}  # as the tests have
    ended = subprocess.run([sys.executable, "-c", KILLED_WRITING, str(tmp_path / "run")], env=environment, check=False)
    assert ended.returncode == -signal.SIGXFSZ
    assert len(list((tmp_path / "run" / "checkpoints").glob(".*/*"))) == 1  # what the library was writing
    resumed = run(Toys(state=50_000), out=tmp_path / "run", resume=True)
    assert without_times(resumed.journal) == without_times(whole.journal)
    names, others = (sorted(p.relative_to(tmp_path / n) for p in (tmp_path / n).rglob("*")) for n in ("run", "whole"))
    assert names == others


def test_what_a_kill_leaves_before_the_first_round_does_not_stop_the_next_start(tmp_path: Path) -> None:
    for name in (".config.yaml.0a1b2c3d", ".history.jsonl.0a1b2c3d"):
        (tmp_path / name).write_text("part of it")
    run(out=tmp_path, rounds=1)
    assert not list(tmp_path.glob(".*"))


# Python 3.12 warns of forks beside threads; the child uses none of them.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_search_killed_at_random_moments_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """SIGKILL from outside, twenty times: in rounds, between them and while checkpoints are written."""
    whole = run(Toys(state=500), rounds=ROUNDS, out=tmp_path / "whole")
    watched, chance, hit = Watched(), random.Random(6), []
    while len(hit) < KILLS:
        watched.reset()
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                searching(watched, tmp_path / "run")
            os._exit(0)
        steps = chance.randrange(1, 60)
        wanted = chance.choice([("training",), ("writing", "removing"), DOING])
        end = time.monotonic() + 60
        while watched.steps < steps or watched.doing not in wanted:
            assert time.monotonic() < end
            if os.waitpid(child, os.WNOHANG)[0]:
                pytest.fail(f"the search was over after {len(hit)} kills; it was not killed often enough")
        time.sleep(chance.random() * 0.002)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        hit.append(watched.doing)
    assert {"training", "writing"} <= set(hit)
    resumed = run(Toys(state=500), rounds=ROUNDS, out=tmp_path / "run", resume=True)
    assert without_times(resumed.journal) == without_times(whole.journal)
    assert journal_of(tmp_path / "run") == journal_of(tmp_path / "whole")
    for name in ("schedule.json", "best.json", "controller.json"):
        assert (tmp_path / "run" / name).read_text() == (tmp_path / "whole" / name).read_text()
    best = load_state(tmp_path / "run" / "best.safetensors")
    assert best["matrix"].tolist() == whole.best_state["matrix"].tolist()
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == sorted(path.name for path in (tmp_path / "whole" / "checkpoints").iterdir())


# -- workers are killed ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_workers_killed_at_random_moments_change_nothing(tmp_path: Path) -> None:
    how = {"rounds": 16, "strategy": "pbt"}
    whole = run(**how)
    over, killed, said = threading.Event(), [], Says()

    def workers() -> list[int]:
        """Those that have made their member."""
        return [int(mark.stem) for mark in tmp_path.glob("*.pid")]

    killer = threading.Thread(target=lambda: killed.extend(killing(workers, 10, 4, over)))
    killer.start()
    settings = ExecutorSettings(kind="processes", workers=2, restarts=20)
    try:
        found = run(Toys(state=500, seconds=0.15, folder=tmp_path), executor=settings, observer=said, **how)
    finally:
        over.set()
        killer.join()
    assert len(killed) == 10
    assert len([text for text in said.texts if "SIGKILL" in text]) == 10
    assert len([text for text in said.texts if "which is repeated" in text]) > 5
    assert without_times(found.journal) == without_times(whole.journal)
    assert multiprocessing.active_children() == []


# -- members go wrong --------------------------------------------------------------------------------------------------


def seed_of(round: int, member: int) -> int:
    return _job_seed(0, round, 0, member)


def test_whatever_a_member_does_costs_that_member_alone(tmp_path: Path) -> None:
    """Five kinds of failure in one search by two workers; the others and all later rounds are as ever."""
    planted = {
        seed_of(1, 0): "nan",
        seed_of(1, 3): "hang",
        seed_of(2, 1): "memory",
        seed_of(2, 2): "exit",
        seed_of(3, 0): "raise",
        seed_of(3, 1): "kill once",
    }
    settings = ExecutorSettings(kind="processes", workers=2, time_limit=5.0, restarts=1)
    said = Says()
    toys = Toys(state=500, planted=planted, folder=tmp_path)
    found = run(toys, executor=settings, strategy="select-only", out=tmp_path / "run", observer=said)
    failed = {
        (record["round"], k): member["status"].removeprefix("failed: ")
        for record in found.journal
        for k, member in enumerate(record["members"])
        if member["status"] != "ok"
    }
    assert failed == {
        (1, 0): "not finite: mask = nan",
        (1, 3): "TimeLimit: took longer than time_limit = 5 s",
        (2, 1): "MemoryError: no room for 3 GiB",
        (2, 2): "WorkerLost: 2 workers were lost in training it; the last: ended with exit status 3",
        (3, 0): "ValueError: the loader found a broken picture",
    }
    assert any("member 1 in round 3, which is repeated" in text for text in said.texts)
    assert found.journal[3]["members"][1]["status"] == "ok"
    assert load_state(tmp_path / "run" / "best.safetensors")["matrix"].tolist() == found.best_state["matrix"].tolist()
    # A failure is the same in this process; and where nothing goes wrong, the numbers are as if nothing ever did.
    here = {seed: how for seed, how in planted.items() if how in ("nan", "memory", "raise")}
    alone = run(Toys(state=500, planted=here), strategy="select-only")
    assert {(r, k): alone.journal[r]["members"][k]["status"] for r, k in ((1, 0), (2, 1), (3, 0))} == {
        (r, k): found.journal[r]["members"][k]["status"] for r, k in ((1, 0), (2, 1), (3, 0))
    }
    plain = run(strategy="select-only")
    assert without_times(found.journal[0]) == without_times(plain.journal[0])
    assert without_times(found.journal[1]["members"][1]) == without_times(plain.journal[1]["members"][1])


def test_all_members_failing_ends_with_the_best_so_far_on_the_disk(tmp_path: Path) -> None:
    planted = {
        seed: "memory" for member in range(2) for attempt in (0, 1) for seed in [_job_seed(0, 2, attempt, member)]
    }
    with pytest.raises(SearchError, match=r"all 2 members of round 3 failed.*no room for 3 GiB.*can be resumed"):
        run(Toys(planted=planted), members=2, strategy="select-only", out=tmp_path / "run")
    assert len(journal_of(tmp_path / "run")) == 2
    assert load_state(tmp_path / "run" / "best.safetensors")["path"].shape[1] == 3
    at_once = {
        seed: "memory" for member in range(2) for attempt in (0, 1) for seed in [_job_seed(0, 0, attempt, member)]
    }
    with pytest.raises(SearchError, match="of round 1 failed") as caught:
        run(Toys(planted=at_once), members=2, strategy="select-only", out=tmp_path / "none")
    assert "resumed" not in str(caught.value)


# -- the disk ----------------------------------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    """One bit of the tensors, which are at the end."""
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncated, flipped, emptied])
def test_a_damaged_checkpoint_is_left_out_and_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    whole = run(out=tmp_path / "run")
    damage(tmp_path / "run" / "checkpoints" / "round-00003.safetensors")
    said = Says()
    resumed = run(out=tmp_path / "run", resume=True, observer=said)
    assert without_times(resumed.journal) == without_times(whole.journal) == journal_of(tmp_path / "run")
    assert said.texts[0].startswith("checkpoint round-00003.safetensors is not whole and was left out")
    assert said.texts[1] == "the journal's lines after round 3 (4) have no whole checkpoint, left out"
    assert said.texts[2] == "going on with round 4 of 4"


def test_when_all_checkpoints_are_damaged_nothing_is_thrown_away(tmp_path: Path) -> None:
    run(out=tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").glob("*.safetensors"):
        flipped(path)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=r"round-0000\d\.safetensors is damaged"):
        run(out=tmp_path / "run", resume=True)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_damaged_parts_of_a_round_are_trained_again(tmp_path: Path) -> None:
    class Stops(Says):
        def member_finished(self, round: int, index: int, record: Any) -> None:
            if (round, index) == (1, 2):
                raise KeyboardInterrupt

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path / "run", observer=Stops())
    parts = sorted((tmp_path / "run" / "checkpoints").glob("part-*.safetensors"))
    assert [path.name for path in parts] == [f"part-00001-0-0000{k}.safetensors" for k in range(3)]
    truncated(parts[1])
    said = Says()
    resumed = run(out=tmp_path / "run", resume=True, observer=said)
    assert said.texts[0].startswith("part-00001-0-00001.safetensors is not whole")
    assert said.texts[1] == "going on with round 2 of 4, 2 of its members are done already"
    assert without_times(resumed.journal) == without_times(whole.journal)
    assert not list((tmp_path / "run" / "checkpoints").glob("part-*"))


def test_what_ends_a_search_does_not_cost_the_members_that_have_ended(tmp_path: Path) -> None:
    class Fails(Says):
        def member_finished(self, round: int, k: int, *_: Any) -> None:
            if (round, k) == (1, 2):
                raise SystemExit("the display is gone")

    with pytest.raises(SystemExit):
        run(out=tmp_path / "run", observer=Fails())
    said = Says()
    resumed = run(out=tmp_path / "run", resume=True, observer=said)
    assert said.texts == ["going on with round 2 of 4, 3 of its members are done already"]
    assert without_times(resumed.journal) == without_times(run().journal)


def test_parts_are_written_within_a_round_when_that_is_asked_for(tmp_path: Path) -> None:
    seen: dict[float | None, list[int]] = {}
    for minutes in (0, None, 1000):
        out, counts = tmp_path / str(minutes), []

        class Counts(Says):
            def member_finished(self, *_: Any, out: Path = out, counts: list[int] = counts) -> None:
                counts.append(len(list((out / "checkpoints").glob("part-*.safetensors"))))

        run(out=out, rounds=2, observer=Counts(), checkpoint_minutes=minutes)
        seen[minutes] = counts
    assert seen == {0: [1, 2, 3, 4, 1, 2, 3, 4], None: [0] * 8, 1000: [0] * 8}


FULL = """
import resource, sys
from pathlib import Path
from toy_members import NAMES
from worker_members import Says, Toys
from ada_segment import search
from ada_segment.errors import RunError

class Fills(Says):
    def round_finished(self, record):
        if record["round"] == 1:  # as a full disk does, this refuses to write more
            resource.setrlimit(resource.RLIMIT_FSIZE, (@LIMIT@, resource.RLIM_INFINITY))

try:
    search(Toys(state=500), losses=NAMES, rounds=4, members=4, out=Path(sys.argv[1]), observer=Fills())
except RunError as error:
    print(error)
"""


@pytest.mark.parametrize("size", [0, 5000])
def test_a_full_disk_is_a_clear_error_and_leaves_the_last_checkpoint(tmp_path: Path, size: int) -> None:
    """At once, and when there is room for the journal's line but not for the checkpoint."""
    whole = run()
    ran = subprocess.run(
        [sys.executable, "-c", FULL.replace("@LIMIT@", str(size)), str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "File too large" in ran.stdout
    assert ran.stdout.startswith(str(tmp_path / "run" / ("checkpoints/round-00002" if size else "history.jsonl")))
    assert "go on with resume" in ran.stdout
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").glob("round-*"))
    assert names == [f"round-0000{k}.{end}" for k in range(2) for end in ("json", "safetensors")]
    resumed = run(out=tmp_path / "run", resume=True)
    assert without_times(resumed.journal) == without_times(whole.journal)


def test_a_full_place_for_temporary_files_is_no_failure_of_a_member(tmp_path: Path) -> None:
    """A controller that took it for one would learn from a full disk."""
    whole, out = run(), tmp_path / "run"
    with pytest.raises(SearchError, match=r"cannot hand states over \(OSError.*File too large.*TMPDIR.*--resume"):
        run(Toys(state=500, planted={seed_of(1, 0): "full"}), executor="processes", workers=2, out=out)
    assert len(journal_of(out)) == 1
    assert multiprocessing.active_children() == []
    resumed = run(out=out, resume=True)
    assert without_times(resumed.journal) == without_times(whole.journal)


def test_a_full_place_for_temporary_files_is_said_by_the_search_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed search hands out states that no worker has written."""
    out = tmp_path / "run"
    with pytest.raises(SearchError, match="all 4 members"):
        run(Toys(state=500, planted={_job_seed(0, 1, a, k): "raise" for a in (0, 1) for k in range(4)}), out=out)

    def full(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(processes, "save_state", full)
    with pytest.raises(SearchError, match=r"states cannot be handed to workers \(OSError.*No space.*TMPDIR"):
        run(executor="processes", workers=2, out=out, resume=True)
    assert multiprocessing.active_children() == []


def test_a_folder_without_write_permission_is_a_clear_error(tmp_path: Path) -> None:
    if os.getuid() != 0:
        tmp_path.chmod(0o500)
    place = Path("/sys/run") if os.getuid() == 0 else tmp_path / "run"  # not even root may write there
    with pytest.raises(RunError, match=r"(not permitted|denied|Read-only).*make .* writable"):
        run(out=place, rounds=1)


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_written_is_named_as_it_was_asked_for(tmp_path: Path) -> None:
    folder, long = tmp_path / "taken", tmp_path / ("long" * 100)
    folder.mkdir()
    for path in (folder, long):
        with pytest.raises(OSError, match=re.escape(f"'{path}'")):
            write_text(path, "a file that cannot be")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError("cannot be drawn")])
def test_a_full_disk_names_the_file_too(tmp_path: Path, error: OSError) -> None:
    def write(temporary: Path) -> None:
        raise error

    with pytest.raises(OSError, match=r"(No space|cannot be drawn)") as caught:
        write_whole(tmp_path / "report.html", write)
    assert (caught.value.filename, caught.value.errno) == (str(tmp_path / "report.html"), error.errno or 0)
    assert list(tmp_path.iterdir()) == []


def test_the_first_interruption_waits_for_what_is_being_written_the_second_does_not() -> None:
    done = []

    def once() -> None:
        with Interruption() as interruption:
            with interruption.whole():
                signal.raise_signal(signal.SIGINT)
                done.append("written")
            done.append("not reached")

    def twice() -> None:
        with Interruption() as interruption, interruption.whole():
            signal.raise_signal(signal.SIGINT)
            done.append("still here")
            signal.raise_signal(signal.SIGINT)
            done.append("not reached")

    for interrupted in (once, twice):
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    assert done == ["written", "still here"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_s_own_handler_is_left_alone() -> None:
    got = []
    before = signal.signal(signal.SIGINT, lambda *_: got.append("mine"))
    try:
        with Interruption():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert got == ["mine"]


CTRL_C = """
import sys, time
from pathlib import Path
from toy_members import NAMES
from worker_members import Says, Toys
from ada_segment import search

class Tells(Says):
    def member_finished(self, round, index, record):
        if (round, index) == (1, 0):
            Path(sys.argv[1], "..", "now").touch()

if __name__ == "__main__":
    search(Toys(state=500, seconds=float(sys.argv[2])), losses=NAMES, rounds=4, members=4, out=Path(sys.argv[1]),
           executor=sys.argv[3], observer=Tells())
"""


def interrupted(tmp_path: Path, executor: str, seconds: float, ready: Callable[[int], bool]) -> str:
    """What a search prints of errors that gets Ctrl-C, as a terminal sends it, to every process of the group."""
    script = tmp_path / "script.py"
    script.write_text(CTRL_C)
    place = tmp_path / "place"
    place.mkdir()
    started = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "run"), str(seconds), executor],
        env={**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(place)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 120
        while not ready(started.pid):
            assert time.monotonic() < end
            assert started.poll() is None
            time.sleep(0.01)
        os.killpg(started.pid, signal.SIGINT)
        _, error = started.communicate(timeout=60)
    finally:
        started.kill()
    assert list(place.iterdir()) == []
    return error


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not show the children of a process")
def test_ctrl_c_while_workers_start_is_told_by_the_search_alone(tmp_path: Path) -> None:
    def starting(pid: int) -> bool:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return any(b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)

    error = interrupted(tmp_path, "processes", 0.8, starting)
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert error.count("Traceback") == 1, error


@pytest.mark.parametrize(("executor", "seconds"), [("local", 0.3), ("processes", 0.8)])
def test_ctrl_c_leaves_a_state_to_go_on_from(tmp_path: Path, executor: str, seconds: float) -> None:
    whole = run()
    error = interrupted(tmp_path, executor, seconds, lambda _: (tmp_path / "now").exists())
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert error.count("Traceback") == 1, error
    said = Says()
    resumed = run(out=tmp_path / "run", resume=True, observer=said)
    assert said.texts[0].startswith("going on with round 2 of 4, ")
    assert said.texts[0].endswith("of its members are done already")
    assert without_times(resumed.journal) == without_times(whole.journal)


# -- two searches in one folder ----------------------------------------------------------------------------------------


def test_a_folder_in_use_is_refused_until_its_search_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = (
        "import sys, time; from pathlib import Path; from toy_members import NAMES; from worker_members import Toys\n"
        "from ada_segment.population.observer import Silent; from ada_segment.population.search import search\n"
        "class Waits(Silent):\n"
        "    def round_finished(self, record):\n"
        "        print('waiting', flush=True); sys.stdin.read()\n"
        f"search(Toys(state=5), losses=NAMES, rounds=4, members=2, out={str(folder)!r}, observer=Waits())"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
        before = (folder / "history.jsonl").read_bytes()
        with pytest.raises(RunError, match="in use by another process"):
            run(Toys(state=5), members=2, out=folder, resume=True)
        assert (folder / "history.jsonl").read_bytes() == before
    finally:
        other.kill()
        other.communicate()
    resumed = run(Toys(state=5), members=2, out=folder, resume=True)
    assert [record["round"] for record in resumed.journal] == [0, 1, 2, 3]
    # And within one process a search that failed leaves the folder free.
    assert run(Toys(state=5), members=2, out=folder, resume=True).best_reward == resumed.best_reward


def test_a_folder_is_in_use_from_before_a_member_is_made(tmp_path: Path) -> None:
    def make(seed: int) -> Any:
        with pytest.raises(RunError, match="in use by another process"):
            run(Toys(state=5), out=tmp_path / "run", seed=1)
        return Toys(state=5)(seed)

    whole = run(make, out=tmp_path / "run")
    assert journal_of(tmp_path / "run") == without_times(whole.journal)


@pytest.mark.parametrize("removed", [False, True], ids=["renamed", "removed"])
def test_a_folder_that_is_taken_away_is_not_made_again(tmp_path: Path, removed: bool) -> None:
    """Half of a run in each of two folders would be no run in either."""

    class Takes(Says):
        def round_finished(self, record: Any) -> None:
            if record["round"] == 1:
                shutil.rmtree(tmp_path / "run") if removed else (tmp_path / "run").rename(tmp_path / "kept")

    with pytest.raises(RunError, match=r"run is no longer the folder that this search writes to.*--resume"):
        run(out=tmp_path / "run", observer=Takes())
    assert not (tmp_path / "run").exists()
    if not removed:
        resumed = run(out=tmp_path / "kept", resume=True)
        assert without_times(resumed.journal) == without_times(run().journal)


def test_a_folder_that_is_replaced_is_somebody_else_s(tmp_path: Path) -> None:
    class Replaces(Says):
        def round_finished(self, record: Any) -> None:
            (tmp_path / "run").rename(tmp_path / "kept")
            (tmp_path / "run").mkdir()

    with pytest.raises(RunError, match="run is no longer the folder"):
        run(out=tmp_path / "run", observer=Replaces())
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("resume", [False, True])
def test_what_another_search_has_written_since_a_folder_was_looked_at_stays(tmp_path: Path, resume: bool) -> None:
    folder = RunFolder(tmp_path / "run", identity={"seed": 1}, resume=resume)
    run(Toys(state=5), out=tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="seed" if resume else "exists already"), folder.claimed():
        folder.begin(None, None)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


# Python 3.12 warns of forks beside threads; the child uses none of them.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_helpers_that_outlive_a_search_do_not_keep_its_folder(tmp_path: Path) -> None:
    """As the processes of a loader do, when they stay for the next epoch."""
    helpers = []

    class Helped(Says):
        def round_started(self, *_: Any) -> None:
            helpers.append(multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,)))
            helpers[-1].start()

    try:
        whole = run(Toys(state=5), rounds=1, out=tmp_path / "run", observer=Helped())
        assert run(Toys(state=5), rounds=1, out=tmp_path / "run", resume=True).schedule == whole.schedule
    finally:
        for helper in helpers:
            helper.kill()
            helper.join()
