"""What does a round's reward say of the end? Slopes of the reward along the log-weight of each part of the model.

    python benchmarks/horizon.py --regime scenes-ema

Three slopes, from trainings whose weights have the geometric mean of the defaults, as a search gives them: of the
reward after one round, among members that started it alike (what a search learns from); of the reward after several
epochs, on the mean log-weights until then, among whole trainings; and of the test PQ, on those of the whole training.
If the first had the sign of the last, rewards after a round would lead to the best weights in the end.
The table in docs/results-earlier.md is made from the lines and controllers that benchmarks/evidence.py keeps.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from evidence import BEST_PREDICTED, PARTS, REGIMES, RING, ROOT, Job
from evidence_tables import is_long, of_regime, pq
from markdown_table import Line, table

from ada_segment.controller.space import LogWeights
from ada_segment.report.student import quantile
from ada_segment.storage import load_state

SEARCHES = ("ada-segment", BEST_PREDICTED)
ROUNDS = ((1, 2), (3, 4), (5, 8), (9, 14))
EPOCHS = (2, 4, 8, 14)
Slope = tuple[float, float]
"""PQ per unit of log-weight, and half the width of its 95 % interval."""


def after_a_round(space: LogWeights, rounds: Sequence[Mapping[str, Any]]) -> list[Slope]:
    """A slope for each of PARTS, from rounds as controllers store them."""
    features, rewards = [], []
    for round in rounds:
        x, came = by_part(space, np.array(round["x"])), np.array(round["rewards"])
        features.append(x - x.mean(0))
        rewards.append(came - came.mean())
    freedom = sum(len(came) - 1 for came in rewards) - (len(PARTS) - 1)
    return slopes(space, np.concatenate(features), np.concatenate(rewards), freedom=freedom)


def after_epochs(space: LogWeights, lines: Sequence[Line], epochs: int | None) -> list[Slope]:
    """The same of whole trainings: of the reward after so many epochs, or of the test PQ at the end.

    Beside the slopes stand a parabola of each part and a level of each seed.
    """
    x = np.stack([by_part(space, log_weights(space, line)[:epochs]).mean(0) for line in lines])
    came = np.array([pq(line) if epochs is None else line["rewards"][epochs - 1] for line in lines])
    beside = np.column_stack([x**2, [[line["seed"] == seed for seed in range(RING)] for line in lines]])
    off = np.eye(len(lines)) - beside @ np.linalg.pinv(beside)
    freedom = len(lines) - beside.shape[1] - (len(PARTS) - 1)
    return slopes(space, off @ x, off @ came, freedom=freedom)


def comparable(regime: str) -> list[Line]:
    """Trainings of the regime's own length and reward whose weights are such as a search may try."""
    space, settings = REGIMES[regime].space, REGIMES[regime].settings
    rounds, reward = settings.search.rounds, settings.training.reward
    lines = [line for line in of_regime(regime) if not is_long(line["arm"]) and line["reward"] == reward]
    return [
        line
        for line in lines
        if line["rounds"] == len(line["rewards"]) == rounds and may_be_tried(space.untied(), log_weights(space, line))
    ]


def may_be_tried(space: LogWeights, x: np.ndarray) -> bool:
    return np.allclose(x, [space.project(row) for row in x])


def log_weights(space: LogWeights, line: Line) -> np.ndarray:
    """[T, n], as they were."""
    schedule = line["schedule"] * (line["rounds"] if len(line["schedule"]) == 1 else 1)
    return np.log([[weights[name] / space.defaults[name] for name in space.names] for weights in schedule])


def by_part(space: LogWeights, x: np.ndarray) -> np.ndarray:
    """[..., n] to the mean over the losses of each of PARTS."""
    return np.stack([x[..., [space.groups[name] == part for name in space.names]].mean(-1) for part in PARTS], -1)


def slopes(space: LogWeights, x: np.ndarray, y: np.ndarray, *, freedom: int) -> list[Slope]:
    """By least squares along log-weights whose mean over the losses is 0."""
    counts = np.array([sum(space.groups[name] == part for name in space.names) for part in PARTS], float)
    free = np.linalg.svd(counts[None])[2][1:].T  # a basis of them
    design = x @ free
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ y
    variance = float(((y - design @ found) ** 2).sum()) / freedom
    wide = quantile(freedom) * np.sqrt(variance * np.diag(free @ inverse @ free.T))
    return list(zip((free @ found).tolist(), wide.tolist(), strict=True))


def found(regime: str) -> str:
    """The table."""
    space, lines = REGIMES[regime].space, comparable(regime)
    jobs = [Job(regime, arm, seed, ROOT) for arm in SEARCHES for seed in range(RING)]
    searches = [load_state(job.kept)["rounds"] for job in jobs if job.kept.exists()]
    if not searches:
        raise SystemExit(f"no search of {regime} is kept: make some with benchmarks/evidence.py")
    rows: list[list[object]] = []
    for first, last in ROUNDS:
        rounds = [round for search in searches for round in search[first - 1 : last]]
        what = f"reward after a round, rounds {first} to {last}"
        rows.append([what, f"{len(rounds)} rounds", *shown(after_a_round(space, rounds))])
    for epochs in (*EPOCHS, None):
        what = "test PQ" if epochs is None else f"reward after {epochs} epochs"
        rows.append([what, f"{len(lines)} trainings", *shown(after_epochs(space, lines, epochs))])
    return table(["slope of", "of how many", *PARTS], rows)


def shown(found: Sequence[Slope]) -> list[str]:
    return [f"{slope:+.2f} ± {half:.2f}" for slope, half in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", choices=REGIMES, default="scenes-ema")
    print(found(parser.parse_args().regime))


if __name__ == "__main__":
    main()
