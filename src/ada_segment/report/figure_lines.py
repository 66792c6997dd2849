"""Lines of losses over the rounds, and the axis of their weights."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ada_segment.report.colours import GREY, LineStyle, loss_styles
from ada_segment.report.figure_data import Lines
from ada_segment.report.figure_style import LEGEND_ROWS

FARTHEST = 6
"""Lines that stand out among many."""


def log2_axis(axes: Axes, ink: str) -> None:
    """Weights relative to their defaults: steps of two, and the default as a dotted line, always in view."""
    axes.axhline(1.0, color=ink, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_locator(LogLocator(base=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"×{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.45), max(high, 2.2))


def last(lines: Lines) -> dict[str, float]:
    """Where each line ends."""
    return {name: path[-1][1] for name, path in lines.items()}


def draw_lines(axes: Axes, lines: Lines, names: Sequence[str], *, far: int | None = None) -> None:
    """A line a loss, in the style of its place among `names`; each has that place in its id, `line-3`.

    Args:
        axes: to draw on.
        lines: by loss.
        names: of all losses.
        far: where there are more losses than a legend has rows, so many lines stand out, those that end farthest from
            1; None: none does.
    """
    styles = loss_styles(names)
    crowd = far is not None and len(lines) > LEGEND_ROWS
    order = sorted(lines, key=lambda name: -abs(math.log(lines[name][-1][1])))
    back = set(order[far:]) if crowd else set()
    together: dict[tuple[tuple[int, str], ...], list[str]] = {}
    for name, path in lines.items():
        together.setdefault(tuple((place, f"{value:.9g}") for place, value in path), []).append(name)
    for sharing in together.values():
        shared = lines[sharing[0]]
        for place, name in enumerate(sharing):
            style = styles.get(name, LineStyle(GREY, ()))
            dash: tuple[float, tuple[float, ...]] | str = (0.0, style.dash) if style.dash else "solid"
            if len(sharing) > 1:
                # Losses tied to one another: each colours its part of the common line.
                dash = (-4.0 * place, (4.0, 4.0 * (len(sharing) - 1)))
            marker = "o" if len(shared) == 1 else ""
            places, values = zip(*shared, strict=True)
            (line,) = axes.plot(places, values, color=style.colour, linestyle=dash, marker=marker, dash_capstyle="butt")
            line.set_gid(f"line-{names.index(name)}")
            if name in back:
                line.set(linewidth=0.7, alpha=0.6)
