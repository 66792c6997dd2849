"""Toys whose best loss weights are known: how much of the attainable gain does each strategy win?

    python benchmarks/controller_toy.py                 # all toys, all arms, 100 seeds; about 15 minutes on two cores
    python benchmarks/controller_toy.py --table         # rewrites the tables in docs/controller.md from the results

A toy's reward is -sum_i c_i (x_i - x*_i)^2 + noise, x the log-weights with their mean taken off; the weights of 1 are 0.54
below the optimum. The share won is sum_t [r(x_t) - r(0)] / sum_t [r(x*_t) - r(0)] over the rounds, without noise, x_t the
log-weights of the member that stands for round t. Interrupted, the command goes on where it was.
"""

import hashlib
import itertools
import json
import math
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ada_segment.population.search import SearchResult, search
from ada_segment.population.strategies.replay import Transfer

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "controller_toy.jsonl"
PAGE = HERE.parent / "docs" / "controller.md"
DEPTH = 0.54  # how far the weights of 1 are below the optimum
LENGTH = 1.5  # |x*|


@dataclass(frozen=True, kw_only=True)
class Toy:
    """One kind of problem; which problem of its kind, a seed says.

    Attributes:
        rounds, members, losses: T, K, n.
        noise: standard deviation of a reward's noise; its scale when tails are heavy.
        tails: degrees of freedom of Student's t; None: normal.
        walk: standard deviation of the step of each x*_i from one round to the next.
        unequal: standard deviation of log c_i.
        useless: share of the losses with c_i = 0.
        state: standard deviation of what one unit of relative log-progress moves all x*_i; a half of it for each alone.
        failing: probability that a member fails for no reason; members with a weight above 3 fail as well.
        misled: in the first quarter of the rounds the optimum is at -x*/2.
        luck: standard deviation of what a member gains by chance and keeps; effects and luck then add up in the state.
    """

    rounds: int = 12
    members: int = 8
    losses: int = 10
    noise: float = 0.15
    tails: float | None = None
    walk: float = 0.0
    unequal: float = 0.0
    useless: float = 0.0
    state: float = 0.0
    failing: float = 0.0
    misled: bool = False
    luck: float = 0.0


TOYS = {
    "plain, T=12, noise .25": Toy(noise=0.25),
    "plain, T=12, noise .08": Toy(noise=0.08),
    "plain, T=36, noise .25": Toy(rounds=36, noise=0.25),
    "plain, T=36, noise .08": Toy(rounds=36, noise=0.08),
    "drifting optimum": Toy(walk=0.15),
    "unequal curvature": Toy(unequal=1.0),
    "state-dependent optimum": Toy(rounds=24, state=0.8),
    "heavy-tailed noise": Toy(tails=2.0),
    "useless losses": Toy(useless=0.5),
    "failing members": Toy(failing=0.15),
    "misled at first": Toy(misled=True),
    "luck that stays": Toy(luck=0.15, noise=0.08),
    "small: K=4, T=10, n=5": Toy(rounds=10, members=4, losses=5),
}
HARD = [name for name in TOYS if not name.startswith("plain")]

ARMS: dict[str, dict[str, Any]] = {
    "select-only": {"strategy": "select-only"},
    "random": {"strategy": "random"},
    "pbt": {"strategy": "pbt"},
    "published": {"strategy": "published"},
    "ada-segment": {"strategy": "ada-segment"},
}
ABLATIONS: dict[str, dict[str, Any]] = {
    "1 scale left free": {"fixed_scale": False},
    "2 start elsewhere": {"start_at_defaults": False},
    "4 no antithetic pairs": {"antithetic": False},
    "4 no member at the mean": {"mean_member": False},
    "6 last round only": {"memory": 1},
    "8 without the state": {"use_state": False},
    "best predicted": {"trust": 0.0},
    "best observed": {"trust": 1.0},
}
ARMS |= {name: {"strategy": "ada-segment", **settings} for name, settings in ABLATIONS.items()}
TRANSFER = "transfer, K=1"


class Problem:
    """The truth of one toy under one seed: curvature c [n], optimum x*_t and the losses seen in round t.

    `world` seeds what a transfer keeps (the map from state to optimum), `seed` all else.
    """

    def __init__(self, toy: Toy, *, world: int, seed: int) -> None:
        self.toy, self.seed = toy, seed
        self.names = tuple(f"loss_{i}" for i in range(toy.losses))
        fixed, fresh = np.random.default_rng([1, world]), np.random.default_rng([2, seed])
        n, rounds = toy.losses, toy.rounds
        base = _centred(fixed.normal(0, 0.5, n))
        base *= LENGTH / np.linalg.norm(base)
        self.curvature = np.exp(toy.unequal * fixed.standard_normal(n))
        self.curvature[: round(n * toy.useless)] = 0.0
        gain = toy.state * (fixed.choice([-1.0, 1.0]) + 0.5 * fixed.standard_normal(n))
        # Losses fall at rates of their own, which change now and then; their scales say nothing.
        rates = fresh.uniform(0.0, 0.3, (rounds // 6 + 1, n)).repeat(6, axis=0)[:rounds]
        fall = np.cumsum(rates * fresh.uniform(0.5, 1.5, (rounds, n)), axis=0)
        self.losses = np.exp(fresh.normal(0, 2, n) - fall + 0.02 * fresh.standard_normal((rounds, n)))
        if not toy.state:  # all losses 1 throughout: kind to the published controller, which divides by them
            self.losses = np.ones((rounds, n))
        # The state before round t is what rounds 0 .. t - 1 have shown.
        progress = np.vstack([np.zeros(n), -(fall - fall[0])])[:rounds]
        walk = np.cumsum(fresh.normal(0, toy.walk, (rounds, n)), axis=0)
        self.optimum = _centred(base + gain * _centred(progress) + walk)
        if toy.misled:
            self.optimum[: rounds // 4] *= -0.5
        self.curvature *= DEPTH / (self.curvature * base**2).sum()

    def value(self, round: int, x: np.ndarray) -> float:
        """The reward of log-weights x [n] without noise."""
        return -float((self.curvature * (_centred(x) - self.optimum[round]) ** 2).sum())


def _centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(-1, keepdims=True)


class ToyMember:
    """A training with nothing in it but the toy's truth. Its noise depends on seed and weights alone."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.level = self.reward = 0.0

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        problem, toy = self.problem, self.problem.toy
        x = np.log([weights[name] for name in problem.names])
        digest = hashlib.sha256(np.round(x, 9).tobytes() + f"{problem.seed}/{seed}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        if toy.failing and (random.random() < toy.failing or math.log(3) < _centred(x).max()):
            raise ValueError("the loss is not finite")
        noise = random.standard_normal() if toy.tails is None else random.standard_t(toy.tails)
        value = problem.value(round, x)
        if toy.luck:
            self.level += value - problem.value(round, 0 * x) + toy.luck * random.standard_normal()
            value = self.level
        self.reward = value + toy.noise * noise
        return dict(zip(problem.names, problem.losses[round].tolist(), strict=True))

    def evaluate(self) -> float:
        return self.reward

    def state_dict(self) -> dict[str, Any]:
        return {"level": self.level, "reward": self.reward}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.level, self.reward = state["level"], state["reward"]


def play(toy: Toy, *, world: int, seed: int, **how: Any) -> tuple[SearchResult, float]:
    """A search of one problem, and the share of the attainable gain that it wins."""
    problem = Problem(toy, world=world, seed=seed)
    members = how.pop("members", toy.members)
    result = search(
        lambda _: ToyMember(problem), losses=problem.names, rounds=toy.rounds, members=members, seed=seed, **how
    )
    zero = np.zeros(toy.losses)
    lost = sum(problem.value(t, zero) for t in range(toy.rounds))
    if toy.luck:
        return result, -result.best_state["level"] / lost
    tried = [np.log([weights[name] for name in problem.names]) for weights in result.schedule]
    return result, 1 - sum(problem.value(t, x) for t, x in enumerate(tried)) / lost


def measure(name: str, arm: str, seed: int) -> dict[str, Any]:
    """One line of the results."""
    toy, started = TOYS[name], time.perf_counter()
    if arm == TRANSFER:
        found, _ = play(toy, world=seed, seed=seed, **ARMS["ada-segment"])
        assert found.controller is not None
        _, share = play(toy, world=seed, seed=seed + 10**6, strategy=Transfer(found.controller), members=1)
    else:
        _, share = play(toy, world=seed, seed=seed, **ARMS[arm])
    return {"toy": name, "arm": arm, "seed": seed, "share": share, "seconds": time.perf_counter() - started}
