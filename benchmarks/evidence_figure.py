"""Weights over time, search by search: what is common to all seeds, and what is noise.

    python benchmarks/evidence_figure.py --regime scenes-ema

Draws docs/pictures/dynamics-REGIME.svg from the lines that benchmarks/evidence.py wrote: a panel a loss, a thin line a
seed, their geometric mean in bold.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from evidence import REGIMES
from evidence_tables import of_regime
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ada_segment.panoptic.registry import loss_table
from ada_segment.report.colours import loss_styles
from ada_segment.report.figure_files import svg

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
ARM = "ada-segment"


def dynamics(regime: str) -> Figure:
    """Weight over default weight by round: one panel a loss."""
    runs = [line["schedule"] for line in of_regime(regime) if line["arm"] == ARM]
    if not runs:
        raise SystemExit(f"there is no search of {regime} yet: python benchmarks/evidence.py --regime {regime}")
    defaults = loss_table(REGIMES[regime].settings.model).defaults
    styles = loss_styles(defaults)
    columns = 3
    rows = -(-len(defaults) // columns)
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(2.6 * columns, 1.9 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (name, default) in zip(panels, defaults.items(), strict=False):
            factors = np.array([[weights[name] / default for weights in schedule] for schedule in runs])
            rounds = np.arange(1, factors.shape[1] + 1)
            for line in factors:
                axes.plot(rounds, line, color=styles[name].colour, linewidth=0.7, alpha=0.6)
            axes.plot(rounds, np.exp(np.log(factors).mean(axis=0)), color=styles[name].colour, linewidth=2.4)
            axes.axhline(1, color="#8a8a8a", linewidth=0.7, zorder=0)
            axes.set_yscale("log", base=2)
            axes.yaxis.set_major_locator(FixedLocator([0.25, 0.5, 1, 2, 4]))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"×{value:g}"))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_title(name, fontsize=9)
        for axes in panels[len(defaults) :]:
            axes.set_visible(False)
        figure.supxlabel("round", fontsize=9)
        figure.supylabel("weight / default weight", fontsize=9)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", choices=REGIMES, default="scenes-ema")
    regime = parser.parse_args().regime
    path = PICTURES / f"dynamics-{regime}.svg"
    path.write_text(svg(dynamics(regime), text_as_paths=True))
    print(path)


if __name__ == "__main__":
    main()
