"""The figure of PQ class by class."""

from matplotlib.figure import Figure

from ada_segment.report.colours import BLUE, GREY
from ada_segment.report.figure_data import Data
from ada_segment.report.figure_style import INK_OF_PAPER, SIZE, canvas, shown

ROW = 0.17  # inches a class
LONGEST = 28  # characters of a name


def class_figure(data: Data, *, rival: str = "default weights", ink: str = INK_OF_PAPER) -> Figure | None:
    """A dot a class, the best on top; a line leads there from a ring, the baseline's. None where no class has a PQ.

    Args:
        data: as `figure_data.class_data` gives it.
        rival: what the baseline is called.
        ink: colour of text and axes.
    """
    pq, theirs = data.headings.index("pq"), data.headings.index("baseline_pq")
    rows = [row for row in data.rows if row[pq] is not None][::-1]
    if not rows:
        return None
    with canvas(ink) as (figure, axes):
        figure.set_size_inches(SIZE[0], max(SIZE[1], 0.7 + ROW * len(rows)))
        ours = [_number(row[pq]) for row in rows]
        both = [(place, _number(row[theirs])) for place, row in enumerate(rows) if row[theirs] is not None]
        for place, value in both:
            axes.plot([value, ours[place]], [place, place], color=GREY, linewidth=1.0)
        if both:
            axes.plot(
                [value for _, value in both],
                [place for place, _ in both],
                linestyle="none",
                marker="o",
                markersize=4.5,
                markerfacecolor="none",
                markeredgecolor=GREY,
                label=rival,
                gid="baseline",
                clip_on=False,
            )
        axes.plot(
            ours,
            range(len(rows)),
            linestyle="none",
            marker="o",
            markersize=5,
            color=BLUE,
            label="run",
            gid="run",
            clip_on=False,  # a class of PQ 0 is a whole dot
        )
        names = [str(row[0]) for row in rows]
        labels = [shown(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…") for name in names]
        axes.set_yticks(range(len(rows)), labels, fontsize=8 if len(rows) <= 40 else 6)
        axes.set_ylim(-0.8, len(rows) - 0.2)
        axes.set_xlim(min(0.0, *ours), 100)
        if both:
            axes.legend(loc="lower right", frameon=False)
    axes.set_xlabel("PQ, %")
    return figure


def _number(value: str | int | float | None) -> float:
    assert isinstance(value, int | float)
    return float(value)
