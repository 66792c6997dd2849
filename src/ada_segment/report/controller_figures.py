"""Figures of the controller: what it wanted, how sure it was, and how noisy its rewards were."""

import math
from collections.abc import Mapping

from matplotlib.figure import Figure

from ada_segment.report.colours import BLUE, ORANGE, VERMILION, loss_styles
from ada_segment.report.figure_data import doubts, noise, spread, surprise, wanted
from ada_segment.report.figure_lines import FARTHEST, draw_lines, last, log2_axis
from ada_segment.report.figure_style import INK_OF_PAPER, LEGEND_ROWS, add_legend, canvas
from ada_segment.report.history import History


def controller_figure(
    history: History, *, defaults: Mapping[str, float] | None = None, legend: bool = True, ink: str = INK_OF_PAPER
) -> Figure | None:
    """What the controller wanted, round by round, relative to the defaults.

    The band is one standard deviation of what it believed of each weight; where it does not tell, of its steps.
    None where the journal holds no such notes, since the strategy learns nothing.
    """
    paths = wanted(history, defaults)
    if not paths:
        return None
    with canvas(ink) as (figure, axes):
        steps = {record.round + 1: float(record.controller.get("step") or 0.0) for record in history.rounds}
        told = doubts(history)
        if len(history.losses) <= LEGEND_ROWS:
            for name, style in loss_styles(history.losses).items():
                path = paths.get(name, [])
                widths = [told[name].get(place, 0.0) if name in told else steps[place] for place, _ in path]
                if any(widths):
                    low = [value * math.exp(-width) for (_, value), width in zip(path, widths, strict=True)]
                    high = [value * math.exp(width) for (_, value), width in zip(path, widths, strict=True)]
                    axes.fill_between(
                        [place for place, _ in path], low, high, color=style.colour, alpha=0.1, linewidth=0
                    )
        draw_lines(axes, paths, history.losses, far=FARTHEST)
        log2_axis(axes, ink)
        axes.set_ylabel("wanted weight / default weight")
        add_legend(figure, last(paths), history.losses, legend=legend)
    return figure


def noise_figure(history: History, *, unit: str = "", ink: str = INK_OF_PAPER) -> Figure | None:
    """Round by round: the spread of the members' rewards, the error of their predictions, the noise as estimated.

    None where no round has two rewards.

    Args:
        history: the run.
        unit: of the reward, for the axis.
        ink: colour of text and axes.
    """
    kinds = (
        ("spread", "spread of the members (SD)", spread, BLUE, ()),
        ("surprise", "error of the predictions (RMS)", surprise, ORANGE, (4.0, 1.5)),
        ("noise", "noise as estimated (SD)", noise, VERMILION, (1.2, 1.2)),
    )
    if all(spread(record) is None for record in history.rounds):
        return None
    with canvas(ink) as (figure, axes):
        for gid, label, measure, colour, dash in kinds:
            path = [(record.round + 1, measure(record)) for record in history.rounds]
            if any(value is not None for _, value in path):
                places, values = zip(*((place, value) for place, value in path if value is not None), strict=True)
                style = (0.0, dash) if dash else "solid"
                marker = "o" if len(places) == 1 else ""
                axes.plot(places, values, color=colour, linestyle=style, marker=marker, label=label, gid=gid)
        axes.set_ylim(0, 1.4 * axes.get_ylim()[1])  # room for the legend
        axes.set_ylabel(f"reward{unit}")
        axes.legend(loc="upper right", frameon=False)
    return figure
