"""Figures of a run: rewards, weights, raw losses, and what share of the total each loss has."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ada_segment.report.colours import BLUE, GREY, ORANGE, VERMILION, LineStyle, loss_styles
from ada_segment.report.figure_data import band, lines, shares
from ada_segment.report.figure_lines import FARTHEST, draw_lines, last, log2_axis
from ada_segment.report.figure_style import INK_OF_PAPER, LEGEND_ROWS, add_legend, canvas, hatch
from ada_segment.report.history import History
from ada_segment.report.wording import relative


def reward_figure(
    history: History,
    *,
    baseline: History | None = None,
    rival: str = "default weights",
    label: str = "reward",
    ink: str = INK_OF_PAPER,
) -> Figure:
    """Reward by round: a dot a member, the line of the model that was carried on, a star for the best.

    Args:
        history: the run.
        baseline: a run to compare with, usually one with default weights.
        rival: what the baseline is called.
        label: of the vertical axis, with its unit.
        ink: colour of text and axes.
    """
    with canvas(ink) as (figure, axes):
        dots = [(r.round + 1, m.reward) for r in history.rounds for m in r.members if m.reward is not None]
        if dots:
            places, rewards = zip(*dots, strict=True)
            axes.scatter(places, rewards, s=11, color=BLUE, alpha=0.6, linewidths=0, label="a member", gid="members")
        for_all = axes.get_xaxis_transform()
        failed = sorted({round + 1 for round, _, _ in history.failures})
        if failed:
            axes.scatter(
                failed, [0.02] * len(failed), marker="x", s=22, color=VERMILION, transform=for_all, label="a failure"
            )
        if baseline is not None:
            axes.plot(*_rewards(baseline), color=GREY, linestyle=(0, (4, 1.5)), label=rival, gid="baseline")
        if history.lineage:
            axes.plot(*_rewards(history), color=BLUE, linewidth=1.8, label="carried on", gid="carried")
        if history.best is not None:
            record, member = history.best
            where, reward = record.round + 1, member.reward or 0.0
            axes.plot([where], [reward], marker="*", color=ORANGE, markersize=11, label="the best", linestyle="none")
        axes.set_ylabel(label)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower right", frameon=False)
    return figure


def _rewards(history: History) -> tuple[list[int], list[float]]:
    """Round, from 1, and reward along the lineage."""
    path = [(record.round + 1, member.reward) for record, member in history.lineage if member.reward is not None]
    return [place for place, _ in path], [reward for _, reward in path]


def weight_figure(
    history: History, *, defaults: Mapping[str, float] | None = None, legend: bool = True, ink: str = INK_OF_PAPER
) -> Figure:
    """Weight / default by round, log2 axis: the line is the model that was carried on, the band all members.

    Losses that share a line share it in turns of colour. A weight of 0 is left out.
    """
    with canvas(ink) as (figure, axes):
        drawn = lines(history, lambda weights, _: relative(weights, defaults))
        if len(history.losses) <= LEGEND_ROWS:
            for name, style in loss_styles(history.losses).items():
                if rows := band(history, name, defaults):
                    places, low, high = zip(*rows, strict=True)
                    axes.fill_between(places, low, high, color=style.colour, alpha=0.1, linewidth=0)
        draw_lines(axes, drawn, history.losses, far=FARTHEST)
        log2_axis(axes, ink)
        axes.set_ylabel("weight / default weight")
        add_legend(figure, last(drawn), history.losses, legend=legend)
    return figure


def loss_figure(
    history: History,
    *,
    baseline: History | None = None,
    rival: str = "default weights",
    legend: bool = True,
    ink: str = INK_OF_PAPER,
) -> Figure:
    """Raw losses by round, log axis, of the model that was carried on; dotted for the baseline."""
    with canvas(ink) as (figure, axes):
        drawn = lines(history, lambda _, losses: losses)
        if baseline is not None:
            for name, path in lines(baseline, lambda _, losses: losses).items():
                colour = loss_styles(history.losses).get(name, LineStyle(GREY, ())).colour
                axes.plot(*zip(*path, strict=True), color=colour, linewidth=1.0, linestyle=(0, (1, 1.5)), alpha=0.8)
        draw_lines(axes, drawn, history.losses)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel(f"raw loss (dotted: {rival})" if baseline else "raw loss")
        add_legend(figure, last(drawn), history.losses, legend=legend)
    return figure


def share_figure(history: History, *, legend: bool = True, ink: str = INK_OF_PAPER) -> Figure:
    """Share of each loss in the total, weight x loss / sum of them, by round, of the model that was carried on."""
    with canvas(ink) as (figure, axes):
        rounds = [(r.round + 1, shares(m.weights, m.losses)) for r, m in history.lineage if m.losses]
        styles = loss_styles(history.losses)
        if rounds:
            heights = [[100 * share.get(name, 0.0) for _, share in rounds] for name in history.losses]
            places = [float(place) for place, _ in rounds]
            if len(places) == 1:  # an area needs two ends
                places, heights = [places[0] - 0.4, places[0] + 0.4], [row * 2 for row in heights]
            axes.stackplot(
                places, heights, colors=[styles[name].colour for name in history.losses], alpha=0.85, linewidth=0
            )
            hatch(axes.collections, [styles[name] for name in history.losses])
        axes.set_ylim(0, 100)
        axes.set_ylabel("share of the weighted total, %")
        add_legend(figure, last(lines(history, lambda _, losses: losses)), history.losses, legend=legend, stacked=True)
    return figure
