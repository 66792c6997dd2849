"""A run folder belongs to one process at a time."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ada_segment.errors import RunError


@contextmanager
def claimed(folder: Path, *, patience: float = 0.0) -> Iterator[Callable[[], bool]]:
    """Keep other processes from `folder`, which exists, to the end of the block or of this process.

    Args:
        folder: to keep.
        patience: how many seconds to wait for another process that has it, as one that looks at its settings.

    Yields:
        Whether its name still leads to this folder, which somebody may have renamed or removed.

    Raises:
        RunError: another process has it.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + patience
        while not _locked(lock):
            if time.monotonic() >= end:
                raise RunError(f"{folder} is in use by another process; wait until it ends, or stop it and resume")
            time.sleep(0.05)
        yield lambda: _leads_to(folder, lock)
    finally:
        # Closing alone would leave it to the helpers of a loader, which have been forked with it and live on.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _locked(opened: int) -> bool:
    """Whether it is ours now; where a file system has no locks, as some in networks, it is nobody's."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _leads_to(folder: Path, opened: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(opened))
    except OSError:
        return False
