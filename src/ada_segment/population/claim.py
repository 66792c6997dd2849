"""A run folder belongs to one process at a time."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ada_segment.errors import RunError


@contextmanager
def claimed(folder: Path) -> Iterator[Callable[[], bool]]:
    """Keep other processes from `folder`, which exists, to the end of the block or of this process.

    Yields:
        Whether its name still leads to this folder, which somebody may have renamed or removed.

    Raises:
        RunError: another process has it.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"{folder} is in use by another process that searches; wait until it ends, or stop it and resume"
            ) from None
        except OSError:  # some network file systems have no locks; the folder is then nobody's
            pass
        yield lambda: _leads_to(folder, lock)
    finally:
        # Closing alone would leave it to the helpers of a loader, which have been forked with it and live on.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _leads_to(folder: Path, opened: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(opened))
    except OSError:
        return False
