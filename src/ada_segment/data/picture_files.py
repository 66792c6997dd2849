"""The files of a folder that are pictures."""

import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from ada_segment.data.problems import FileError

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def list_pictures(folder: Path) -> list[str]:
    """File names of the pictures below a folder, relative to it, sorted.

    Raises:
        FileError: it is no folder, or holds none.
    """
    if not folder.is_dir():
        raise FileError(folder, "is no folder", "name the folder of the pictures")
    names = [path.relative_to(folder).as_posix() for path in files_below(folder) if path.suffix.lower() in PICTURES]
    if not names:
        raise FileError(folder, "holds no pictures", f"put some there ({', '.join(sorted(PICTURES))})")
    return sorted(names)


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, those of linked folders as well; a link back to where it lies in ends there."""

    def refuse(error: OSError) -> None:
        raise FileError(Path(error.filename), f"cannot be read ({error.strerror})", "let it be read, or take it away")

    for place, within, files in os.walk(folder, followlinks=True, onerror=refuse):
        here = Path(place)
        if any(here.samefile(above) for above in here.parents if above.is_relative_to(folder)):
            within.clear()
        else:
            # Hidden ones are no pictures, whatever their ending: ._NAME is what macOS leaves in archives.
            within[:] = [name for name in within if not name.startswith(".")]
            yield from (here / name for name in files if not name.startswith("."))


def stem_of(name: str) -> str:
    """A file name without folder, of whatever system, and ending."""
    return PureWindowsPath(name).stem
