"""A page that follows a run: written anew whenever the run has written something, until it ends."""

import time
from collections.abc import Callable
from pathlib import Path

from ada_segment.errors import RunError
from ada_segment.report.example_files import FILE_NAME as EXAMPLES
from ada_segment.report.history import FILE_NAME as JOURNAL
from ada_segment.report.page import write_page
from ada_segment.report.run_files import METRICS, OVERLAYS, read_run

FOLLOWED = (JOURNAL, METRICS, EXAMPLES, OVERLAYS)
REFRESH = 5  # seconds after which an open page loads itself again
PAUSE = 1.0  # seconds between two looks at the folder


def watch_run(
    run: Path,
    out: Path,
    *,
    baseline: Path | None = None,
    say: Callable[[str], object] = print,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Write the page of a run whenever it changes; return when the run has ended, or after Ctrl-C.

    While the run goes on, an open page loads itself again; the page that is left behind does not.

    Args:
        run: its folder; may come into being later.
        out: file to write.
        baseline: folder of a run to compare with.
        say: is told where the page is, and what is waited for.
        wait: waits for so many seconds.

    Raises:
        RunError: the baseline is no run, or a file of the run is damaged; names it.
    """
    seen: object = None
    if baseline is not None:
        read_run(baseline)
    try:
        if not (run / JOURNAL).exists():
            say(f"waiting for {run / JOURNAL}; Ctrl-C ends this")
        while not (run / JOURNAL).exists():
            wait(PAUSE)
        say(f"{out} follows {run}; Ctrl-C ends this")
        while not is_complete(run):
            now = [_stamp(run / name) for name in FOLLOWED]
            if now != seen:
                write_page(run, out, baseline=baseline, refresh=REFRESH)
                seen = now
            wait(PAUSE)
    except KeyboardInterrupt:
        if not (run / JOURNAL).exists():
            raise RunError(f"{run / JOURNAL} did not come; name the folder of a search that runs") from None
    write_page(run, out, baseline=baseline)


def is_complete(run: Path) -> bool:
    """Whether all rounds are done and, for a run of the command line, its last file is written."""
    found = read_run(run)
    if found.config is not None and found.metrics is None:
        return False
    # How many rounds there are is written after the first; where it was cleared away, that one is long over.
    return len(found.history.rounds) >= (2 if found.rounds is None else found.rounds)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
