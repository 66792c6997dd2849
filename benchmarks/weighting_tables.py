"""Tables of the page on weightings: what each costs, and how they did against each other on scenes."""

import results_file
from evidence import LOOK_AT_GRADIENTS, LOOK_AT_LOSSES
from evidence_tables import ELSEWHERE, FURTHER, by_seed, changes, of_regime, pq, shown
from markdown_table import table, where

from ada_segment.report.student import estimate

# Arms of benchmarks/evidence.py that train one model, and the search beside them.
COMPARED = {
    "scenes-ema": ("default", *LOOK_AT_LOSSES, "random", "ada-segment", "transfer", "transfer, four searches"),
    "scenes-ten-losses": ("default", *LOOK_AT_LOSSES, "random", ELSEWHERE, FURTHER),
    "scenes": ("default", *LOOK_AT_GRADIENTS),
}
"""Of each regime, the arms that a reader who chooses a weighting should see."""


def cost() -> str:
    """The newest run of benchmarks/weighting_cost.py."""
    rows: list[list[object]] = []
    lines = results_file.read("weighting_cost")[-1:]
    for line in lines:
        for name, figures in line["methods"].items():
            own = figures["own_ms"]
            rows.append(
                [
                    f"`{name}`" if " " not in name else name,
                    figures["backward_passes"],
                    "" if own is None else f"{own:.2f} ms",
                    "" if own is None else f"{100 * figures['own_share']:.2f} %",
                    f"{figures['ratio']:.2f}",
                ]
            )
    headings = ["weighting", "extra backward passes", "own time a step", "share of a step", "whole step, ratio"]
    about = [
        f"{where(line)}; {line['losses']} losses, {line['step_ms']:.0f} ms a step, {line['turns']} steps of each in "
        f"turns, medians; load of the machine {line['load']}."
        for line in lines
    ]
    return "\n\n".join([*about, table(headings, rows)])


def compared(regime: str) -> str:
    """PQ of weightings that have been trained in the regime, beside its default weights."""
    lines = of_regime(regime)
    baseline = by_seed(lines, "default")
    rows: list[list[object]] = []
    for arm in COMPARED[regime]:
        runs = [line for line in lines if line["arm"] == arm]
        bases = baseline if arm != "default" else {}
        if runs:
            trainings = sum(run["epochs"] for run in runs) / sum(run["rounds"] for run in runs)
            rows.append(
                [
                    arm,
                    len(runs),
                    shown(estimate([pq(run) for run in runs])),
                    shown(estimate(changes(runs, bases)), signed=True),
                    f"{trainings:.0f}",
                ]
            )
    return table(["weights", "seeds", "PQ", "less default", "trainings"], rows)
