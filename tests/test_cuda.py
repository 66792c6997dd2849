"""On a GPU: trainings in each precision, states that go there and back, searches, and what an error there costs."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from made_losses import NAMES, losses_of, model, pictures
from small_runs import Interrupts, small
from worker_members import Toy, Toys

from ada_segment.loops.balancer import LossBalancer
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.journal import FILE_NAME as JOURNAL
from ada_segment.population.journal import read_journal
from ada_segment.population.search import _job_seed, search
from ada_segment.report.run_files import METRICS
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.runs.search_run import run_search
from ada_segment.storage import copy_state, load_state, save_state
from ada_segment.training.member import PanopticMember
from ada_segment.weighting.registry import WEIGHTINGS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


def make(**changes: Any) -> PanopticMember:
    settings = small(**{"training__accelerator": "cuda", "training__ema_decay": 0.5, **changes})
    return build_member(settings, open_data(settings), seed=0)


DEFAULTS = loss_table(small().model).defaults


@pytest.mark.parametrize("name", ["panoptic-fpn", "cascade-panoptic-fpn"])
@pytest.mark.parametrize("precision", ["32", "bf16", "16"])
def test_a_training_in_each_precision_lowers_its_losses(name: str, precision: str) -> None:
    member = make(model__name=name, training__precision=precision)
    weights = dict.fromkeys(member.loss_names, 1.0)
    first, *_, last = (sum(member.train(weights, round=round, seed=round).values()) for round in range(4))
    assert math.isfinite(last)
    assert last < first
    assert 0 <= member.evaluate() <= 100
    assert next(member.network.parameters()).device.type == "cuda"


def test_the_models_of_a_library_train_too() -> None:
    pytest.importorskip("transformers")
    member = make(model__name="hf:mask2former", augmentation__size=64)
    weights = loss_table(small(model__name="hf:mask2former").model).defaults
    assert all(map(math.isfinite, member.train(weights, round=0, seed=0).values()))
    assert 0 <= member.evaluate() <= 100


def test_loading_pictures_leaves_the_random_numbers_of_a_gpu_alone() -> None:
    """A helper process could not touch them; so that as many as one likes read the same."""
    member = make()
    before = torch.cuda.get_rng_state()
    assert len(list(member._batches(0))) > 1
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_state_from_a_gpu_is_the_same_model_on_a_cpu_and_goes_on_there(tmp_path: Path) -> None:
    on_gpu, on_cpu = make(), make(training__accelerator="cpu")
    on_gpu.train(DEFAULTS, round=0, seed=0)
    save_state(tmp_path / "state", copy_state(on_gpu.state_dict()))
    on_cpu.load_state_dict(load_state(tmp_path / "state"))
    (found, _), (expected, _) = on_gpu.predict(on_gpu.reward_set), on_cpu.predict(on_cpu.reward_set)
    same = [(one.stuff == other.stuff).mean() for one, other in zip(found, expected, strict=True)]
    assert min(same) > 0.99  # a pixel whose two best classes lie a rounding apart
    on_cpu.train(DEFAULTS, round=1, seed=1)
    on_gpu.load_state_dict(copy_state(on_cpu.state_dict()))  # and back
    on_gpu.train(DEFAULTS, round=2, seed=2)
    assert on_gpu.step == on_gpu.total_steps


@pytest.mark.parametrize("precision", ["32", "16"])
def test_a_resumed_member_goes_on_as_if_it_had_not_stopped(precision: str) -> None:
    """To rounding: kernels of a GPU add in another order each time."""
    member, later = (make(training__precision=precision) for _ in range(2))
    member.train(DEFAULTS, round=0, seed=0)
    later.load_state_dict(copy_state(member.state_dict()))
    assert later.train(DEFAULTS, round=1, seed=1) == pytest.approx(member.train(DEFAULTS, round=1, seed=1), rel=0.1)


@pytest.mark.parametrize("executor", ["local", "processes"])
def test_a_search_of_two_members_on_one_gpu_is_interrupted_and_goes_on(tmp_path: Path, executor: str) -> None:
    settings = small(
        training__accelerator="cuda",
        search__executor=executor,
        search__workers=2 if executor == "processes" else "none",
    )
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, tmp_path / "run", observer=Interrupts(3))
    run_search(settings, tmp_path / "run", resume=True)
    records = read_journal(tmp_path / "run" / JOURNAL)
    assert len(records) == settings.search.rounds
    assert all(math.isfinite(member["reward"]) for record in records for member in record["members"])
    metrics = json.loads((tmp_path / "run" / METRICS).read_text())
    assert 0 <= metrics["tuned"]["all"]["pq"] <= 1


@dataclass(frozen=True)
class OnGpu:
    """Makes members that ask a GPU for more than it has, or for what is not there, in the interval of this seed."""

    wrong: str
    seed: int

    def __call__(self, seed: int) -> Toy:
        return GpuToy(self)


class GpuToy(Toy):
    def __init__(self, how: OnGpu) -> None:
        super().__init__(Toys())
        self.gpu = how

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        losses = super().train(weights, round=round, seed=seed)
        device = torch.device("cuda")
        if seed == self.gpu.seed and self.gpu.wrong == "memory":
            torch.empty(2**50, device=device)
        if seed == self.gpu.seed and self.gpu.wrong == "assertion":
            torch.zeros(1, device=device)[torch.tensor([5], device=device)].item()
        return {name: float(torch.tensor(loss, device=device)) for name, loss in losses.items()}


@pytest.mark.parametrize(
    ("executor", "wrong"), [("local", "memory"), ("processes", "memory"), ("processes", "assertion")]
)
def test_what_goes_wrong_on_a_gpu_costs_one_member_of_one_round(executor: str, wrong: str) -> None:
    """A failed assertion leaves a process without its GPU: another worker takes its place."""
    workers = 2 if executor == "processes" else None
    make = OnGpu(wrong, seed=_job_seed(0, 1, 0, 2))
    found = search(make, losses=NAMES, rounds=3, members=3, executor=executor, workers=workers, strategy="select-only")
    failed = {
        (record["round"], k): member["status"]
        for record in found.journal
        for k, member in enumerate(record["members"])
        if member["status"] != "ok"
    }
    assert failed.keys() == {(1, 2)}
    assert ("out of memory" if wrong == "memory" else "device-side assert") in failed[1, 2]


@pytest.mark.parametrize("method", sorted(WEIGHTINGS))
def test_a_weighting_moves_the_weights_of_losses_on_a_gpu(method: str) -> None:
    network = model().cuda()
    balancer = LossBalancer(method, NAMES)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for epoch in range(2):
        for batch in pictures(3, seed=epoch):
            optimizer.zero_grad()
            balancer(losses_of(network, batch.cuda())).backward()
            optimizer.step()
        balancer.end_epoch()
    assert all(map(math.isfinite, balancer.weights.values()))
    on_cpu = LossBalancer(method, NAMES)
    on_cpu.load_state_dict(balancer.state_dict())
