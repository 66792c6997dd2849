"""Members as Ray actors: the same numbers, workers that are killed, nothing left behind. One cluster for all tests."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shared_memory
import torch
from journals import without_times
from small_runs import small
from toy_members import NAMES
from worker_members import Says, Toys, broken, killing

from ada_segment.errors import ConfigError, SearchError
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.executors import ExecutorSettings, ray_cluster
from ada_segment.population.search import SearchResult, _job_seed, search
from ada_segment.runs.member_factory import MemberFactory

pytest.importorskip("ray")
TESTS = Path(__file__).parent
# Of Ray's own making: its sockets and log files when it is closed, what it says of its future.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A small Ray that the searches find and leave alone; at its end no shared memory is left."""
    before = shared_memory.entries()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # Ray's workers give way to all others, here to the tests beside these, and starve.
        patch.setenv("RAY_worker_niceness", "0")
        import ray

        ray.init("local", num_cpus=2, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()
    assert shared_memory.left_behind(before, seconds=30) == set()


def run(make: Any = None, **how: Any) -> SearchResult:
    return search(make or Toys(state=1000), **{"losses": NAMES, "rounds": 3, "members": 4, **how})


def test_scenes_agree_bit_for_bit() -> None:
    """Members start from states that others have trained, whatever worker has them."""
    settings = small(data__scenes_train=12)
    losses = loss_table(settings.model)
    how = {"losses": list(losses.defaults), "defaults": losses.defaults, "rounds": 2, "members": 2}
    journals = [
        run(MemberFactory(settings), executor=executor, **how).journal
        for executor in (ExecutorSettings(threads=1), ExecutorSettings(kind="ray", workers=2))
    ]
    assert without_times(journals[0]) == without_times(journals[1])


def test_members_that_fail_cost_themselves_alone() -> None:
    planted = {_job_seed(0, 1, 0, 0): "memory", _job_seed(0, 1, 0, 2): "hang", _job_seed(0, 2, 0, 1): "exit"}
    settings = ExecutorSettings(kind="ray", workers=2, time_limit=5.0, restarts=0)
    found = run(Toys(planted=planted), executor=settings, strategy="select-only")
    status = {(record["round"], k): m["status"] for record in found.journal for k, m in enumerate(record["members"])}
    failed = {key: text for key, text in status.items() if text != "ok"}
    assert failed.pop((2, 1)).startswith("failed: WorkerLost: 1 workers were lost in training it")
    assert failed == {
        (1, 0): "failed: MemoryError: no room for 3 GiB",
        (1, 2): "failed: TimeLimit: took longer than time_limit = 5 s",
    }


@pytest.mark.slow
def test_workers_killed_at_random_moments_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a state travel twice: each comes from the actor that made it, and stays in the store for the next."""
    stored: list[Any] = []
    to_array = ray_cluster.to_array
    monkeypatch.setattr(ray_cluster, "to_array", lambda state: [stored.append(state), to_array(state)][1])
    how = {"rounds": 9, "strategy": "pbt"}
    whole = run(**how)
    over, killed, said = threading.Event(), [], Says()

    def workers() -> list[int]:
        return [int(mark.stem) for mark in tmp_path.glob("*.pid")]

    killer = threading.Thread(target=lambda: killed.extend(killing(workers, 4, 4, over)))
    killer.start()
    settings = ExecutorSettings(kind="ray", workers=2, restarts=20)
    try:
        toys = Toys(state=1000, seconds=0.15, folder=tmp_path)
        found = run(lambda seed: toys(seed), executor=settings, observer=said, **how)
    finally:
        over.set()
        killer.join()
    assert len(killed) == 4
    assert len([text for text in said.texts if "was lost" in text]) == 4
    assert without_times(found.journal) == without_times(whole.journal)
    assert torch.equal(found.best_state["matrix"], whole.best_state["matrix"])
    assert stored == []


def test_an_error_in_making_a_member_comes_back() -> None:
    with pytest.raises(SearchError, match="cannot make its member: FileNotFoundError: there are no pictures"):
        run(broken, members=1, executor="ray")


def test_more_than_there_is_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigError, match="has 2 cores and 0 GPUs; a worker asks for 1 and 4"):
        run(executor=ExecutorSettings(kind="ray", gpus=4))


OWN = """
import os
from toy_members import NAMES
from worker_members import Toys
from ada_segment import search

search(Toys(), losses=NAMES, rounds=1, members=2, executor="ray", workers=2)
import ray
assert not ray.is_initialized()
assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
from ray._common.usage.usage_lib import usage_stats_enabled
assert not usage_stats_enabled()
"""


@pytest.mark.slow
def test_a_ray_of_our_own_ends_with_the_search_and_tells_nobody(tmp_path: Path) -> None:
    before = set(Path("/tmp").glob("ada-ray-*"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    ran = subprocess.run(
        [sys.executable, "-c", OWN],
        env={**environment, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert set(Path("/tmp").glob("ada-ray-*")) <= before
