"""Does what searches have learned hold in another one? Differences of rewards foretold, and those that came.

    python benchmarks/held_out.py --arm "ada-segment, moving average, PQ" --regime scenes

Reads what benchmarks/evidence.py keeps of searches under benchmarks/results/controllers/. Each search in turn is held
out: a controller that has learned from one of the others, and one that has learned from all of them, foretell the
differences between its rewards within each round; so does it itself, each round from the rounds before. One line a set
of beliefs in benchmarks/results/held_out.jsonl.
"""

import argparse
from typing import Any

import numpy as np
import results_file
from evidence import REGIMES, RING, ROOT, TEACHERS, Job

from ada_segment.controller.bayesian import BayesianController
from ada_segment.controller.reward_model import BayesianSettings
from ada_segment.controller.stored import load_controller

NAME = "held_out"
BELIEFS: dict[str, dict[str, Any]] = {
    "as they are": {},
    "optima lie wider": {"spread": 0.8},
    "rewards do not fade": {"fading": (0.0,)},
    "the optimum may walk further": {"walk": (0.0, 0.1, 0.25)},
    "the optimum does not walk": {"walk": (0.0,)},
    "the state does not matter": {"steer": (0.0,)},
}


Sides = tuple[np.ndarray, np.ndarray]
FIRST_FORETOLD = 3
"""A search itself is asked from its fourth round on."""


def differences(controller: BayesianController, held: BayesianController, *, learning: bool = False) -> Sides:
    """Within the rounds that `held` has learned from: what `controller` foretells, and what came.

    learning: after each round it learns what came.
    """
    foretold, came = [], []
    for round in held.state_dict()["rounds"]:
        state, x, rewards = (np.array(round[key]) for key in ("state", "x", "rewards"))
        expected = controller.predict(state, x)
        came.append(rewards - rewards.mean())
        foretold.append(expected - expected.mean())
        if learning:
            controller.learn(state, x, rewards, after=round["after"])
    first = FIRST_FORETOLD if learning else 0
    return np.concatenate(foretold[first:]), np.concatenate(came[first:])


def itself(search: BayesianController) -> Sides:
    fresh = BayesianController.from_state({**search.state_dict(), "before": None, "rounds": []})
    return differences(fresh, search, learning=True)


def measure(searches: list[BayesianController]) -> dict[str, Any]:
    """Correlation and share of the variance foretold, by a search itself, one other and all others together."""
    by_teacher: dict[str, list[Sides]] = {"itself": [itself(search) for search in searches], "one": [], "all": []}
    for held in searches:
        others = [search for search in searches if search is not held]
        by_teacher["one"] += [differences(BayesianController.pooled([other]), held) for other in others]
        by_teacher["all"].append(differences(BayesianController.pooled(others), held))
    figures = {}
    for teacher, pairs in by_teacher.items():
        foretold, came = (np.concatenate(side) for side in zip(*pairs, strict=True))
        figures[teacher] = {
            "correlation": round(float(np.corrcoef(foretold, came)[0, 1]), 3),
            "explained": round(float(1 - ((came - foretold) ** 2).mean() / (came**2).mean()), 3),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", choices=REGIMES, default="scenes-ema")
    parser.add_argument("--arm", choices=TEACHERS, default="ada-segment")
    arguments = parser.parse_args()
    kept = [Job(arguments.regime, arguments.arm, seed, ROOT).kept for seed in range(RING)]
    searches = [load_controller(path) for path in kept if path.exists()]
    if len(searches) < 3:
        raise SystemExit(f"{len(searches)} of them are kept: make at least 3 with benchmarks/evidence.py")
    for name, beliefs in BELIEFS.items():
        figures = measure([search.under(BayesianSettings(**beliefs)) for search in searches])
        about = {"regime": arguments.regime, "arm": arguments.arm, "searches": len(searches), "beliefs": name}
        results_file.append(NAME, about | figures)
        print(name, figures, flush=True)


if __name__ == "__main__":
    main()
