"""The figures of a run as files, fit for a paper."""

from pathlib import Path

from ada_segment.report.figure_files import save_figures
from ada_segment.report.figures import draw_all
from ada_segment.report.run_files import read_run


def write_figures(run: Path, folder: Path, *, baseline: Path | None = None) -> list[Path]:
    """Write the figures of a run as SVG and PNG into `folder`.

    Args:
        run: folder of the run.
        folder: made when absent; files of the same names are replaced.
        baseline: folder of a run to compare with.

    Returns:
        The files.

    Raises:
        RunError: a folder holds no run, or a file in one is damaged; names it.
    """
    found = read_run(run)
    figures = draw_all(
        found.history,
        defaults=found.defaults,
        baseline=None if baseline is None else read_run(baseline).history,
        reward_label=found.reward_label,
    )
    return save_figures(figures, folder)
