"""A folder for a search's own temporary files, which is removed whatever ends the search."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

LOCK = "lock"


class PrivateFolder:
    """A folder in the system's place for temporary files (TMPDIR), readable by this user alone.

    A lock tells that its process lives. Folders of processes that were killed with all their helpers, so that nobody
    was left to remove them, are removed when the next one is made.

    Args:
        prefix: of its name.
        place: parent folder; the system's when None.
    """

    def __init__(self, prefix: str, *, place: Path | None = None) -> None:
        parent = place or Path(tempfile.gettempdir())
        _sweep(parent, prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self._lock = os.open(self.path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the folder and what is in it. May be called twice."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _sweep(parent: Path, prefix: str) -> None:
    """Remove folders whose process is gone."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
