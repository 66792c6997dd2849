"""How far apart the rewards of a round are where nothing but the order of the pictures differs, round by round.

    python benchmarks/noise_of_searches.py --regime scenes-ema

Reads the run folders that benchmarks/evidence.py left under --out: the members of a select-only search start each round
alike and have the same weights, so that their rewards differ by luck alone. One line in
benchmarks/results/noise_of_searches.jsonl.
"""

import argparse
import statistics
from pathlib import Path

import results_file
from evidence import NAME as EVIDENCE
from evidence import REGIMES, RING, ROOT, Job

from ada_segment.population.journal import FILE_NAME as JOURNAL
from ada_segment.population.journal import read_journal
from ada_segment.report.run_files import METRICS

NAME = "noise_of_searches"
ARM = "select-only"


def spreads(folder: Path) -> list[float]:
    """Standard deviation of the members' rewards in each round."""
    rounds = [[member["reward"] for member in record["members"]] for record in read_journal(folder / JOURNAL)]
    return [round(statistics.stdev(rewards), 3) for rewards in rounds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", choices=REGIMES, default="scenes-ema")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / EVIDENCE)
    arguments = parser.parse_args()
    folders = [Job(arguments.regime, ARM, seed, arguments.out).folder for seed in range(RING)]
    searches = [spreads(folder) for folder in folders if (folder / METRICS).exists()]
    if not searches:
        raise SystemExit(f"no {ARM} of {arguments.regime} in {arguments.out}: make some with benchmarks/evidence.py")
    results_file.append(NAME, {"regime": arguments.regime, "spreads": searches})
    print(searches)


if __name__ == "__main__":
    main()
