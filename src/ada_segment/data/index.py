"""The annotations of a split as a file of arrays: made once, then mapped into memory and shared by all processes."""

import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ada_segment.data.annotation_arrays import Arrays, picture_from, read_arrays, string_from
from ada_segment.data.annotations import Picture
from ada_segment.data.inspection import Inspection
from ada_segment.data.problems import FileError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.storage import errors_of_the_disk, write_whole

CACHE_VARIABLE = "ADA_SEGMENT_CACHE"
_FORMAT = "1"
_ENDS = 256 * 1024
_DTYPES = {"I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


class PictureIndex:
    """The annotated pictures of a file, in its order. A copy for another process is a path, not the data.

    Args:
        path: file that `open_index` has written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        about = header.pop("__metadata__")
        self.stamp: str = about["stamp"]
        self.categories = Categories(Category(**category) for category in json.loads(about["categories"]))
        self._ordered = tuple(self.categories)
        self._arrays: Arrays = {
            name: np.frombuffer(
                mapped, _DTYPES[entry["dtype"]], int(np.prod(entry["shape"])), 8 + size + entry["data_offsets"][0]
            ).reshape(entry["shape"])
            for name, entry in header.items()
        }

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return _reopen, (self.path, self.stamp)

    def __len__(self) -> int:
        return len(self._arrays["image_id"])

    def __getitem__(self, index: int) -> Picture:
        """A picture; areas and boxes as stated are not kept: areas are -1, boxes None."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return picture_from(self._arrays, self._ordered, index % len(self))

    def __iter__(self) -> Iterator[Picture]:
        return (self[index] for index in range(len(self)))

    def file_name(self, index: int) -> str:
        """Of the picture, within the folder of pictures."""
        return string_from(self._arrays, "name", index)

    @property
    def image_ids(self) -> list[int]:
        """Image id of each picture."""
        ids: list[int] = self._arrays["image_id"].tolist()
        return ids


def _reopen(path: Path, stamp: str) -> PictureIndex:
    """The same index in another process. Raises FileError when it has been made anew in between."""
    if (index := _opened(path, stamp)) is None:
        raise FileError(path, "is of another state of the annotations than when the run began", "start the run again")
    return index


def open_index(annotations: Path) -> PictureIndex:
    """The index of a COCO panoptic JSON file; made when there is none or the file has changed since.

    It lies in the folder that $ADA_SEGMENT_CACHE names, by default ~/.cache/ada-segment; where that cannot be written,
    in the system's folder of temporary files.

    Raises:
        DataError: something fatal is wrong with the file.
    """
    stamp = _stamp(annotations)
    places = [folder / _name(annotations) for folder in _folders()]
    for place in places:
        if (index := _opened(place, stamp)) is not None:
            return index
    categories, arrays = read_arrays(Inspection(annotations))
    for place in places[:-1]:
        try:
            return _write(place, stamp, categories, arrays)
        except OSError:
            continue
    return _write(places[-1], stamp, categories, arrays)


def _write(path: Path, stamp: str, categories: Categories, arrays: Arrays) -> PictureIndex:
    about: dict[str, Any] = {"stamp": stamp, "categories": json.dumps(categories.to_json())}

    def write(temporary: Path) -> None:
        with errors_of_the_disk(path):
            save_file(arrays, temporary, metadata=about)

    write_whole(path, write)
    return PictureIndex(path)


def _opened(path: Path, stamp: str) -> PictureIndex | None:
    """The index at `path`; None where there is none, it is damaged, or it is of another state of its file."""
    try:
        index = PictureIndex(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return index if index.stamp == stamp else None


def _folders() -> list[Path]:
    named = os.environ.get(CACHE_VARIABLE)
    last = Path(tempfile.gettempdir()) / f"ada-segment-{os.getuid()}"
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ada-segment"
    except RuntimeError:  # a user that the machine does not know, as in some containers
        home = last
    return [Path(named) if named else home, last]


def _name(annotations: Path) -> str:
    where = hashlib.blake2b(str(annotations.resolve()).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return f"{annotations.stem}-{where}.index"


def _stamp(annotations: Path) -> str:
    """Changes when the file does: its size, its times, and the bytes of both its ends."""
    try:
        with annotations.open("rb") as file:
            state = os.fstat(file.fileno())
            content = hashlib.blake2b(file.read(_ENDS), digest_size=16)
            file.seek(max(0, state.st_size - _ENDS))
            content.update(file.read(_ENDS))
    except OSError as error:
        raise FileError(annotations, f"cannot be read ({error.strerror})", "restore the file") from None
    return f"{_FORMAT} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {content.hexdigest()}"
