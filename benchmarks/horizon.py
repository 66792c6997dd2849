"""What does a round's reward say of the end? Slopes of the reward along the log-weight of each part of the model.

    python benchmarks/horizon.py --regime scenes-ema

Three slopes, from trainings whose weights have the geometric mean of the defaults, as a search gives them: of the
reward after one round, among members that started it alike (what a search learns from); of the reward after several
epochs, on the mean log-weights until then, among whole trainings; and of the test PQ, on those of the whole training.
If the first had the sign of the last, rewards after a round would lead to the best weights in the end.
The table in docs/results.md is made from the lines and controllers that benchmarks/evidence.py keeps.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from evidence import BEST_PREDICTED, PARTS, REGIMES, RING, ROOT, Job
from evidence_tables import is_long, of_regime, pq
from markdown_table import Line, table

from ada_segment.config import resolve
from ada_segment.controller.space import LogWeights
from ada_segment.panoptic.registry import loss_table
from ada_segment.report.student import quantile
from ada_segment.storage import load_state

SEARCHES = ("ada-segment", BEST_PREDICTED)
ROUNDS = ((1, 2), (3, 4), (5, 8), (9, 14))
EPOCHS = (2, 4, 8, 14)
Slope = tuple[float, float]
"""PQ per unit of log-weight, and half the width of its 95 % interval."""


def space_of(regime: str) -> LogWeights:
    about = REGIMES[regime]
    losses = loss_table(resolve(preset=about.preset, flags=about.flags).model)
    return LogWeights(list(losses.defaults), defaults=losses.defaults, groups=losses.groups)


def after_a_round(regime: str, first: int, last: int) -> tuple[int, list[Slope]]:
    """How many rounds of searches there are, and a slope for each of PARTS."""
    space, features, rewards = space_of(regime), [], []
    for job in (Job(regime, arm, seed, ROOT) for arm in SEARCHES for seed in range(RING)):
        for round in load_state(job.kept)["rounds"][first - 1 : last] if job.kept.exists() else []:
            x, came = by_part(space, np.array(round["x"])), np.array(round["rewards"])
            features.append(x - x.mean(0))
            rewards.append(came - came.mean())
    freedom = sum(len(came) - 1 for came in rewards) - (len(PARTS) - 1)
    return len(rewards), slopes(space, np.concatenate(features), np.concatenate(rewards), freedom=freedom)


def after_epochs(regime: str, epochs: int | None) -> tuple[int, list[Slope]]:
    """The same of whole trainings: of the reward after so many epochs, or of the test PQ at the end.

    Beside the slopes stand a parabola of each part and a level of each seed.
    """
    space, lines = space_of(regime), comparable(regime)
    x = np.stack([by_part(space, log_weights(space, line)[:epochs]).mean(0) for line in lines])
    came = np.array([pq(line) if epochs is None else line["rewards"][epochs - 1] for line in lines])
    beside = np.column_stack([x**2, [[line["seed"] == seed for seed in range(RING)] for line in lines]])
    off = np.eye(len(lines)) - beside @ np.linalg.pinv(beside)
    freedom = len(lines) - beside.shape[1] - (len(PARTS) - 1)
    return len(lines), slopes(space, off @ x, off @ came, freedom=freedom)


def comparable(regime: str) -> list[Line]:
    """Trainings of the regime's own length whose weights are such as a search may try."""
    space, lines = space_of(regime), of_regime(regime)
    rounds = next(line["rounds"] for line in lines if line["arm"] == "default")
    same = [line for line in lines if line["rounds"] == len(line["rewards"]) == rounds and not is_long(line["arm"])]
    return [
        line for line in same if np.allclose(x := log_weights(space, line), [space.untied().project(row) for row in x])
    ]


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
    rows: list[list[object]] = []
    for first, last in ROUNDS:
        rows.append(
            _row(f"reward after a round, rounds {first} to {last}", "rounds", *after_a_round(regime, first, last))
        )
    for epochs in EPOCHS:
        rows.append(_row(f"reward after {epochs} epochs", "trainings", *after_epochs(regime, epochs)))
    rows.append(_row("test PQ", "trainings", *after_epochs(regime, None)))
    return table(["slope of", "of how many", *PARTS], rows)


def _row(what: str, of_what: str, count: int, by_part: Sequence[Slope]) -> list[object]:
    cells = (f"{slope:+.2f} ± {half:.2f}" for slope, half in by_part)
    return [what, f"{count} {of_what}", *cells]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", choices=REGIMES, default="scenes-ema")
    print(found(parser.parse_args().regime))


if __name__ == "__main__":
    main()
