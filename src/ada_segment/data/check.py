"""Everything that can be wrong with a panoptic dataset on disk, found in one pass; opening a dataset looks here too."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ada_segment.data.annotations import Annotations, Picture, read_annotations
from ada_segment.data.layout import SplitFiles, find_split, list_splits
from ada_segment.data.maps import id_problems
from ada_segment.data.picture import read_picture_size, verify_picture
from ada_segment.data.png import read_header, read_ids
from ada_segment.data.problems import FileError, Problem
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.recount import areas, boxes

Progress = Callable[[int, int], None]
"""Told how many pictures of a split are done, and of how many."""

_BATCH = 1024


def check_folder(folder: Path, *, progress: Progress | None = None) -> list[Problem]:
    """Look at all splits of a folder, every file read to its end.

    Returns:
        What is wrong, split by split; empty where all is well.
    """
    try:
        splits = list_splits(folder)
    except FileError as error:
        return [Problem.of(error, "missing folder")]
    problems: list[Problem] = []
    declared: dict[Path, Categories] = {}
    for split in splits:
        try:
            files = find_split(folder, split)
        except FileError as error:
            problems.append(Problem.of(error, "missing folder"))
            continue
        annotations, found = check_split(files, decode=True, progress=progress)
        problems += found
        declared[files.annotations] = annotations.categories
    return problems + same_categories(declared)


def check_split(
    files: SplitFiles, *, decode: bool, progress: Progress | None = None
) -> tuple[Annotations, list[Problem]]:
    """Look at one split: its annotations and, of each picture, the files.

    Args:
        decode: read pictures and PNGs to their end, rather than their headers only.
    """
    annotations = read_annotations(files.annotations)
    problems = list(annotations.problems)
    pictures = annotations.pictures

    def look(picture: Picture) -> list[Problem]:
        return list(_check_picture(picture, files, decode=decode))

    # Decoding leaves Python's lock alone, so threads are enough; a batch at a time keeps few of them waiting.
    done = 0
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(pictures), _BATCH):
            for found in pool.map(look, pictures[start : start + _BATCH]):
                problems += found
                done += 1
                if progress is not None:
                    progress(done, len(pictures))
    return annotations, problems


def same_categories(declared: dict[Path, Categories]) -> list[Problem]:
    """A problem for each annotation file that declares other classes than the first."""
    (first, categories), *others = declared.items() if declared else [(Path(), Categories([]))]
    return [
        Problem(
            kind="categories differ",
            file=str(path),
            message=f"declares other categories than {first} ({_difference(categories, theirs)})",
            fix="declare the same in both, whether or not each occurs",
        )
        for path, theirs in others
        if theirs != categories
    ]


def _difference(first: Categories, second: Categories) -> str:
    differing = sorted({category.id for category in set(first) ^ set(second)})
    return f"{len(differing)} ids differ, {differing[0]} for one"


def _check_picture(picture: Picture, files: SplitFiles, *, decode: bool) -> Iterator[Problem]:
    image_path = files.pictures / picture.file_name
    mask_path = files.masks / picture.mask_name
    sizes: dict[str, tuple[int, int]] = {}
    for what, path, read in (("picture", image_path, read_picture_size), ("PNG", mask_path, read_header)):
        if not _is_file(path):
            yield _missing(what, path)
            continue
        try:
            sizes[what] = read(path)
            if decode and what == "picture":
                verify_picture(path)
        except FileError as error:
            yield Problem.of(error, f"unreadable {what}")
    if len(set(sizes.values())) > 1:
        yield Problem(
            kind="sizes differ",
            file=str(mask_path),
            message=f"is {_shape(sizes['PNG'])} pixels but the picture {picture.file_name} is "
            f"{_shape(sizes['picture'])}",
            fix="draw the segments at the size of the picture",
        )
    stated = (picture.height, picture.width)
    if "picture" in sizes and None not in stated and sizes["picture"] != stated:
        yield Problem(
            kind="stated size is wrong",
            file=str(files.annotations),
            message=f"says that {picture.file_name} is {picture.width}x{picture.height} pixels, but the picture is "
            f"{_shape(sizes['picture'])}",
            fix="mend height and width in images",
            fatal=False,
        )
    if decode and "PNG" in sizes:
        yield from _check_ids(picture, mask_path, files.annotations)


def _check_ids(picture: Picture, mask_path: Path, annotations: Path) -> Iterator[Problem]:
    try:
        ids = read_ids(mask_path)
    except FileError as error:
        yield Problem.of(error, "unreadable PNG")
        return
    counted, drawn = areas(ids), boxes(ids)
    yield from id_problems(counted, picture, mask=mask_path, annotations=annotations)
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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system, for one
        return False


def _missing(what: str, path: Path) -> Problem:
    siblings = path.parent.iterdir() if path.parent.is_dir() else iter(())
    alike = [other.name for other in siblings if other.stem.lower() == path.stem.lower()]
    fix = f"there is {alike[0]}: make the names the same" if alike else "restore the file or take it out of the JSON"
    return Problem(kind=f"missing {what}", file=str(path), message="is missing", fix=fix)


def _shape(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
