"""All figures of a run, drawn, and as files fit for a paper beside the numbers that they show."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ada_segment.report.class_figure import class_figure
from ada_segment.report.controller_figures import controller_figure, noise_figure
from ada_segment.report.figure_data import (
    Data,
    class_data,
    controller_data,
    loss_data,
    noise_data,
    reward_data,
    share_data,
    weight_data,
)
from ada_segment.report.figure_files import save_figures
from ada_segment.report.figure_style import INK_OF_PAPER, shown
from ada_segment.report.figures import loss_figure, reward_figure, share_figure, weight_figure
from ada_segment.report.run_files import Run, read_pair


def draw_all(
    run: Run,
    *,
    baseline: Run | None = None,
    only: Collection[str] | None = None,
    legend: bool = True,
    ink: str = INK_OF_PAPER,
) -> dict[str, Figure]:
    """All figures that the run has something to show in, by file name without ending; of these `only` some if given."""
    history, defaults = run.history, run.defaults
    other = None if baseline is None else baseline.history
    metrics = None if baseline is None else baseline.metrics
    rival = "" if baseline is None else shown(baseline.called)
    figures: dict[str, Callable[[], Figure | None]] = {
        "reward": lambda: reward_figure(history, baseline=other, rival=rival, label=run.reward_label, ink=ink),
        "weights": lambda: weight_figure(history, defaults=defaults, legend=legend, ink=ink),
        "shares": lambda: share_figure(history, legend=legend, ink=ink),
        "losses": lambda: loss_figure(history, baseline=other, rival=rival, legend=legend, ink=ink),
        "controller": lambda: controller_figure(history, defaults=defaults, legend=legend, ink=ink),
        "noise": lambda: noise_figure(history, unit=run.reward_unit, ink=ink),
        "classes": lambda: class_figure(class_data(run.metrics, metrics), rival=rival, ink=ink),
    }
    drawn = {name: draw() for name, draw in figures.items() if only is None or name in only}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def data_of_all(run: Run, *, baseline: Run | None = None) -> Mapping[str, Data]:
    """The numbers behind each of these figures, by the same names."""
    other = None if baseline is None else baseline.history
    return {
        "reward": reward_data(run.history, other),
        "weights": weight_data(run.history, run.defaults),
        "shares": share_data(run.history),
        "losses": loss_data(run.history, other),
        "controller": controller_data(run.history, run.defaults),
        "noise": noise_data(run.history),
        "classes": class_data(run.metrics, None if baseline is None else baseline.metrics),
    }


def write_figures(run: Path, folder: Path, *, baseline: Path | None = None) -> list[Path]:
    """Write the figures of a run as SVG and PNG into `folder`, and the numbers behind each as CSV.

    Args:
        run: folder of the run.
        folder: made when absent; files of the same names are replaced.
        baseline: folder of a run to compare with.

    Returns:
        The files.

    Raises:
        RunError: a folder holds no run, a file in one is damaged, or the baseline is on other data; names it.
    """
    found, other = read_pair(run, baseline)
    return save_figures(draw_all(found, baseline=other), folder, data=data_of_all(found, baseline=other))
