"""What the controller promises, on the toys of the bench, through the public search; the bench has all seeds."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "benchmarks" / "controller_toy.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("controller_toy", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["controller_toy"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def share(bench: ModuleType, toy: str, seeds: int, **how: Any) -> float:
    return float(np.mean([bench.play(bench.TOYS[toy], world=seed, seed=seed, **how)[1] for seed in range(seeds)]))


@pytest.mark.parametrize(
    ("toy", "seeds", "least"),
    [
        ("plain, T=12, noise .25", 8, 0.55),
        ("plain, T=12, noise .08", 5, 0.75),
        ("plain, T=36, noise .25", 3, 0.78),
        ("plain, T=36, noise .08", 3, 0.88),
    ],
)
def test_share_of_the_attainable_gain(bench: ModuleType, toy: str, seeds: int, least: float) -> None:
    assert share(bench, toy, seeds) > least


@pytest.mark.parametrize("toy", ["drifting optimum", "unequal curvature", "heavy-tailed noise", "failing members"])
def test_it_is_ahead_where_its_model_is_wrong(bench: ModuleType, toy: str) -> None:
    own = share(bench, toy, 5)
    for strategy in ("select-only", "pbt", "published"):
        assert own > share(bench, toy, 5, strategy=strategy)


def test_accidents_are_not_taken_for_luck(bench: ModuleType) -> None:
    toy = bench.TOYS["accidents, K=3, T=14, n=6"]
    results = [bench.play(toy, world=seed, seed=seed)[0] for seed in range(12)]
    assert np.mean([result.journal[-1]["controller"]["trust"] for result in results]) < 0.4


def test_the_state_helps_and_carries_over(bench: ModuleType) -> None:
    toy = "state-dependent optimum"
    own = share(bench, toy, 5)
    assert own > share(bench, toy, 5, use_state=False)
    carried = [bench.measure(toy, bench.TRANSFER, seed)["share"] for seed in range(3)]
    assert float(np.mean(carried)) > own / 2


def test_the_toy_is_as_described(bench: ModuleType) -> None:
    problem = bench.Problem(bench.TOYS["plain, T=12, noise .25"], world=1, seed=1)
    assert problem.value(0, np.zeros(10)) == pytest.approx(-bench.DEPTH)
    assert problem.value(0, problem.optimum[0] + 3.0) == pytest.approx(0.0)
    assert np.linalg.norm(problem.optimum[0]) == pytest.approx(bench.LENGTH)
