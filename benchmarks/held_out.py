"""Does what searches have learned hold in another one? Differences of rewards foretold, and those that came.

    python benchmarks/held_out.py --arm "ada-segment, moving average, PQ" --regime scenes

Reads the run folders that benchmarks/evidence.py left under --out. Each search in turn is held out: a controller that
has learned from one of the others, and one that has learned from all of them, foretell the differences between its
rewards within each round. One line a set of beliefs in benchmarks/results/held_out.jsonl.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import results_file
from evidence import ARMS, REGIMES, RING, ROOT, Job
from evidence import NAME as EVIDENCE

from ada_segment.controller.bayesian import BayesianController
from ada_segment.controller.reward_model import BayesianSettings
from ada_segment.controller.stored import load_controller

NAME = "held_out"
BELIEFS: dict[str, dict[str, Any]] = {
    "as they are": {},
    "rewards do not fade": {"fading": (0.0,)},
    "the optimum may walk further": {"walk": (0.0, 0.1, 0.25)},
    "the optimum does not walk": {"walk": (0.0,)},
    "the state does not matter": {"steer": (0.0,)},
}


def differences(controller: BayesianController, held: BayesianController) -> tuple[np.ndarray, np.ndarray]:
    """Within the rounds that `held` has learned from: what `controller` foretells, and what came."""
    foretold, came = [], []
    for round in held.state_dict()["rounds"]:
        rewards = np.array(round["rewards"])
        expected = controller.predict(np.array(round["state"]), np.array(round["x"]))
        came.append(rewards - rewards.mean())
        foretold.append(expected - expected.mean())
    return np.concatenate(foretold), np.concatenate(came)


def measure(searches: list[BayesianController]) -> dict[str, Any]:
    """Correlation and share of the variance foretold, by one other search and by all others together."""
    figures: dict[str, Any] = {}
    for teachers in ("one", "all"):
        pairs = []
        for held in searches:
            others = [search for search in searches if search is not held]
            for learned in [[other] for other in others] if teachers == "one" else [others]:
                pairs.append(differences(BayesianController.pooled(learned), held))
        foretold, came = (np.concatenate(side) for side in zip(*pairs, strict=True))
        figures[teachers] = {
            "correlation": round(float(np.corrcoef(foretold, came)[0, 1]), 3),
            "explained": round(float(1 - ((came - foretold) ** 2).mean() / (came**2).mean()), 3),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", choices=REGIMES, default="scenes-ema")
    parser.add_argument("--arm", choices=ARMS, default="ada-segment")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / EVIDENCE)
    arguments = parser.parse_args()
    folders = [Job(arguments.regime, arguments.arm, seed, arguments.out).folder for seed in range(RING)]
    searches = [load_controller(folder) for folder in folders if (folder / "metrics.json").exists()]
    if len(searches) < 3:
        raise SystemExit(
            f"{len(searches)} searches in {folders[0].parent}: make at least 3 with benchmarks/evidence.py"
        )
    for name, beliefs in BELIEFS.items():
        figures = measure([search.under(BayesianSettings(**beliefs)) for search in searches])
        about = {"regime": arguments.regime, "arm": arguments.arm, "searches": len(searches), "beliefs": name}
        results_file.append(NAME, about | figures)
        print(name, figures, flush=True)


if __name__ == "__main__":
    main()
