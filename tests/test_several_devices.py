"""One model on several devices, as two processes with gloo: the same weights on all, the result of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from journals import journal_of
from small_runs import arguments, small
from toy_members import QuadraticMember

from ada_segment.panoptic.registry import loss_table
from ada_segment.population.search import search
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.storage import load_state
from ada_segment.training.loading import steps_per_epoch, training_batches
from ada_segment.weighting.base import mean_where_present

TESTS = Path(__file__).parent
CHANGES: dict[str, Any] = {"data__scenes_train": 16, "training__accelerator": "cpu"}
SEED = 7
SHARES = 2  # that each rank trains on one after the other


def launch(*words: str | Path, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [sys.executable, *launcher, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    return ran


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")

TRAINS = """
import sys
from pathlib import Path
from small_runs import small
from test_several_devices import CHANGES, SEED, SHARES, weights_of
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.storage import copy_state, save_state
from ada_segment.training.member import network_state

settings = small(training__devices=2, training__accumulate=SHARES, **CHANGES)
splits = open_data(settings)
member = build_member(settings, splits, seed=0)
losses = member.train(weights_of(settings), round=0, seed=SEED)
state = {"model": copy_state(member.network.state_dict()), "losses": losses}
state |= {"reward": member.evaluate(), "scored": copy_state(network_state(member.state_dict()))}


class Torn:  # in the second rank's share
    categories = member.reward_set.categories

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 3:
            raise OSError("picture 3 is torn")
        return splits.reward[index]


member.reward_set = Torn()
try:
    member.evaluate()
except Exception as error:
    state["said"] = str(error)
save_state(Path(sys.argv[1]) / f"{member.fabric.global_rank}.safetensors", state)
"""


def weights_of(settings: Any) -> dict[str, float]:
    return {**loss_table(settings.model).defaults, "loss_mask": 2.0}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each of two ranks has to say of one model that they have trained and scored."""
    folder = tmp_path_factory.mktemp("ranks")
    script = folder / "script.py"
    script.write_text(TRAINS)
    launch(script, folder, launcher=TORCHRUN)
    return load_state(folder / "0.safetensors"), load_state(folder / "1.safetensors")


def test_ranks_that_share_the_pictures_find_the_reward_of_one_process(ranks: tuple[Any, Any]) -> None:
    settings = small(**CHANGES)
    member = build_member(settings, open_data(settings), seed=0)
    assert member.ema is not None
    member.ema.module.load_state_dict(ranks[0]["scored"])
    assert ranks[0]["reward"] == ranks[1]["reward"]
    assert ranks[0]["reward"] == pytest.approx(member.evaluate(), abs=1e-9)
    assert ranks[0]["reward"] > 0


def test_what_stops_one_rank_stops_all(ranks: tuple[Any, Any]) -> None:
    """Not for ever, waiting for each other."""
    assert ranks[0]["said"] == "rank 1 failed with its share of the pictures: OSError: picture 3 is torn"
    assert ranks[1]["said"] == "picture 3 is torn"


ALONE = """
import sys
from pathlib import Path
import time
from small_runs import small
from test_several_devices import CHANGES
from ada_segment.runs import search_run
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.training.member import build_fabric

settings = small(training__devices=2, search__rounds=1, search__members=1, **CHANGES)
out = Path(sys.argv[1])
mark = out.with_name("the second rank is done")


def finish_run(*args, **more):
    for _ in range(600):
        if mark.exists():
            return out.with_name("the first did not wait").touch()
        time.sleep(0.1)


search_run.finish_run = finish_run
search_run.run_search(settings, out)
if build_fabric(settings.training).global_rank == 1:
    mark.touch()
few = small(training__devices=2, training__batch_size=1, **CHANGES)
try:
    build_member(few, open_data(few), seed=0)
except Exception as error:
    out.with_name("few").write_text(str(error))
member = build_member(settings, open_data(settings), seed=0)
if member.fabric.global_rank == 1:
    member.transform = None  # one rank's pictures cannot be made
member.train(dict.fromkeys(member.loss_names, 1.0), round=0, seed=0)
"""


@pytest.mark.slow
def test_ranks_do_not_wait_for_the_end_of_a_run_nor_for_one_that_fails_in_training(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ALONE)
    with pytest.raises(AssertionError, match="rank 1 ends: TypeError") as caught:
        launch(script, tmp_path / "run", launcher=TORCHRUN)
    assert (tmp_path / "the first did not wait").exists(), caught
    assert (tmp_path / "few").read_text().startswith("training.devices = 2 and training.accumulate = 1 ")


def test_all_ranks_end_with_the_weights_of_one_process(ranks: tuple[Any, Any]) -> None:
    """The reference trains the shares of each batch one after the other and steps along their mean gradient."""
    first, second = ranks
    settings = small(**CHANGES)
    splits = open_data(settings)
    member = build_member(settings, splits, seed=0)
    # Statistics of batch norms are the first rank's, which gives them to the others before each step.
    parameters = dict(member.network.named_parameters())
    for name in parameters:
        assert torch.equal(first["model"][name], second["model"][name]), name
    assert first["losses"] == second["losses"]

    weights = weights_of(settings)
    before = {name: value.detach().clone() for name, value in parameters.items()}
    parts = {"batch_size": settings.training.batch_size, "seed": SEED, "workers": 0, "ranks": 2, "accumulate": SHARES}
    shares = [training_batches(splits.train, member.transform, rank=rank, **parts) for rank in (0, 1)]
    torch.manual_seed(SEED)
    streams = [torch.get_rng_state()] * 2  # each rank draws its samples from a generator of its own
    member.model.train()
    steps: list[dict[str, float]] = []
    both: list[dict[str, float]] = []
    for number, pair in enumerate(zip(*shares, strict=True), start=1):
        seen: list[dict[str, float]] = []
        for rank, (images, targets) in enumerate(pair):
            torch.set_rng_state(streams[rank])
            losses = member.model(images, targets)
            streams[rank] = torch.get_rng_state()
            member.fabric.backward(sum(weights[name] * loss for name, loss in losses.items()) / (2 * SHARES))
            seen.append({name: loss.item() for name, loss in losses.items()})
        both.append(mean_where_present(seen))
        if number % SHARES == 0:
            member._step()
            member.optimizer.zero_grad()
            steps.append(mean_where_present(both))
            both = []
    assert len(steps) == steps_per_epoch(len(splits.train), settings.training.batch_size)
    moved = 0
    for name, value in parameters.items():
        assert torch.allclose(first["model"][name], value, rtol=1e-4, atol=1e-5), name
        moved += not torch.equal(value, before[name])
    assert moved > 20
    assert first["losses"] == pytest.approx(
        {name: sum(each[name] for each in steps) / len(steps) for name in weights}, rel=1e-4
    )


@pytest.mark.slow
def test_torchrun_trains_under_a_stored_controller_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    """Then the same by a worker that is a group of two processes."""
    names = tuple(loss_table(small().model).defaults)
    groups = loss_table(small().model).groups
    toy = QuadraticMember(names=names)
    search(lambda seed: toy, losses=names, groups=groups, rounds=2, members=3, out=tmp_path / "found")
    run = tmp_path / "run"
    words = arguments(run, training__devices=2, search__rounds=2, search__members=1, **CHANGES)
    words = ["-m", "ada_segment", "train", "--weights", str(tmp_path / "found"), *words]
    launch(*words, launcher=TORCHRUN)
    whole = journal_of(run)
    assert len(whole) == 2
    best = json.loads((run / "best.json").read_text())
    metrics = (run / "metrics.json").read_text()
    for path in (run / "checkpoints").glob("round-00001*"):
        path.unlink()
    ran = launch(*words, "--resume")  # Fabric starts the second process itself
    assert ran.stdout.count("going on with round 2 of 2") == 1
    assert journal_of(run) == whole
    assert json.loads((run / "best.json").read_text()) == best
    assert (run / "metrics.json").read_text() == metrics
    words[words.index(str(run))] = str(tmp_path / "group")
    launch(*words, "--set=search.executor=processes", "--set=search.workers=1")
    assert journal_of(tmp_path / "group") == whole
