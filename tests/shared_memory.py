"""What lies in the system's shared memory, and what of it nobody uses any more."""

import time
from pathlib import Path

PLACE = Path("/dev/shm")


def entries() -> set[Path]:
    return set(PLACE.iterdir()) if PLACE.is_dir() else set()


def left_behind(before: set[Path], *, seconds: float = 10) -> set[Path]:
    """New entries that no process maps; others may come and go while the tests of other processes run beside."""
    end = time.monotonic() + seconds
    while True:
        mapped = "\n".join(_maps())
        left = {path for path in entries() - before if str(path) not in mapped}
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def _maps() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "maps").read_text())
        except OSError:  # it has ended, or is another user's
            continue
    return found
