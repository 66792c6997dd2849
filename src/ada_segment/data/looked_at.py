"""Which files have been looked at and found good, so that a later start need not look again."""

import hashlib
from contextlib import suppress
from pathlib import Path

from ada_segment.data.index import PictureIndex
from ada_segment.data.layout import SplitFiles
from ada_segment.storage import write_text


class LookedAt:
    """A note beside the index of a split, of the state in which its files were looked at.

    Args:
        index: of the split.
        files: of the split.
        decode: whether they are read to their end. Then a changed file is noticed by its size or times; otherwise a
            folder is, when a file comes, goes or is renamed.
    """

    def __init__(self, index: PictureIndex, files: SplitFiles, *, decode: bool) -> None:
        self._note = index.path.with_suffix(".looked-at")
        self._stamp = _stamp(index, files, decode=decode)

    @property
    def good(self) -> bool:
        """Whether the files are as they were when they were found good."""
        try:
            return self._note.read_text(encoding="utf-8") == self._stamp
        except (OSError, ValueError):
            return False

    def remember(self) -> None:
        """Note that they have been found good; in a cache that cannot be written, the next start looks again."""
        with suppress(OSError):
            write_text(self._note, self._stamp)


def _stamp(index: PictureIndex, files: SplitFiles, *, decode: bool) -> str:
    content = hashlib.blake2b(index.stamp.encode(), digest_size=16)
    for folder in (files.pictures, files.masks):
        content.update(f"{folder.resolve()} {_times(folder)}\n".encode("utf-8", "surrogateescape"))
    if decode:
        for picture in index:
            for path in (files.pictures / picture.file_name, files.masks / picture.mask_name):
                content.update(f"{_times(path)}\n".encode())
    return f"{'whole' if decode else 'headers'} {content.hexdigest()}"


def _times(path: Path) -> str:
    try:
        state = path.stat()
    except (OSError, ValueError):
        return "missing"
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
