"""What a finished run says on the terminal."""

import json
from pathlib import Path

from rich.console import Console

from ada_segment.panoptic.registry import loss_table
from ada_segment.report.history import read_history
from ada_segment.report.run_files import METRICS
from ada_segment.report.tables import metrics_tables, summary
from ada_segment.runs.settings_file import read_settings


def show(run: Path, console: Console) -> None:
    """Print the figures of a run that has ended, its last weights, and where to look next."""
    metrics = json.loads((run / METRICS).read_text())
    console.print(metrics_tables(metrics))
    defaults = loss_table(read_settings(run).model).defaults
    console.print(summary(read_history(run), defaults=defaults, run=run, metrics=metrics))
