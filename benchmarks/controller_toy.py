"""Toys whose best loss weights are known: how much of the attainable gain does each strategy win?

    python benchmarks/controller_toy.py             # all toys, all arms, 100 seeds; about 10 minutes on two cores
    python benchmarks/controller_toy.py --table     # rewrites the tables in docs/controller.md from the results
    python benchmarks/controller_toy.py --figure    # draws docs/controller.png
    python benchmarks/controller_toy.py --cost      # the controller's own time a round

A toy's reward is -sum_i c_i (x_i - x*_i)^2 + noise, x the log-weights with their mean taken off; the weights of 1 are
0.54 below the optimum. The share won is sum_t [r(x_t) - r(0)] / sum_t [r(x*_t) - r(0)] over the rounds, without noise,
x_t the log-weights of the member that stands for round t; a search that ends early wins nothing in the rounds left.
Interrupted, the command goes on where it was; after a change of the code, remove the results first.
"""

import hashlib
import itertools
import json
import math
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from ada_segment.errors import SearchError
from ada_segment.population.observer import Silent
from ada_segment.population.search import SearchResult, make_task, search
from ada_segment.population.strategies import make_strategy
from ada_segment.population.strategies.base import Trial
from ada_segment.population.strategies.replay import Transfer
from ada_segment.weighting.fixed import FixedWeighting

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "controller_toy.jsonl"
COST = HERE / "results" / "controller_cost.json"
PAGE = HERE.parent / "docs" / "controller.md"
BEGIN, END = "<!-- tables: benchmarks/controller_toy.py -->", "<!-- end of tables -->"
DEPTH = 0.54  # how far the weights of 1 are below the optimum
LENGTH = 1.5  # |x*|


@dataclass(frozen=True, kw_only=True)
class Toy:
    """One kind of problem; which problem of its kind, a seed says.

    Attributes:
        rounds, members, losses: T, K, n.
        noise: standard deviation of a reward's noise; its scale when tails are heavy.
        tails: degrees of freedom of Student's t; None: normal.
        accidents: probability that a reward is far below, by ten times what is to be gained.
        walk: standard deviation of the step of each x*_i from one round to the next.
        unequal: standard deviation of log c_i.
        skewed: c_i is three times as high above the optimum, and a third as high below.
        useless: share of the losses with c_i = 0.
        state: standard deviation of what one unit of relative log-progress moves all x*_i; a half of it for each alone.
        pairs: losses come in known groups of two that share their x*, up to this standard deviation of each alone.
        failing: probability that a member fails for no reason; members with a weight above 3 fail as well.
        misled: in the first quarter of the rounds the optimum is at -x*/2.
        luck: standard deviation of what a member gains by chance and keeps; effects and luck then add up in the state.
        fading: rewards shrink by exp(-fading) over the rounds, what weights do and noise alike.
    """

    rounds: int = 12
    members: int = 8
    losses: int = 10
    noise: float = 0.15
    tails: float | None = None
    accidents: float = 0.0
    walk: float = 0.0
    unequal: float = 0.0
    skewed: bool = False
    useless: float = 0.0
    state: float = 0.0
    pairs: float | None = None
    failing: float = 0.0
    misled: bool = False
    luck: float = 0.0
    fading: float = 0.0


NOISY = "as noisy as pictures: K=3, T=14, n=6"
TOYS = {
    "plain, T=12, noise .25": Toy(noise=0.25),
    "plain, T=12, noise .08": Toy(noise=0.08),
    "plain, T=36, noise .25": Toy(rounds=36, noise=0.25),
    "plain, T=36, noise .08": Toy(rounds=36, noise=0.08),
    "drifting optimum": Toy(walk=0.15),
    "unequal curvature": Toy(unequal=1.0),
    "skewed reward": Toy(skewed=True),
    "state-dependent optimum": Toy(rounds=24, state=0.8),
    "heavy-tailed noise": Toy(tails=2.0),
    "accidents": Toy(accidents=0.1),
    "accidents, K=3, T=14, n=6": Toy(rounds=14, members=3, losses=6, accidents=0.1),
    "useless losses": Toy(useless=0.5),
    "failing members": Toy(failing=0.15),
    "misled at first": Toy(misled=True),
    "luck that stays": Toy(luck=0.15, noise=0.08),
    "fading rewards": Toy(fading=2.0),
    "small: K=4, T=10, n=5": Toy(rounds=10, members=4, losses=5),
    "weak: noise .75": Toy(noise=0.75),
    NOISY: Toy(rounds=14, members=3, losses=6, noise=0.45, fading=1.5),
    "pairs, alike": Toy(pairs=0.0),
    "pairs, not quite alike": Toy(pairs=0.25),
    "pairs, K=4, T=10, noise .3": Toy(rounds=10, members=4, noise=0.3, pairs=0.25),
}
PLAIN = [name for name in TOYS if name.startswith("plain")]
STATEFUL = "state-dependent optimum"
PAIRED = [name for name in TOYS if name.startswith("pairs")]
ABLATED = [PLAIN[0], STATEFUL, "drifting optimum", "failing members", "luck that stays", NOISY]
STEPPED = [PLAIN[0], STATEFUL, "failing members", "misled at first", "weak: noise .75", NOISY]

ARMS: dict[str, dict[str, Any]] = {
    "select-only": {"strategy": "select-only"},
    "random": {"strategy": "random"},
    "pbt": {"strategy": "pbt"},
    "published": {"strategy": "published"},
    "published, small steps": {"strategy": "published", "learning_rate": 0.0125},
    "published, no network": {"strategy": "published", "hidden": 0},
    "ada-segment": {"strategy": "ada-segment"},
}
ABLATIONS: dict[str, dict[str, Any]] = {
    "1 scale left free": {"fixed_scale": False},
    "2 start elsewhere": {"start_at_defaults": False},
    "4 antithetic pairs": {"antithetic": True},
    "4 no member at the mean": {"mean_member": False},
    "6 last round only": {"memory": 1},
    "8 without the state": {"use_state": False},
    "best predicted": {"trust": 0.0},
    "best observed": {"trust": 1.0},
}
MAIN = list(ARMS)
STEPS: dict[str, dict[str, Any]] = {"steps of 0.6 to 0.3": {"first_step": 0.6, "last_step": 0.3}}
TIES: dict[str, dict[str, Any]] = {
    "7 tied to the end": {"untie_at": 1.0},
    "7 never tied": {"tied": False},
}
ARMS |= {name: {"strategy": "ada-segment", **settings} for name, settings in (ABLATIONS | STEPS | TIES).items()}
TRANSFER = "transfer, K=1"


class Problem:
    """The truth of one toy under one seed: curvature c [n], optimum x*_t and the losses seen in round t.

    `world` seeds what a transfer keeps (the map from state to optimum), `seed` all else.
    """

    def __init__(self, toy: Toy, *, world: int, seed: int) -> None:
        self.toy, self.seed = toy, seed
        self.names = tuple(f"loss_{i}" for i in range(toy.losses))
        self.groups = {name: f"group_{i // 2}" for i, name in enumerate(self.names)} if toy.pairs is not None else None
        fixed, fresh = np.random.default_rng([1, world]), np.random.default_rng([2, seed])
        n, rounds = toy.losses, toy.rounds
        base = fixed.normal(0, 0.5, n)
        if toy.pairs is not None:
            base = base[np.arange(n) // 2] + toy.pairs * fixed.standard_normal(n)
        base = _centred(base)
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
        self.curvature *= DEPTH / self._below(-base)

    def value(self, round: int, x: np.ndarray) -> float:
        """The reward of log-weights x [n] without noise."""
        return -self._below(_centred(x) - self.optimum[round])

    def _below(self, distance: np.ndarray) -> float:
        skew = np.where(distance > 0, 3.0, 1 / 3) if self.toy.skewed else 1.0
        return float((skew * self.curvature * distance**2).sum())


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
        if toy.accidents and random.random() < toy.accidents:
            value -= 10 * DEPTH
        if toy.luck:
            self.level += value - problem.value(round, 0 * x) + toy.luck * random.standard_normal()
            value = self.level
        self.reward = math.exp(-toy.fading * ((round + 0.5) / toy.rounds - 0.5)) * (value + toy.noise * noise)
        return dict(zip(problem.names, problem.losses[round].tolist(), strict=True))

    def evaluate(self) -> float:
        return self.reward

    def state_dict(self) -> dict[str, Any]:
        return {"level": self.level, "reward": self.reward}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.level, self.reward = state["level"], state["reward"]


class Kept(Silent):
    """An observer that keeps the weights that stood, also of a search that ends with an error."""

    def __init__(self) -> None:
        self.schedule: list[dict[str, float]] = []

    def round_finished(self, record: Mapping[str, Any]) -> None:
        self.schedule.append(record["members"][record["best"]]["weights"])


def play(toy: Toy, *, world: int, seed: int, **how: Any) -> tuple[SearchResult | None, float]:
    """A search of one problem (None when it ended early), and the share of the attainable gain that it wins."""
    problem = Problem(toy, world=world, seed=seed)
    members, kept = how.pop("members", toy.members), Kept()
    lost = sum(problem.value(t, np.zeros(toy.losses)) for t in range(toy.rounds))
    try:
        result = search(
            lambda _: ToyMember(problem),
            losses=problem.names,
            groups=problem.groups,
            rounds=toy.rounds,
            members=members,
            seed=seed,
            observer=kept,
            **how,
        )
    except SearchError:
        result = None
    if result is not None and toy.luck:
        return result, -result.best_state["level"] / lost
    won = 0.0
    for t, weights in enumerate(kept.schedule if result is None else result.schedule):
        x = np.log([weights[name] for name in problem.names])
        won += problem.value(t, x) - problem.value(t, np.zeros(toy.losses))
    return result, -won / lost


def measure(name: str, arm: str, seed: int) -> dict[str, Any]:
    """One line of the results."""
    toy, started = TOYS[name], time.perf_counter()
    if arm == TRANSFER:
        found, _ = play(toy, world=seed, seed=seed, **ARMS["ada-segment"])
        assert found is not None
        assert found.controller is not None
        _, share = play(toy, world=seed, seed=seed + 10**6, strategy=Transfer(found.controller), members=1)
    else:
        _, share = play(toy, world=seed, seed=seed, **ARMS[arm])
    return {"toy": name, "arm": arm, "seed": seed, "share": share, "seconds": time.perf_counter() - started}


def jobs(seeds: int) -> list[tuple[str, str, int]]:
    """All arms on all toys, the ablations on some of them, the transfer where there is a state to carry over."""
    cells = [
        *itertools.product(TOYS, MAIN),
        *itertools.product(ABLATED, ABLATIONS),
        *itertools.product(STEPPED, STEPS),
        *itertools.product(PAIRED, TIES),
        (STATEFUL, TRANSFER),
    ]
    return [(toy, arm, seed) for toy, arm in cells for seed in range(seeds)]


def read_results() -> dict[tuple[str, str], dict[int, float]]:
    """Shares by toy and arm, then by seed."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for line in map(json.loads, RESULTS.read_text().splitlines() if RESULTS.exists() else []):
        if "share" in line:
            found.setdefault((line["toy"], line["arm"]), {})[line["seed"]] = line["share"]
        elif "shares" in line:
            found.setdefault((line["toy"], line["arm"]), {}).update(enumerate(line["shares"]))
    return found


def compact() -> None:
    """One line a cell in place of one a seed, once all seeds are there."""
    abouts = [line for line in RESULTS.read_text().splitlines() if "versions" in json.loads(line)]
    cells = [
        json.dumps({"toy": toy, "arm": arm, "shares": [round(shares[seed], 5) for seed in sorted(shares)]})
        for (toy, arm), shares in sorted(read_results().items())
    ]
    RESULTS.write_text("\n".join([abouts[-1], *cells]) + "\n")


def run_all(seeds: int, processes: int) -> None:
    done = read_results()
    left = [job for job in jobs(seeds) if job[2] not in done.get(job[:2], {})]
    if not left:
        return
    RESULTS.parent.mkdir(exist_ok=True)
    about = {
        "versions": {name: version(name) for name in ("ada-segment", "torch", "numpy")} | {"python": sys.version[:6]},
        "machine": platform.machine(),
        "seeds": seeds,
        "toys": {name: asdict(toy) for name, toy in TOYS.items()},
        "arms": ARMS,
    }
    with RESULTS.open("a") as file, ProcessPoolExecutor(processes) as pool:
        file.write(json.dumps(about) + "\n")
        for number, future in enumerate(as_completed([pool.submit(measure, *job) for job in left]), start=1):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()
            if number % 500 == 0:
                print(f"{number} of {len(left)}", flush=True)
    compact()


# -- what the page shows -----------------------------------------------------------------------------------------------


def shares() -> dict[tuple[str, str], np.ndarray]:
    """Shares by toy and arm, in the order of the seeds."""
    return {key: np.array([by_seed[seed] for seed in sorted(by_seed)]) for key, by_seed in read_results().items()}


def table(toys: Sequence[str], arms: Sequence[str], head: str) -> str:
    """Markdown: mean share and half the width of its 95 % interval."""
    known = shares()
    lines = [f"| {head} | " + " | ".join(arms) + " |", "| --- |" + " --- |" * len(arms)]
    for toy in toys:
        cells = []
        for arm in arms:
            values = known.get((toy, arm))
            if values is None:
                cells.append("")
                continue
            half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
            cells.append(f"{values.mean():.2f} ± {half:.2f}")
        lines.append(f"| {toy} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_page() -> None:
    """Put the tables between the markers of the page."""
    seeds = sorted({len(values) for values in shares().values()})
    text = "\n\n".join(
        [
            f"Share of the attainable gain, mean ± half the 95 % interval, {' or '.join(map(str, seeds))} seeds.",
            table(list(TOYS), MAIN, "toy"),
            "The default with one point changed:",
            table(ABLATED, ["ada-segment", *ABLATIONS], "toy"),
            "Members nearer to the mean, as they were at first (now 1.0 to 0.6):",
            table(STEPPED, ["ada-segment", *STEPS], "toy"),
            "Losses in groups of two, which are free from half of the rounds on:",
            table(PAIRED, ["ada-segment", *TIES], "toy"),
            "A controller stored after its search, frozen, on a fresh problem of the same map with one member:",
            table([STATEFUL], ["ada-segment", "8 without the state", TRANSFER], "toy"),
            "The controller's own time, 10 losses and 8 members, one CPU thread: {round_ms_median} ms a round (at most "
            "{round_ms_max}), and {step_ms} ms a training step for the weighted total.".format(
                **json.loads(COST.read_text())
            ),
        ]
    )
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def draw() -> None:
    """Two problems: the way of the mean to a fixed optimum, and behind one that moves with the state."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from ada_segment.report.colours import HUES

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for axis, (title, toy) in zip(
        axes,
        (
            ("fixed optimum, noise 0.15", replace(TOYS[PLAIN[0]], losses=4, rounds=24, noise=0.15)),
            ("optimum that depends on the losses' state", replace(TOYS[STATEFUL], losses=4)),
        ),
        strict=True,
    ):
        problem = Problem(toy, world=3, seed=3)
        result, share = play(toy, world=3, seed=3)
        assert result is not None
        means = np.log([[record["controller"]["mean"][name] for name in problem.names] for record in result.journal])
        for i, name in enumerate(problem.names):
            (line,) = axis.plot(means[:, i], label=name.replace("_", " "), color=HUES[i])
            axis.plot(problem.optimum[:, i], ":", color=line.get_color())
        axis.set(title=f"{title}: {share:.0%} won", xlabel="round")
    axes[0].set_ylabel("log(weight / default)")
    axes[0].legend(
        frameon=False,
        title="dotted: the optimum",
        fontsize="small",
        ncols=4,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.24),
    )
    figure.savefig(PAGE.with_suffix(".png"), dpi=110)


def cost(rounds: int = 36) -> None:
    """Milliseconds of planning and judging a round, and of a step's weighted total; 10 losses, 8 members."""
    names = tuple(f"loss_{i}" for i in range(10))
    task = make_task(names, rounds, 8, defaults=None, groups=None, seed=0)
    strategy = make_strategy("ada-segment", {})
    strategy.start(task)
    random, spent = np.random.default_rng(0), []
    for t in range(rounds):
        started = time.perf_counter()
        plan = strategy.plan(t)
        middle = time.perf_counter()
        trials = [
            Trial(index=k, weights=weights, losses=dict.fromkeys(names, 1.0), reward=float(random.normal()))
            for k, weights in enumerate(plan.weights)
        ]
        again = time.perf_counter()
        strategy.judge(t, trials)
        spent.append(1e3 * (middle - started + time.perf_counter() - again))
    weighting = FixedWeighting(plan.weights[0])
    losses = {name: torch.ones((), requires_grad=True) * 1.0 for name in names}
    started = time.perf_counter()
    for _ in range(1000):
        weighting.total(losses)
    spent_on_total = time.perf_counter() - started
    figures = {
        "round_ms_median": round(float(np.median(spent)), 1),
        "round_ms_max": round(max(spent), 1),
        "step_ms": round(spent_on_total, 3),
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }
    print(json.dumps(figures))
    COST.write_text(json.dumps(figures) + "\n")


def main(
    seeds: Annotated[int, typer.Option(help="problems of each kind")] = 100,
    processes: Annotated[int, typer.Option(help="how many at once")] = 2,
    table: Annotated[bool, typer.Option("--table", help="only rewrite the tables of the page")] = False,
    figure: Annotated[bool, typer.Option("--figure", help="only draw the figure of the page")] = False,
    cost_only: Annotated[bool, typer.Option("--cost", help="only measure the controller's time")] = False,
) -> None:
    if table:
        write_page()
    elif figure:
        draw()
    elif cost_only:
        cost()
    else:
        run_all(seeds, processes)


if __name__ == "__main__":
    typer.run(main)
