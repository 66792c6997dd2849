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
    """Refuse two datasets that share a picture.

    Files are the same when all their bytes are; only those whose sizes collide are read, and only those whose ends
    collide are read whole. Pictures that are no files are compared by their pixels.

    Args:
        names: what the two are called in the error.

    Raises:
        DataError: names the first shared pictures and how many there are.
    """
    files = _file(first, 0) is not None
    if files != (_file(second, 0) is not None):
        return  # photographs and generated scenes
    keys: tuple[Callable[[PanopticDataset, int], Hashable], ...] = (_size, _end, _whole) if files else (_pixels,)
    ours: Iterable[int] = range(len(first))
    theirs: Iterable[int] = range(len(second))
    for key in keys:
        our_keys = {index: key(first, index) for index in ours}
        their_keys = {index: key(second, index) for index in theirs}
        common = set(our_keys.values()) & set(their_keys.values())
        ours = [index for index, value in our_keys.items() if value in common]
        theirs = [index for index, value in their_keys.items() if value in common]
    shared = [str(_file(first, index) or first[index].name) for index in ours]
    if shared:
        raise DataError(
            f"{len(shared)} pictures are in the {names[0]} as well as in the {names[1]} split, by their content, "
            f"{shared[0]} for one; take them out of one of the two, or its figures say nothing"
        )


def _file(dataset: PanopticDataset, index: int) -> Path | None:
    if isinstance(dataset, Subset):
        return _file(dataset.dataset, dataset.indices[index])
    return dataset.picture_path(index) if isinstance(dataset, HasFiles) else None


def _path(dataset: PanopticDataset, index: int) -> Path:
    path = _file(dataset, index)
    assert path is not None
    return path


def _size(dataset: PanopticDataset, index: int) -> Hashable:
    return _path(dataset, index).stat().st_size


def _end(dataset: PanopticDataset, index: int) -> Hashable:
    with _path(dataset, index).open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - 4096))
        return file.read()


def _whole(dataset: PanopticDataset, index: int) -> Hashable:
    with _path(dataset, index).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _pixels(dataset: PanopticDataset, index: int) -> Hashable:
    return hashlib.sha256(dataset[index].image.numpy().tobytes()).digest()
