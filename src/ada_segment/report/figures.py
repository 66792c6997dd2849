"""Figures of a run: rewards, weights, raw losses, and what share of the total each loss has."""

import math
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ada_segment.report.colours import BLUE, GREY, ORANGE, VERMILION, LineStyle, loss_styles
from ada_segment.report.figure_style import INK_OF_PAPER, LEGEND_ROWS, add_legend, canvas, hatch
from ada_segment.report.history import History
from ada_segment.report.wording import relative


def reward_figure(
    history: History,
    *,
    baseline: History | None = None,
    label: str = "reward",
    legend: bool = True,
    ink: str = INK_OF_PAPER,
) -> Figure:
    """Reward by round: a dot a member, the line of the model that was carried on, a star for the best.

    Args:
        history: the run.
        baseline: a run to compare with, usually one with default weights.
        label: of the vertical axis, with its unit.
        legend: whether to draw one.
        ink: colour of text and axes.
    """
    with canvas(ink) as (figure, axes):
        dots = [(r.round + 1, m.reward) for r in history.rounds for m in r.members if m.reward is not None]
        if dots:
            places, rewards = zip(*dots, strict=True)
            axes.scatter(places, rewards, s=11, color=BLUE, alpha=0.6, linewidths=0, label="a member")
        for_all = axes.get_xaxis_transform()
        failed = sorted({round + 1 for round, _, _ in history.failures})
        if failed:
            axes.scatter(
                failed, [0.02] * len(failed), marker="x", s=22, color=VERMILION, transform=for_all, label="a failure"
            )
        if baseline is not None:
            axes.plot(*_rewards(baseline), color=GREY, linestyle=(0, (4, 1.5)), label="default weights")
        if history.lineage:
            axes.plot(*_rewards(history), color=BLUE, linewidth=1.8, label="carried on")
        if history.best is not None:
            record, member = history.best
            where, reward = record.round + 1, member.reward or 0.0
            axes.plot([where], [reward], marker="*", color=ORANGE, markersize=11, label="the best", linestyle="none")
        axes.set_ylabel(label)
        if legend and axes.get_legend_handles_labels()[0]:
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
        lines = _lines(history, lambda weights, _: relative(weights, defaults))
        if len(history.losses) <= LEGEND_ROWS:
            for name, style in loss_styles(history.losses).items():
                _band(axes, history, name, style.colour, defaults)
        _draw_lines(axes, lines, history.losses)
        _log2_axis(axes, ink)
        axes.set_ylabel("weight / default weight")
        add_legend(figure, _last(lines), history.losses, legend=legend)
    return figure


def controller_figure(
    history: History, *, defaults: Mapping[str, float] | None = None, legend: bool = True, ink: str = INK_OF_PAPER
) -> Figure | None:
    """What the controller wanted, round by round, relative to the defaults; the band is its step, one deviation.

    None where the journal holds no such notes, since the strategy learns nothing.
    """
    noted = [(record.round + 1, record.controller) for record in history.rounds if record.controller.get("mean")]
    if not noted:
        return None
    lines: Lines = {}
    with canvas(ink) as (figure, axes):
        for place, notes in noted:
            for name, value in relative(notes["mean"], defaults).items():
                if value > 0:
                    lines.setdefault(name, []).append((place, value))
        steps = {place: float(notes.get("step") or 0.0) for place, notes in noted}
        if any(steps.values()) and len(history.losses) <= LEGEND_ROWS:
            for name, style in loss_styles(history.losses).items():
                path = lines.get(name, [])
                low = [value * math.exp(-steps[place]) for place, value in path]
                high = [value * math.exp(steps[place]) for place, value in path]
                axes.fill_between([place for place, _ in path], low, high, color=style.colour, alpha=0.1, linewidth=0)
        _draw_lines(axes, lines, history.losses)
        _log2_axis(axes, ink)
        axes.set_ylabel("wanted weight / default weight")
        add_legend(figure, _last(lines), history.losses, legend=legend)
    return figure


def loss_figure(
    history: History, *, baseline: History | None = None, legend: bool = True, ink: str = INK_OF_PAPER
) -> Figure:
    """Raw losses by round, log axis, of the model that was carried on; dotted for the baseline."""
    with canvas(ink) as (figure, axes):
        lines = _lines(history, lambda _, losses: losses)
        if baseline is not None:
            for name, path in _lines(baseline, lambda _, losses: losses).items():
                colour = loss_styles(history.losses).get(name, LineStyle(GREY, ())).colour
                axes.plot(*zip(*path, strict=True), color=colour, linewidth=1.0, linestyle=(0, (1, 1.5)), alpha=0.8)
        _draw_lines(axes, lines, history.losses)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("raw loss (dotted: default weights)" if baseline else "raw loss")
        add_legend(figure, _last(lines), history.losses, legend=legend)
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
        add_legend(
            figure, _last(_lines(history, lambda _, losses: losses)), history.losses, legend=legend, stacked=True
        )
    return figure


def shares(weights: Mapping[str, float], losses: Mapping[str, float]) -> dict[str, float]:
    """weight x loss / total, by name; of the absolute values, since some losses are negative. 0 where all are."""
    parts = {name: abs(weights.get(name, 0.0) * loss) for name, loss in losses.items()}
    total = sum(parts.values())
    return {name: part / total if total else 0.0 for name, part in parts.items()}


def draw_all(
    history: History,
    *,
    defaults: Mapping[str, float] | None = None,
    baseline: History | None = None,
    reward_label: str = "reward",
    legend: bool = True,
    ink: str = INK_OF_PAPER,
) -> dict[str, Figure]:
    """All figures that the history has something to show in, by file name without ending."""
    drawn = {
        "reward": reward_figure(history, baseline=baseline, label=reward_label, legend=True, ink=ink),
        "weights": weight_figure(history, defaults=defaults, legend=legend, ink=ink),
        "shares": share_figure(history, legend=legend, ink=ink),
        "losses": loss_figure(history, baseline=baseline, legend=legend, ink=ink),
        "controller": controller_figure(history, defaults=defaults, legend=legend, ink=ink),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


Lines = dict[str, list[tuple[int, float]]]


def _lines(
    history: History, values: Callable[[Mapping[str, float], Mapping[str, float]], Mapping[str, float]]
) -> Lines:
    """Name to (round from 1, value) along the lineage; values that a log axis cannot show are left out."""
    lines: Lines = {}
    for record, member in history.lineage:
        for name, value in values(member.weights, member.losses).items():
            if value > 0:
                lines.setdefault(name, []).append((record.round + 1, value))
    return lines


def _log2_axis(axes: Axes, ink: str) -> None:
    """Weights relative to their defaults: steps of two, and the default as a dotted line, always in view."""
    axes.axhline(1.0, color=ink, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_locator(LogLocator(base=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"×{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.45), max(high, 2.2))


def _last(lines: Lines) -> dict[str, float]:
    return {name: path[-1][1] for name, path in lines.items()}


def _draw_lines(axes: Axes, lines: Lines, names: Sequence[str]) -> None:
    styles = loss_styles(names)
    together: dict[tuple[tuple[int, float], ...], list[str]] = {}
    for name, path in lines.items():
        together.setdefault(tuple((place, round(value, 9)) for place, value in path), []).append(name)
    for shared, sharing in together.items():
        for place, name in enumerate(sharing):
            style = styles.get(name, LineStyle(GREY, ()))
            dash: tuple[float, tuple[float, ...]] | str = (0.0, style.dash) if style.dash else "solid"
            if len(sharing) > 1:
                # Losses tied to one another: each colours its part of the common line.
                dash = (-4.0 * place, (4.0, 4.0 * (len(sharing) - 1)))
            marker = "o" if len(shared) == 1 else ""
            places, values = zip(*shared, strict=True)
            axes.plot(places, values, color=style.colour, linestyle=dash, marker=marker, dash_capstyle="butt")


def _band(axes: Axes, history: History, name: str, colour: str, defaults: Mapping[str, float] | None) -> None:
    """From the least to the greatest weight that the members of a round had."""
    rows = []
    for record in history.rounds:
        values = [relative(m.weights, defaults)[name] for m in record.members if m.weights.get(name, 0.0) > 0]
        if values:
            rows.append((record.round + 1, min(values), max(values)))
    if rows:
        places, low, high = zip(*rows, strict=True)
        axes.fill_between(places, low, high, color=colour, alpha=0.1, linewidth=0)
