"""Writes the tables in docs/ from the lines under benchmarks/results/; `--check` says whether they are old.

python benchmarks/tables.py
"""

import argparse
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import evidence_tables
import horizon
import noise_tables
import results_file
import weighting_tables
from evidence import FIVE, ONE_SIDE
from markdown_table import latest, table, where

DOCS = Path(__file__).parents[1] / "docs"
SIDED = "scenes-ema" + ONE_SIDE


def overfit() -> str:
    rows: list[list[object]] = []
    for line in latest(results_file.read("overfit"), "data", "model", "backbone"):
        pq = line["pq"]["usual"]
        rows.append(
            [
                line["data"],
                f"{line['size']} px",
                line["model"],
                line["backbone"],
                line["steps"],
                f"{pq['all']:.1f}",
                f"{pq['things']:.1f}",
                f"{pq['stuff']:.1f}",
                where(line),
            ]
        )
    return table(["data", "size", "model", "backbone", "steps", "PQ", "things", "stuff", "measured on"], rows)


def step_cost() -> str:
    rows: list[list[object]] = []
    for line in latest(results_file.read("step_cost"), "backbone", "size", "batch"):
        rows.append(
            [
                line["backbone"],
                f"{line['batch']} x {line['size']} px",
                f"{line['ratio']:.2f}",
                f"{line['ratio_least']:.2f} to {line['ratio_greatest']:.2f}",
                line["pairs"],
                where(line),
            ]
        )
    return table(["backbone", "batch", "ratio, median", "range", "pairs of steps", "measured on"], rows)


def pq() -> str:
    rows: list[list[object]] = []
    for line in results_file.read("pq")[-1:]:
        for kind, places in line["ms"].items():
            for place, contenders in places.items():
                for name, ms in contenders.items():
                    ratio = f"{1 / ms['to_first']:.2f}" if place == "files" and "ours" not in name else ""
                    rows.append([kind, place, name, f"{ms['median']:.2f}", f"{ms['least']:.2f}", ratio])
    return table(["masks", "from", "what", "ms per pair, median", "least", "ours over this"], rows)


def data_index() -> str:
    rows: list[list[object]] = []
    for line in results_file.read("data_index")[-1:]:
        for step, runs in line["runs"].items():
            if "seconds" in runs[0]:
                seconds, peaks = ([run[key] for run in runs] for key in ("seconds", "peak_mb"))
                rows.append([step, f"{min(seconds):.3g}", f"{max(seconds):.3g}", f"{max(peaks):.0f}"])
    return table(["step", "seconds, least", "greatest", "peak memory, MB"], rows)


def data_workers() -> str:
    rows: list[list[object]] = []
    for line in results_file.read("data_index")[-1:]:
        for run in line["runs"]["workers"]:
            rows.append(
                [line["pictures"], run["segments"], f"{run['one_mb']:.0f}", f"{run['four_mb']:.0f}", where(line)]
            )
    return table(["pictures", "segments", "one worker, MB", "four workers, MB in all", "measured on"], rows)


def reward_study() -> str:
    lines = latest(results_file.read("reward_study"), "rounds", "seed", "weights")
    runs = {(line["seed"], line["weights"]): line for line in lines}
    seeds = sorted({seed for seed, _ in runs if {(seed, "default"), (seed, "heads x4")} <= runs.keys()})
    if not seeds:
        return table(["reward"], [])
    pairs = [(runs[seed, "default"], runs[seed, "heads x4"]) for seed in seeds]
    final = [other["test_pq"] - default["test_pq"] for default, other in pairs]
    sign = 1 if statistics.mean(final) > 0 else -1
    epochs = len(pairs[0][0]["epochs"])
    rows: list[list[object]] = []
    for name in pairs[0][0]["epochs"][0]:
        gaps = [
            [other["epochs"][e][name]["value"] - default["epochs"][e][name]["value"] for e in range(epochs)]
            for default, other in pairs
        ]
        noise = statistics.mean(
            line["epochs"][e][name]["noise"] for pair in pairs for line in pair for e in range(epochs // 2, epochs)
        )
        means = [statistics.mean(gap[e] for gap in gaps) for e in range(epochs)]
        late = [e for e in range(epochs) if sign * means[e] <= 0]
        early = [sign * gap[e] > 0 for gap in gaps for e in range(epochs // 2)]
        values = [line["epochs"][-1][name]["value"] for pair in pairs for line in pair]
        test = [line["test_pq"] for pair in pairs for line in pair]
        rows.append(
            [
                name,
                f"{noise:.2f}",
                f"{means[-1]:+.2f}",
                f"{means[-1] / (noise * 2**0.5):+.2f}",
                f"{sum(early)} of {len(early)}",
                late[-1] + 2 if late and late[-1] + 2 <= epochs else ("never" if late else 1),
                f"{statistics.correlation(values, test):.2f}",
            ]
        )
    headings = [
        "reward",
        "noise",
        "gap at the end",
        "gap / noise of a gap",
        "right sign in the first half",
        "right from epoch",
        "correlation with the test PQ",
    ]
    scattered = ", ".join(f"{gap:+.1f}" for gap in final)
    return f"Test PQ at the end, heads x4 less default, seed by seed: {scattered}. {where(lines[-1])}.\n\n" + table(
        headings, rows
    )


def report_page() -> str:
    rows: list[list[object]] = []
    for line in results_file.read("report_page")[-1:]:
        for case in line["cases"]:
            size = (f"{case['rounds']} of {case['members']}", case["losses"])
            times = (f"{case['core_seconds']:.1f}", f"{case['clock_seconds']:.1f}")
            rows.append([*size, *times, f"{case['mb']:.1f}", where(line)])
    headings = ["rounds of members", "losses", "seconds of a core", "seconds of the clock", "MB", "measured on"]
    return table(headings, rows)


def executors() -> str:
    lines = results_file.read("executors")[-1:]
    rows: list[list[object]] = [
        [
            name,
            f"{seconds:.1f}",
            f"{line['faster'][name]['median']:.2f}",
            f"{line['faster'][name]['least']:.2f} to {line['faster'][name]['greatest']:.2f}",
            f"{line['starting'][name]:.0f}",
            f"{line['load_before']:.1f}",
            where(line),
        ]
        for line in lines
        for name, seconds in line["seconds"].items()
    ]
    headings = [
        "executor",
        "seconds a round",
        "times as fast",
        "range",
        "seconds to start",
        "load before",
        "measured on",
    ]
    return table(headings, rows)


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "checks.md": {
        "overfit": overfit,
        "step_cost": step_cost,
        "pq": pq,
        "data_index": data_index,
        "data_workers": data_workers,
        "reward_study": reward_study,
        "report_page": report_page,
    },
    "../README.md": {
        "gain": evidence_tables.gain,
        "carried_gain": evidence_tables.carried_gain,
    },
    "results.md": {
        "gain": evidence_tables.gain,
        "carried_gain": evidence_tables.carried_gain,
        "ema": lambda: evidence_tables.arms("scenes-ema"),
        "ema_seeds": lambda: evidence_tables.seeds("scenes-ema"),
        "ema_recognition": lambda: evidence_tables.recognition("scenes-ema"),
        "carried": evidence_tables.carried,
        "carried_further": lambda: evidence_tables.carried(arm=evidence_tables.FURTHER),
        "aligned": lambda: evidence_tables.aligned("scenes-ema"),
        "ten": lambda: evidence_tables.arms("scenes-ten-losses", ours=evidence_tables.FURTHER),
        "ten_ablation": lambda: evidence_tables.ablation("scenes-ten-losses"),
        "ten_seeds": lambda: evidence_tables.seeds("scenes-ten-losses"),
        "facades": lambda: evidence_tables.arms("facades-crops" + ONE_SIDE),
        "facades_seeds": lambda: evidence_tables.seeds("facades-crops" + ONE_SIDE),
        "facades_ten": lambda: evidence_tables.arms("facades-ten-losses"),
        "facades_ten_seeds": lambda: evidence_tables.seeds("facades-ten-losses"),
        "facades_gpu": lambda: evidence_tables.arms("facades-gpu"),
        "facades_gpu_seeds": lambda: evidence_tables.seeds("facades-gpu"),
        "facades_gpu_shifted": lambda: evidence_tables.shifted("facades-gpu"),
        "facades_imagenet": lambda: evidence_tables.arms("facades-imagenet", ours=evidence_tables.FURTHER),
        "facades_imagenet_seeds": lambda: evidence_tables.seeds("facades-imagenet"),
        "coco_imagenet": lambda: evidence_tables.arms("coco-mini-imagenet"),
        "coco_imagenet_seeds": lambda: evidence_tables.seeds("coco-mini-imagenet"),
        "noise_of_rounds": noise_tables.of_rounds,
        "noise_of_searches": noise_tables.of_searches,
        "noise_of_seeds": lambda: noise_tables.of_seeds(
            {
                "scenes-ema": "fresh, 14 epochs, moving average",
                "scenes": "fresh, 14 epochs",
                "scenes-warm": "from the trained model, 14 epochs",
            }
        ),
    },
    "results-earlier.md": {
        "one_side": lambda: evidence_tables.arms(SIDED),
        "one_side_five": lambda: evidence_tables.arms(SIDED, FIVE),
        "one_side_seeds": lambda: evidence_tables.seeds(SIDED),
        "one_side_recognition": lambda: evidence_tables.recognition(SIDED),
        "ablation": lambda: evidence_tables.ablation(SIDED),
        "longer": lambda: evidence_tables.longer(SIDED),
        "one_side_carried": lambda: evidence_tables.carried(ONE_SIDE),
        "scenes": lambda: evidence_tables.arms("scenes"),
        "scenes_longer": lambda: evidence_tables.longer("scenes"),
        "scenes_seeds": lambda: evidence_tables.seeds("scenes"),
        "scenes_shifted": lambda: evidence_tables.shifted("scenes"),
        "warm": lambda: evidence_tables.arms("scenes-warm"),
        "warm_seeds": lambda: evidence_tables.seeds("scenes-warm"),
        "held_out": noise_tables.foretold,
        "horizon": lambda: horizon.found(SIDED),
    },
    "weightings.md": {
        "weighting_cost": weighting_tables.cost,
        "weightings_compared": lambda: weighting_tables.compared("scenes-ema"),
        "ten_compared": lambda: weighting_tables.compared("scenes-ten-losses"),
        "gradients_compared": lambda: weighting_tables.compared("scenes"),
    },
    "machines.md": {"executors": executors},
}
"""What makes the text between the markers <!-- NAME --> and <!-- /NAME --> of each document."""


def rewritten(document: Path, blocks: dict[str, Callable[[], str]]) -> str:
    """The document with each block between its markers made anew."""
    text = document.read_text()
    for name, make in blocks.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{document} has no block <!-- {name} --> ... <!-- /{name} -->")
        body = make()
        text = pattern.sub(lambda found, body=body: f"{found[1]}{body}\n{found[2]}", text)  # type: ignore[misc]
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for name, blocks in BLOCKS.items():
        document = DOCS / name
        new = rewritten(document, blocks)
        if not check:
            document.write_text(new)
        elif new != document.read_text():
            sys.exit(f"{document} is older than benchmarks/results; run python benchmarks/tables.py")


if __name__ == "__main__":
    main()
