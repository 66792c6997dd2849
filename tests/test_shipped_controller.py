"""The controller that comes with the package: what it is made of, and that it steers wherever one may be named."""

import json
import math
from pathlib import Path

import pytest
import torch
from small_runs import small

from ada_segment import LossBalancer, load_controller
from ada_segment.errors import ConfigError
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.schedule import load_schedule
from ada_segment.runs.search_run import run_search

LEARNED = Path(__file__).parents[1] / "benchmarks" / "results" / "controllers" / "scenes-ema" / "ada-segment"
LOSSES = loss_table(small().model)
pytestmark = pytest.mark.usefixtures("undrawn")


def test_it_has_learned_what_five_searches_on_scenes_have() -> None:
    together = load_controller(*(LEARNED / f"{seed}.safetensors" for seed in range(5)))
    assert load_controller("scenes").state_dict() == together.state_dict()


def test_it_steers_a_training(tmp_path: Path) -> None:
    run_search(small(search__weights="scenes", search__members=1, search__rounds=2), tmp_path)
    for entry in load_schedule(tmp_path / "schedule.json"):
        moved = {name: math.log(weight / LOSSES.defaults[name]) for name, weight in entry.items()}
        assert max(moved, key=lambda name: moved[name]) == "loss_sem_seg"
        assert sum(moved.values()) == pytest.approx(0, abs=1e-6)


def test_a_search_begins_with_it_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    settings = small(search__settings__learned="scenes", search__rounds=1)
    run_search(settings, tmp_path / "run")
    first = load_schedule(tmp_path / "run" / "schedule.json")[0]
    assert first["loss_sem_seg"] > 1.5 * LOSSES.defaults["loss_sem_seg"]
    about = json.loads((tmp_path / "run" / "controller.json").read_text())
    assert about["rounds_learned_before"] == load_controller("scenes").about()["rounds_learned"]
    run_search(settings, tmp_path / "run", resume=True)


def test_it_balances_the_losses_of_a_loop_by_their_groups() -> None:
    balancer = LossBalancer("scenes", ["segments", "boxes"], groups={"segments": "semantic", "boxes": "box"}, epochs=2)
    balancer({name: torch.ones((), requires_grad=True) for name in balancer.losses})
    assert balancer.weights["segments"] > 1 > balancer.weights["boxes"]


def test_a_name_that_is_nearly_its_own_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean scenes"):
        run_search(small(search__weights="scene", search__members=1), tmp_path / "run")
    with pytest.raises(ConfigError, match="comes with the package"):
        LossBalancer("scene", ["a", "b"])
