"""Executors: the same numbers wherever members train; states sent once; nothing left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import shared_memory
import torch
from journals import without_times
from small_runs import small
from toy_members import NAMES, QuadraticMember
from worker_members import Crowded, Says, Toys, broken, deadly

from ada_segment.errors import ConfigError, DataError, RunError, SearchError
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.claim import claimed
from ada_segment.population.executors import ExecutorSettings, pool, processes
from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.executors.pool import Done, Event, Ready, Unfit, _cannot_make
from ada_segment.population.executors.private_folder import PrivateFolder
from ada_segment.population.executors.processes import PREFIX
from ada_segment.population.interruption import without_ctrl_c
from ada_segment.population.search import SearchResult, search
from ada_segment.runs.member_factory import MemberFactory
from ada_segment.runs.places import place_of
from ada_segment.runs.settings_file import check_same, write_settings
from ada_segment.storage import load_state

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a place for temporary files of its own, and leaves nothing in it, no process, no shared memory."""
    before = shared_memory.entries()
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield
    assert multiprocessing.active_children() == []
    assert list(place.iterdir()) == []
    assert shared_memory.left_behind(before) == set()


@pytest.mark.skipif(not shared_memory.PLACE.is_dir(), reason="the system does not show its shared memory")
def test_shared_memory_that_is_left_is_seen(tmp_path: Path) -> None:
    before = shared_memory.entries()
    entry = shared_memory.PLACE / f"ada-segment-test-{os.getpid()}"
    entry.write_bytes(b"left")
    try:
        assert entry in shared_memory.left_behind(before, seconds=0)
    finally:
        entry.unlink()


def run(make: Any = None, **how: Any) -> SearchResult:
    how = {"losses": NAMES, "rounds": 3, "members": 4, **how}
    return search(make or Toys(state=1000), **how)


def in_two(make: Any = None, **how: Any) -> SearchResult:
    return run(make, executor="processes", workers=2, **how)


def saves(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The states that the search itself writes for its workers."""
    written: list[Path] = []
    save = processes.save_state

    def counted(path: Path, *rest: Any, **more: Any) -> None:
        written.append(path)
        save(path, *rest, **more)

    monkeypatch.setattr(processes, "save_state", counted)
    return written


@pytest.mark.parametrize("how", [{}, {"strategy": "pbt", "members": 5}], ids=["broadcast", "own states"])
def test_toys_agree_bit_for_bit(how: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    written = saves(monkeypatch)
    here, there = run(**how), in_two(**how)
    assert without_times(there.journal) == without_times(here.journal)
    assert torch.equal(there.best_state["matrix"], here.best_state["matrix"])
    assert there.best_state["path"].tolist() == here.best_state["path"].tolist()
    # All states came from workers, the first one too, and are handed on in the files that these have written.
    assert written == []


def test_scenes_agree_bit_for_bit() -> None:
    """With a member more than workers, and states that others have trained."""
    settings = small(data__scenes_train=12)
    losses = loss_table(settings.model)
    how = {"losses": list(losses.defaults), "defaults": losses.defaults, "rounds": 2, "members": 3}
    journals = []
    for executor in (ExecutorSettings(threads=1), ExecutorSettings(kind="processes", workers=2)):
        journals.append(without_times(run(MemberFactory(settings), executor=executor, **how).journal))
    assert journals[0] == journals[1]
    assert len(journals[0]) == 2
    assert len({member["losses"]["loss_mask"] for record in journals[0] for member in record["members"]}) == 6


def test_what_cannot_be_sent_is_refused_and_said() -> None:
    with pytest.raises(ConfigError, match=r"lambda.*cannot be sent to a worker process.*top of a module"):
        in_two(lambda seed: QuadraticMember())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not show the mask of a process")
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_waits_until_a_process_has_started_and_does_not_reach_it(threads: int) -> None:
    """Whichever thread of the program the system tells of it."""
    other = threading.Event()
    if threads == 2:
        threading.Thread(target=other.wait, daemon=True).start()
    done = []

    def starting() -> None:
        with without_ctrl_c():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            started = subprocess.run(
                ["grep", "SigBlk", "/proc/self/status"], capture_output=True, text=True, check=True
            )
            done.append(int(started.stdout.split()[1], 16) >> (signal.SIGINT - 1) & 1)

    with pytest.raises(KeyboardInterrupt):
        starting()
    other.set()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_crew_that_is_stopped_while_it_starts_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(process: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_two()


def test_an_error_in_making_a_member_comes_back() -> None:
    with pytest.raises(SearchError, match="cannot make its member: FileNotFoundError: there are no pictures") as caught:
        run(broken, executor="processes", workers=1)
    assert "worker_members.py" in str(caught.value.__cause__)


def test_a_worker_that_cannot_make_its_member_again_is_started_once_more(tmp_path: Path) -> None:
    said = Says()
    found = run(Crowded(tmp_path), executor="processes", workers=1, observer=said)
    assert without_times(found.journal) == without_times(run(Toys()).journal)
    assert [text.count("could not make its member: MemoryError: no room yet") for text in said.texts].count(1) == 1


def test_our_own_errors_come_back_as_what_they_are() -> None:
    error = _cannot_make(Unfit(0, "DataError", "no pictures; name a folder", "the traceback"))
    assert type(error) is DataError
    assert str(error) == "no pictures; name a folder"
    assert str(error.__cause__) == "the traceback"


def test_workers_that_cannot_live_end_the_search() -> None:
    settings = ExecutorSettings(kind="processes", workers=1, restarts=1)
    with pytest.raises(SearchError, match=r"lost 2 times before it had made its member.*exit status 7"):
        run(deadly, executor=settings)


class NoRoom:
    """A crew of which only some places can be filled; every wait takes a minute, after which each job is done."""

    def __init__(self, size: int, room: set[int]) -> None:
        self.size, self.room = size, room
        self.now, self.events, self.waiting = 0.0, list[Event](), set[int]()

    def monotonic(self) -> float:
        return self.now

    def start(self, place: int) -> None:
        if place in self.room:
            self.events.append(Ready(place))
        else:
            self.waiting.add(place)

    def publish(self, states: Any) -> None: ...

    def give(self, place: int, job: Any) -> None:
        self.events.append(Done(place, Outcome(index=job.index if job else 0, state={})))

    def wait(self, seconds: float | None) -> list[Event]:
        self.now += 60
        events, self.events = self.events, []
        return events

    def stop(self, place: int) -> None:
        self.waiting.discard(place)

    def close(self) -> None: ...


def in_pool(crew: NoRoom, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a pool says in the course of forty rounds."""
    monkeypatch.setattr(pool, "time", crew)
    said: list[str] = []
    made = pool.Pool(crew, settings=ExecutorSettings(kind="ray", time_limit=100, restarts=3), say=said.append)
    made.initial_state()
    for round in range(40):
        jobs = [Job(index=k, round=round, seed=0, weights={}, state={}) for k in range(3)]
        assert all(outcome.failure is None for outcome in made.run(jobs, lambda outcome: None))
    return said


class Timed(NoRoom):
    """Jobs take as many seconds as their seed says; a wait tells of one that has ended, and ends with it."""

    def __init__(self) -> None:
        super().__init__(2, {0, 1})
        self.ends: dict[int, tuple[float, Outcome]] = {}

    def give(self, place: int, job: Any) -> None:
        index, seconds = (0, 0) if job is None else (job.index, job.seed)
        self.ends[place] = (self.now + seconds, Outcome(index=index, state={}))

    def wait(self, seconds: float | None) -> list[Event]:
        if self.events:
            return [self.events.pop(0)]
        assert seconds is not None
        place = min(self.ends, key=lambda place: self.ends[place][0])
        end, outcome = self.ends[place]
        if end > self.now + seconds:
            self.now += seconds
            return []
        self.now = max(self.now, end)
        del self.ends[place]
        return [Done(place, outcome)]


@pytest.mark.parametrize(("seconds", "failed"), [((1, 2), [False, False]), ((1, 5), [False, True])])
def test_a_member_that_has_ended_in_time_counts_however_long_another_is_written(
    seconds: tuple[int, int], failed: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Timed()
    monkeypatch.setattr(pool, "time", crew)

    def written(outcome: Outcome) -> None:
        crew.now += 3  # a slow disk

    made = pool.Pool(crew, settings=ExecutorSettings(kind="processes", time_limit=3), say=lambda text: None)
    made.initial_state()
    crew.now = 0.0
    jobs = [Job(index=k, round=0, seed=seconds[k], weights={}, state={}) for k in range(2)]
    assert [outcome.failure is not None for outcome in made.run(jobs, written)] == failed


def test_a_place_without_room_is_given_up_where_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = NoRoom(3, {1})
    said = in_pool(crew, monkeypatch)
    assert [text.endswith("it is started again") for text in said].count(True) == 2 * 3
    for place in (0, 2):
        text = f"worker {place} was lost 4 times before it had made its member (it took too long to start); "
        assert said.count(f"{text}the others go on without it") == 1
    assert crew.waiting == set()


def test_a_search_ends_where_there_is_no_room_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SearchError, match=r"lost 4 times before it had made its member.*took too long to start"):
        in_pool(NoRoom(2, set()), monkeypatch)


def test_workers_end_when_the_search_is_killed(tmp_path: Path) -> None:
    """They remove the private folder, too."""
    pids, place = tmp_path / "pids", tmp_path / "place"
    pids.mkdir()
    place.mkdir()
    code = (
        "from pathlib import Path\nfrom worker_members import Toys\nfrom ada_segment import search\n"
        f"if __name__ == '__main__':\n    search(Toys(seconds=100, folder=Path({str(pids)!r})), losses=['mask', 'box', "
        "'class'], rounds=1, members=2, executor='processes', workers=2)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(place)}
    started = subprocess.Popen([sys.executable, str(script)], env=environment)
    try:
        wait_until(lambda: len(list(pids.iterdir())) == 2)
        assert len(list(place.glob(f"{PREFIX}*"))) == 1
    finally:
        started.kill()
        started.wait()
    wait_until(lambda: not any(Path(f"/proc/{file.stem}").exists() for file in pids.iterdir()))
    wait_until(lambda: not list(place.glob(f"{PREFIX}*")))


def wait_until(holds: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


def test_private_folders_of_killed_processes_are_removed_and_no_others(tmp_path: Path) -> None:
    mine = PrivateFolder("one-", place=tmp_path)
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from ada_segment.population.executors.private_folder import PrivateFolder\n"
        "folder = PrivateFolder('one-', place=Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (tmp_path / "one-of-somebody").mkdir()
    assert len(list(tmp_path.glob("one-*"))) == 3
    other = PrivateFolder("one-", place=tmp_path)
    assert {path.name for path in tmp_path.glob("one-*")} == {mine.path.name, other.path.name, "one-of-somebody"}
    assert mine.path.stat().st_mode & 0o777 == 0o700
    for folder in (mine, other, other):
        folder.close()
    (tmp_path / "one-of-somebody").rmdir()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"kind": "moon"}, "unknown executor 'moon'; known: local, processes, ray"),
        ({"workers": 0}, "workers = 0"),
        ({"threads": 1.5}, "threads = 1.5"),
        ({"restarts": -1}, "restarts = -1"),
        ({"time_limit": 0}, "time_limit = 0"),
        ({"workers": 2}, "workers = 2 does not go with executor local"),
        ({"time_limit": 5.0}, "time_limit does not go with executor local"),
        ({"processes_per_member": 2}, "processes_per_member = 2 does not go with executor local"),
        ({"kind": "ray", "processes_per_member": 2}, "processes_per_member = 2 does not go with executor ray"),
        ({"gpus": 1}, "gpus = 1 does not go with executor local; choose ray"),
        ({"kind": "processes", "cpus": 2}, "cpus = 2 does not go with executor processes"),
        ({"kind": "processes", "ray_address": "auto"}, "ray_address = auto does not go with executor processes"),
    ],
)
def test_unusable_settings(how: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        run(executor=ExecutorSettings(**how))


def test_workers_are_given_once() -> None:
    with pytest.raises(ConfigError, match="workers = 3 contradicts"):
        run(executor=ExecutorSettings(kind="processes", workers=2), workers=3)


def test_local_trains_with_the_threads_that_are_asked_for_and_gives_them_back() -> None:
    seen = []

    class Counts(QuadraticMember):
        def train(self, *args: Any, **more: Any) -> dict[str, float]:
            seen.append(torch.get_num_threads())
            return super().train(*args, **more)

    torch.set_num_threads(2)
    try:
        run(lambda seed: Counts(), executor=ExecutorSettings(threads=3), rounds=1, members=2)
        run(lambda seed: Counts(), rounds=1, members=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert seen == [3, 3, 2]


def test_a_run_that_was_stopped_may_be_resumed_by_another_executor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its members had done is not done again; the state in the checkpoint is written once for all workers."""

    class Stops(Says):
        def member_finished(self, round: int, index: int, record: Any) -> None:
            if (round, index) == (1, 1):
                raise KeyboardInterrupt

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path / "run", observer=Stops())
    said, written = Says(), saves(monkeypatch)
    resumed = in_two(out=tmp_path / "run", resume=True, observer=said)
    assert said.texts == ["going on with round 2 of 3, 2 of its members are done already"]
    assert without_times(resumed.journal) == without_times(whole.journal)
    assert torch.equal(load_state(tmp_path / "run" / "best.safetensors")["matrix"], resumed.best_state["matrix"])
    # The checkpoint's state, and one of a member that had ended before, if that is the one to go on from.
    assert 1 <= len(written) <= 2


def test_settings_of_where_and_how_may_change_when_resumed(tmp_path: Path) -> None:
    write_settings(tmp_path, small())
    check_same(tmp_path, small(search__executor="processes", search__workers=2, search__checkpoint_minutes="none"))
    with pytest.raises(RunError, match=r"search\.threads = None, not 2"):
        check_same(tmp_path, small(search__threads=2))


def test_settings_that_another_start_has_written_stay(tmp_path: Path) -> None:
    """Two starts in one folder may both have found it empty."""
    write_settings(tmp_path, small())
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(RunError, match="seed"):
        write_settings(tmp_path, small(seed=1))
    with claimed(tmp_path), pytest.raises(RunError, match="in use by another process"):
        write_settings(tmp_path, small(search__workers=2))
    assert (tmp_path / "config.yaml").read_bytes() == before
    write_settings(tmp_path, small())


def test_a_folder_that_another_has_for_a_moment_can_be_waited_for(tmp_path: Path) -> None:
    """As one that looks at the settings of a run that is about to be finished."""
    held = ExitStack()
    held.enter_context(claimed(tmp_path))
    threading.Timer(0.2, held.close).start()
    with claimed(tmp_path, patience=60), pytest.raises(RunError), claimed(tmp_path, patience=0.1):
        pass


def test_the_settings_of_a_run_say_where_its_members_train() -> None:
    assert place_of(small()) == ExecutorSettings(threads=1)
    two = place_of(small(search__executor="processes", search__workers=3, training__devices=2, search__threads=2))
    assert two == ExecutorSettings(kind="processes", workers=3, threads=2, processes_per_member=2, gpus=0)
    anywhere = {"search__executor": "ray", "training__accelerator": "auto", "search__ray_address": "auto"}
    assert (place_of(small(**anywhere)).gpus, place_of(small(**anywhere)).ray_address) == (None, "auto")
    assert place_of(small(search__executor="ray")).gpus == 0
    assert place_of(small(search__executor="ray", search__ray_gpus=0.5)).gpus == 0.5
    for key, value in (("ray_address", "auto"), ("ray_cpus", 2), ("ray_gpus", 1)):
        with pytest.raises(ConfigError, match=rf"search\.{key} = {value}.* does not go with search\.executor = local"):
            place_of(small(**{f"search__{key}": value}))
    with pytest.raises(ConfigError, match="unknown executor 'moon'"):
        place_of(small(search__executor="moon"))
    with pytest.raises(ConfigError, match=r"training\.devices = 2 does not go with search\.executor = ray"):
        place_of(small(search__executor="ray", training__devices=2))


def test_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CUDA_VISIBLE_DEVICES has them; a worker of two processes has two, and both see both."""
    how: dict[str, Any] = {"seed": 0, "size": 3, "threads": 1}
    crew = processes.ProcessCrew(b"", **how, each=1, gpus=["4", "6"])
    assert [crew._environment(place, 0, 0)["CUDA_VISIBLE_DEVICES"] for place in range(3)] == ["4", "6", "4"]
    crew.close()
    crew = processes.ProcessCrew(b"", **how, each=2, gpus=["0", "1", "2", "3"])
    found = [crew._environment(place, rank, 5) for place in range(2) for rank in range(2)]
    crew.close()
    assert [(each["CUDA_VISIBLE_DEVICES"], each["LOCAL_RANK"]) for each in found] == [
        ("0,1", "0"),
        ("0,1", "1"),
        ("2,3", "0"),
        ("2,3", "1"),
    ]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    assert processes._gpus() == ["GPU-a", "GPU-b"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert processes._gpus() == ["0", "1"]


@pytest.mark.parametrize(("gpus", "workers"), [(None, 1), (0, 3)])
def test_members_on_cpus_have_a_core_each_beside_a_gpu_too(
    gpus: int | None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(processes, "_cores", lambda: 3)
    monkeypatch.setattr(processes.ProcessCrew, "start", lambda crew, place: sizes.append(crew.size))
    settings = ExecutorSettings(kind="processes", gpus=gpus)
    processes.process_pool(Toys(), seed=0, members=8, settings=settings, say=print).close()
    assert sizes == [workers] * workers
