"""Whether two datasets share a picture. Names are no evidence, since folders use the same ones; contents are."""

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from ada_segment.data.sample import PanopticDataset
from ada_segment.data.subset import Subset
from ada_segment.errors import DataError


@runtime_checkable
class HasFiles(Protocol):
    """A dataset whose pictures are files."""

    def picture_path(self, index: int) -> Path:
        """The file of a picture."""
        ...


def check_disjoint(first: PanopticDataset, second: PanopticDataset, *, names: tuple[str, str]) -> None:
    """Refuse two datasets that share a picture: files as in `shared_files`, others when their pixels are the same.

    Args:
        names: what the two are called in the error.

    Raises:
        DataError: names the first shared pictures and how many there are.
    """
    ours, theirs = _files(first), _files(second)
    if (ours is None) != (theirs is None):
        return  # photographs and generated scenes
    if ours is not None and theirs is not None:
        shared = [str(path) for path in shared_files(ours, theirs)]
    else:
        pixels = {_pixels(second, index) for index in range(len(second))}
        shared = [first[index].name for index in range(len(first)) if _pixels(first, index) in pixels]
    if shared:
        raise DataError(
            f"{len(shared)} pictures are in the {names[0]} as well as in the {names[1]} split, by their content, "
            f"{shared[0]} for one; take them out of one of the two, or its figures say nothing"
        )


def shared_files(first: Iterable[Path], second: Iterable[Path]) -> list[Path]:
    """Those of the first files whose bytes are all the same as those of one of the second.

    Only files whose sizes collide are read, and only those whose ends collide are read whole.
    """
    ours, theirs = list(first), list(second)
    for key in (_size, _end, _whole):
        our_keys = {path: key(path) for path in ours}
        their_keys = {path: key(path) for path in theirs}
        common = set(our_keys.values()) & set(their_keys.values())
        ours = [path for path, value in our_keys.items() if value in common]
        theirs = [path for path, value in their_keys.items() if value in common]
    return ours


def repeated(first: PanopticDataset, second: PanopticDataset) -> list[int]:
    """Which of the first's pictures are in the second, too, as in `shared_files`; none where they are no files."""
    ours, theirs = _files(first), _files(second)
    if ours is None or theirs is None:
        return []
    shared = set(shared_files(ours, theirs))
    return [index for index, file in enumerate(ours) if file in shared]


def twins(files: Iterable[Path]) -> list[list[Path]]:
    """Groups of two or more files whose bytes are all the same; read as sparingly as in `shared_files`."""
    groups = [list(files)]
    for key in (_size, _end, _whole):
        groups = [alike for group in groups for alike in _by(key, group) if len(alike) > 1]
    return groups


def _by(key: Callable[[Path], Hashable], files: Iterable[Path]) -> Iterable[list[Path]]:
    found: dict[Hashable, list[Path]] = {}
    for file in files:
        found.setdefault(key(file), []).append(file)
    return found.values()


def _files(dataset: PanopticDataset) -> list[Path] | None:
    """The files of all its pictures; None where they are no files."""
    files = [_file(dataset, index) for index in range(len(dataset))]
    return None if None in files else [file for file in files if file is not None]


def _file(dataset: PanopticDataset, index: int) -> Path | None:
    if isinstance(dataset, Subset):
        return _file(dataset.dataset, dataset.indices[index])
    return dataset.picture_path(index) if isinstance(dataset, HasFiles) else None


def _size(path: Path) -> Hashable:
    return path.stat().st_size


def _end(path: Path) -> Hashable:
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - 4096))
            return file.read()
    except OSError:
        return path  # like no other; that it cannot be read is said by who reads it


def _whole(path: Path) -> Hashable:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _pixels(dataset: PanopticDataset, index: int) -> Hashable:
    return hashlib.sha256(dataset[index].image.numpy().tobytes()).digest()
