"""What all figures look like: size, colours of text and axes, legends."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ada_segment.report.colours import DASHES, GREY, LineStyle, loss_styles
from ada_segment.storage import printable

SIZE = (4.8, 3.2)  # inches; two side by side fill a page, one fills a phone
LEGEND_ROWS = 12  # more losses are listed below the figure, in columns
# A colour that nothing else has: on a page it stands for the colour of the text around, light or dark.
INK_OF_PAGE = "#010203"
INK_OF_PAPER = "#202020"
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx")  # one for each of colours.DASHES


@contextmanager
def canvas(ink: str) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one pair of axes over the rounds, in the house's style."""
    style: dict[Any, Any] = {
        "font.size": 9.0,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GREY,
        "grid.alpha": 0.25,
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.6,
        "lines.solid_capstyle": "round",
        "legend.fontsize": 8.0,
        "hatch.linewidth": 0.5,
        "hatch.color": "white",
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        yield figure, axes
        axes.set_xlabel("round")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.margins(x=0.02)


INCHES_A_LETTER = 0.062  # of the small letters of a long legend


def add_legend(
    figure: Figure, last: Mapping[str, float], names: Sequence[str], *, legend: bool, stacked: bool = False
) -> None:
    """Names in the order in which the lines end, so that the eye finds them; below the figure when there are many."""
    if not legend or not last:
        return
    styles = loss_styles(names)
    listed = [name for name in names if name in last]
    few = len(listed) <= LEGEND_ROWS
    if few:
        listed = listed[::-1] if stacked else sorted(listed, key=lambda name: -last[name])
    handles = [_key(styles[name], stacked=stacked) for name in listed]
    labels = [shown(name) for name in listed]
    if few:
        figure.set_size_inches(SIZE[0] + 1.5, SIZE[1])
        figure.legend(handles, labels, loc="outside right center", frameon=False)
    else:
        room = (SIZE[0] + 1.5) / (INCHES_A_LETTER * max(map(len, labels)) + 0.5)
        columns = min(3, max(1, int(room)))
        figure.set_size_inches(SIZE[0] + 1.5, SIZE[1] + 0.17 * (len(listed) // columns + 1))
        figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=columns, fontsize=7)


def shown(name: str) -> str:
    """A name as text of a figure: a leading underscore would hide it from matplotlib, a dollar sign start a formula,
    and what is no UTF-8 cannot be drawn."""
    return printable(name).replace("$", r"\$").replace("_", "\u200b_", name.startswith("_"))


def hatch(areas: Iterable[Artist], styles: Iterable[LineStyle]) -> None:
    """Colours that come round again are told apart by hatching, as lines are by dashes."""
    for area, style in zip(areas, styles, strict=True):
        if isinstance(area, Collection | Patch) and style.dash:
            area.set_hatch(HATCHES[DASHES.index(style.dash)])


def _key(style: LineStyle, *, stacked: bool) -> Artist:
    """What stands before a name in the legend."""
    if not stacked:
        return Line2D([], [], color=style.colour, linestyle=(0, style.dash) if style.dash else "solid", linewidth=1.8)
    patch = Patch(facecolor=style.colour, edgecolor="white", linewidth=0)
    hatch([patch], [style])
    return patch
