"""What can be wrong with one picture and its PNG, and with what the annotations state of them."""

import os
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ada_segment.data.annotations import Picture
from ada_segment.data.layout import SplitFiles
from ada_segment.data.maps import id_problems
from ada_segment.data.picture import (
    STORE_UPRIGHT,
    STORED_TURNED,
    is_turned,
    is_turned_from,
    read_picture_size,
    verify_picture,
)
from ada_segment.data.png import read_header, read_ids
from ada_segment.data.problems import FileError, Problem
from ada_segment.data.statistics import Tally
from ada_segment.panoptic.recount import areas, boxes

_Result = TypeVar("_Result")


class Alike:
    """Files whose names differ from a missing one's in case, ending, composition of letters, leading folders or the
    backslashes of Windows only.

    Each folder is listed once.

    Args:
        endings: of the files that are meant, in small letters; None for those of all kinds of pictures.
    """

    def __init__(self, endings: Collection[str] | None = None) -> None:
        self._endings = Image.registered_extensions() if endings is None else endings
        self._names: dict[Path, dict[str, Path]] = {}

    def hint(self, path: Path) -> str | None:
        """What to do about a missing picture or mask where there is such a file."""
        found = self._find(path)
        if found is None:
            return None
        return f"there is {found.name if found.parent == path.parent else found}: make the names the same"

    def _find(self, path: Path) -> Path | None:
        folder = _folder(path)
        path = folder / path.relative_to(folder).as_posix().replace("\\", "/")  # as Windows writes it
        folder = _folder(path)
        if folder not in self._names:
            pictures = (other for other in sorted(folder.iterdir()) if other.suffix.lower() in self._endings)
            self._names[folder] = {_bare(other): other for other in pictures if other.is_file()}
        return self._names[folder].get(_bare(path))


def _folder(path: Path) -> Path:
    """The nearest one that there is; a name may be too long to ask for."""
    return next(folder for folder in path.parents if os.path.isdir(folder))  # noqa: PTH112


def _bare(path: Path) -> str:
    """What two names have in common that somebody may have meant as one; letters with marks are written in two ways."""
    return unicodedata.normalize("NFC", path.stem).lower()


def check_picture(
    picture: Picture, *, files: SplitFiles, decode: bool, alike: Alike, tally: Tally | None = None
) -> list[Problem]:
    """What is wrong with one picture and its PNG.

    Args:
        picture: what the annotations say of it.
        files: of its split.
        decode: read them to their end, not their headers only.
        alike: shared by the pictures of a split.
        tally: counts what a decoded PNG shows.
    """
    image_path = files.pictures / picture.file_name
    mask_path = files.masks / picture.mask_name
    problems: list[Problem] = []
    image_size = _look_at("picture", image_path, read_picture_size, problems, alike)
    mask_size = _look_at("PNG", mask_path, read_header, problems, alike)
    if image_size and mask_size and image_size != mask_size:
        message = f"is {_shape(mask_size)} pixels but the picture {picture.file_name} is {_shape(image_size)}"
        fix = "draw the segments at the size of the picture"
        if _look_at("picture", image_path, partial(is_turned_from, size=mask_size), [], alike):
            message, fix = f"{message}: it {STORED_TURNED}", STORE_UPRIGHT
        problems.append(Problem(kind="sizes differ", file=str(mask_path), message=message, fix=fix))
    stated = (picture.height, picture.width)
    if image_size and None not in stated and image_size != stated:
        problems.append(
            Problem(
                kind="stated size is wrong",
                file=str(files.annotations),
                message=f"says that {picture.file_name} is {picture.width}x{picture.height} pixels, but the picture "
                f"is {_shape(image_size)}",
                fix="mend height and width in images",
                fatal=False,
            )
        )
    if decode and image_size:
        _look_at("picture", image_path, verify_picture, problems, alike)
        if _look_at("picture", image_path, is_turned, [], alike):
            problems.append(
                Problem(
                    kind="turned picture",
                    file=str(image_path),
                    message=STORED_TURNED,
                    fix="store it upright, or see that its segments were drawn on it as it is stored",
                    fatal=False,
                )
            )
    if decode and mask_size and (ids := _look_at("PNG", mask_path, read_ids, problems, alike)) is not None:
        counted = areas(ids)
        problems += id_problems(counted, picture, mask=mask_path, annotations=files.annotations)
        problems += _stated_problems(ids, counted, picture, files.annotations)
        if tally is not None:
            tally.add(picture, counted)
    return problems


def _look_at(
    what: str, path: Path, read: Callable[[Path], _Result], problems: list[Problem], alike: Alike
) -> _Result | None:
    """What `read` gives, or None and a problem more."""
    try:
        return read(path)
    except FileError as error:
        if is_file(path):
            problems.append(Problem.of(error, f"unreadable {what}"))
            return None
    fix = alike.hint(path) or "restore the file or take it out of the JSON"
    problems.append(Problem(kind=f"missing {what}", file=str(path), message="is missing", fix=fix))
    return None


def _stated_problems(
    ids: NDArray[np.int32], counted: Mapping[int, int], picture: Picture, annotations: Path
) -> Iterator[Problem]:
    """Areas and boxes that the pixels contradict."""
    drawn = boxes(ids)
    for segment, box in zip(picture.segments, picture.boxes, strict=True):
        if segment.id not in counted:
            continue
        where = f"segment {segment.id} of {picture.mask_name}"
        if segment.area not in (-1, counted[segment.id]):
            yield Problem(
                kind="wrong area",
                file=str(annotations),
                message=f"says that {where} has {segment.area} pixels, but it has {counted[segment.id]}",
                fix="write the number of pixels",
                fatal=False,
            )
        if box is not None and box != drawn[segment.id]:
            yield Problem(
                kind="wrong box",
                file=str(annotations),
                message=f"says that {where} lies in {list(box)}, but it lies in {list(drawn[segment.id])}",
                fix="write the box around its pixels",
                fatal=False,
            )


def is_file(path: Path) -> bool:
    """Whether a file is there, whatever its name."""
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system, for one
        return False


def _shape(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
