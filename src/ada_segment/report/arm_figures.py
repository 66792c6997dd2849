"""Figures of several runs: arms side by side, differences paired by seed, curves and weights of each arm."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ada_segment.report.arms import (
    MEASURES,
    Arm,
    by_reward,
    differences,
    headline,
    measured,
    pairs_measured,
)
from ada_segment.report.colours import loss_styles
from ada_segment.report.figure_data import Data, Lines, lines
from ada_segment.report.figure_lines import FARTHEST, draw_lines, last, log2_axis
from ada_segment.report.figure_style import INK_OF_PAPER, SIZE, add_legend, canvas, shown
from ada_segment.report.run_files import Run
from ada_segment.report.student import estimate
from ada_segment.report.wording import geometric_mean, relative

ROW = 0.34  # inches an arm
CURVES = 7  # arms whose curves can be told apart by colour alone


def draw_arms(
    runs: Sequence[Run], arms: Sequence[Arm], *, legend: bool = True, ink: str = INK_OF_PAPER
) -> dict[str, Figure]:
    """All figures that the runs have something to show in, by file name without ending."""
    measure = headline(runs)
    rows = [[measured(run, measure) for run in arm.runs] for arm in arms]
    drawn = {"arms": _dots([arm.name for arm in arms], rows, label=MEASURES[measure], ink=ink)}
    compared = differences(arms)
    if compared:
        names, rows = [], []
        alike = len({one.reference.name for one in compared}) == 1
        for one in compared:
            pairs = pairs_measured(one, runs, measure)
            names.append(one.arm.name if alike else f"{one.arm.name} – {one.reference.name}")
            rows.append([_gap(runs, pair, measure) for pair in pairs])
        label = f"{MEASURES[measure]}, less that of {compared[0].reference.name if alike else 'the other'}"
        drawn["differences"] = _dots(names, rows, label=label, ink=ink, zero=True)
    for name, places in _curve_figures(arms).items():
        drawn[name] = _curves(arms, places, label=arms[places[0]].runs[0].reward_label, ink=ink)
    names_of_losses = list(dict.fromkeys(name for run in runs for name in run.history.losses))
    for place, arm in enumerate(arms):
        if not arm.is_default and (paths := _weights(arm)):
            drawn[f"weights{place}"] = _weight_figure(paths, names_of_losses, legend=legend, ink=ink)
    return drawn


def data_of_arms(runs: Sequence[Run], arms: Sequence[Arm]) -> dict[str, Data]:
    """The numbers behind each of these figures, by the same names."""
    table = [
        (arm.name, run.seed, str(run.path), *(measured(run, measure) for measure in MEASURES))
        for arm in arms
        for run in arm.runs
    ]
    found = {"arms": Data(("arm", "seed", "run", *(_slug(measure) for measure in MEASURES)), tuple(table))}
    compared = differences(arms)
    if compared:
        gaps = [
            (one.arm.name, one.reference.name, measure, runs[pair[0]].seed, _gap(runs, pair, measure))
            for one in compared
            for measure in MEASURES
            for pair in pairs_measured(one, runs, measure)
        ]
        found["differences"] = Data(("arm", "reference", "measure", "seed", "difference"), tuple(gaps))
    for name, places in _curve_figures(arms).items():
        curves = [
            (arms[place].name, run.seed, record.round + 1, member.reward)
            for place in places
            for run in arms[place].runs
            for record, member in run.history.lineage
        ]
        found[name] = Data(("arm", "seed", "round", "reward"), tuple(curves))
    for place, arm in enumerate(arms):
        rows = [(t, name, value) for name, path in _weights(arm).items() for t, value in path]
        found[f"weights{place}"] = Data(("round", "loss", "weight_to_default"), tuple(rows))
    return found


def _slug(measure: str) -> str:
    return measure.replace(" ", "_")


def _gap(runs: Sequence[Run], pair: tuple[int, int], measure: str) -> float:
    ours, theirs = (measured(runs[place], measure) for place in pair)
    assert ours is not None
    assert theirs is not None
    return ours - theirs


def _dots(
    names: Sequence[str], rows: Sequence[Sequence[float | None]], *, label: str, ink: str, zero: bool = False
) -> Figure:
    """A row an arm: a ring a run, the mean, and its 95 % interval."""
    with canvas(ink) as (figure, axes):
        figure.set_size_inches(SIZE[0], max(0.6 * SIZE[1], 0.8 + ROW * len(names)))
        for place, (style, row) in enumerate(zip(loss_styles(names).values(), rows, strict=True)):
            height, values = len(names) - 1 - place, [value for value in row if value is not None]
            found = estimate(values)
            if found is None:
                continue
            line = (height, height)
            if found.half is not None:
                axes.plot(
                    (found.mean - found.half, found.mean + found.half),
                    line,
                    color=style.colour,
                    gid=f"interval-{place}",
                )
            axes.plot(
                values,
                [height] * len(values),
                linestyle="none",
                marker="o",
                markersize=5,
                markerfacecolor="none",
                markeredgecolor=style.colour,
                gid=f"runs-{place}",
            )
            axes.plot([found.mean], [height], marker="D", markersize=6, color=style.colour, gid=f"mean-{place}")
        if zero:
            axes.axvline(0.0, color=ink, linewidth=0.8, linestyle=(0, (1, 2)))
        labels = [shown(name if len(name) <= 26 else f"{name[:25]}…") for name in names]
        axes.set_yticks(range(len(names)), labels[::-1])
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.margins(x=0.1)
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6))  # no rounds here, which are whole numbers
    return figure


def _curve_figures(arms: Sequence[Arm]) -> dict[str, list[int]]:
    """Figures of rewards, one for those of each kind, with the places of the arms in each."""
    return {f"curves{number or ''}": places for number, places in enumerate(by_reward(arms))}


def _curves(arms: Sequence[Arm], drawn: Sequence[int], *, label: str, ink: str) -> Figure:
    """Reward of the model carried on, the mean over an arm's runs; the band is the 95 % interval of that mean."""
    rewards: list[float] = []
    with canvas(ink) as (figure, axes):
        styles = list(loss_styles([arm.name for arm in arms]).values())
        for place in drawn:
            arm, style = arms[place], styles[place]
            paths = [
                {record.round + 1: member.reward for record, member in run.history.lineage if member.reward is not None}
                for run in arm.runs
            ]
            places = sorted(set.intersection(*(set(path) for path in paths)))
            found = [estimate([path[t] for path in paths]) for t in places]
            rewards += [path[t] for path in paths for t in places]
            means = [one.mean for one in found if one is not None]
            dash = (0.0, style.dash) if style.dash else "solid"
            marker = "o" if len(places) == 1 else ""
            axes.plot(
                places,
                means,
                color=style.colour,
                linestyle=dash,
                marker=marker,
                label=shown(arm.name),
                gid=f"arm-{place}",
            )
            halves = [one.half or 0.0 for one in found if one is not None]
            if any(halves) and len(drawn) <= CURVES:
                low = [value - half for value, half in zip(means, halves, strict=True)]
                high = [value + half for value, half in zip(means, halves, strict=True)]
                axes.fill_between(places, low, high, color=style.colour, alpha=0.12, linewidth=0)
        if rewards:
            # The band of two or three seeds is wide; the curves are what is looked at.
            axes.set_ylim(*_room(rewards, axes.get_ylim()))
        axes.set_ylabel(label)
        axes.legend(loc="lower right", frameon=False)
    return figure


def _room(values: Sequence[float], now: tuple[float, float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    spare = 0.6 * (high - low) or 1.0
    return max(now[0], low - spare), min(now[1], high + spare)


def _weights(arm: Arm) -> Lines:
    """Weight / default by round: the geometric mean over the arm's runs, of rounds that all of them have."""
    each = [lines(run.history, lambda weights, _, run=run: relative(weights, run.defaults)) for run in arm.runs]  # type: ignore[misc]
    found: Lines = {}
    for name in dict.fromkeys(name for paths in each for name in paths):
        by_round = [dict(paths.get(name, [])) for paths in each]
        common = sorted(set.intersection(*(set(path) for path in by_round)))
        if common:
            found[name] = [(t, geometric_mean([path[t] for path in by_round])) for t in common]
    return found


def _weight_figure(paths: Lines, names: Sequence[str], *, legend: bool, ink: str) -> Figure:
    with canvas(ink) as (figure, axes):
        draw_lines(axes, paths, names, far=FARTHEST)
        log2_axis(axes, ink)
        axes.set_ylabel("weight / default weight")
        add_legend(figure, last(paths), names, legend=legend)
    return figure
