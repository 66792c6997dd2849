"""Everything that can be wrong with a panoptic dataset on disk, found in one pass; opening a dataset looks here too."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

from ada_segment.data.annotations import Annotations, Picture, read_annotations
from ada_segment.data.layout import READ_SPLITS, SplitFiles, find_split, list_splits, split_for_test
from ada_segment.data.overlap import shared_files, twins
from ada_segment.data.picture_check import Alike, check_picture, is_file
from ada_segment.data.problems import FileError, Problem
from ada_segment.data.statistics import Tally
from ada_segment.panoptic.categories import Categories

Progress = Callable[[int, int], None]
"""Told how many pictures of a split are done, and of how many."""

_BATCH = 1024


def check_folder(
    folder: Path, *, progress: Progress | None = None, tallies: dict[str, Tally] | None = None
) -> list[Problem]:
    """Look at all splits of a folder, every file read to its end.

    Args:
        tallies: a tally of each split's classes is put here.

    Returns:
        What is wrong, split by split; empty where all is well.
    """
    try:
        splits = list_splits(folder)
    except FileError as error:
        return [Problem.of(error, "missing folder")]
    problems = _missing_split(folder, splits)
    declared: dict[Path, Categories] = {}
    pictures: dict[str, list[Path]] = {}
    for split in splits:
        try:
            files = find_split(folder, split)
            tally = Tally()
            annotations, found = check_split(files, progress=progress, tally=tally)
        except FileError as error:
            problems.append(Problem.of(error, "missing folder"))
            continue
        except OSError as error:  # a folder that may not be looked into
            message = f"cannot be looked into ({error.strerror})"
            fix = "make it readable, and all folders in it"
            problems.append(Problem(kind="unreadable folder", file=str(error.filename), message=message, fix=fix))
            continue
        if tallies is not None:
            tallies[split] = tally
        problems += found
        if len(annotations.categories):  # a file that could not be read declares none, which is said already
            declared[files.annotations] = annotations.categories
        paths = (files.pictures / picture.file_name for picture in annotations.pictures)
        pictures[split] = [path for path in paths if is_file(path)]
    twice = [problem for paths in pictures.values() for problem in _twice(paths)]
    return problems + same_categories(declared) + _in_two_splits(pictures) + twice


def _missing_split(folder: Path, splits: Collection[str]) -> list[Problem]:
    """Training needs a split for the test, too; a folder of that alone is for evaluation. Others are read by nothing,
    so where there are some, and one of the two is missing, it is called otherwise."""
    test = split_for_test(splits)
    missing = [split for split in ("train", test) if split not in splits]
    if missing == ["train"] and not set(splits) - set(READ_SPLITS):
        return []
    message = f"has no {' and no '.join(missing)} split (it has {', '.join(splits)})"
    fix = "a search needs train and val, in files and folders of these names"
    return [Problem(kind="missing split", file=str(folder), message=message, fix=fix)] if missing else []


def _in_two_splits(pictures: Mapping[str, list[Path]]) -> list[Problem]:
    """A problem for each picture of train that is in the test split, too."""
    test = split_for_test(pictures)
    return [
        Problem(
            kind="picture in two splits",
            file=str(path),
            message=f"is in the train as well as in the {test} split, by its content",
            fix="take it out of one of the two",
        )
        for path in shared_files(pictures.get("train", []), pictures.get(test, []))
    ]


def _twice(pictures: Collection[Path]) -> Iterator[Problem]:
    """A problem for each picture of a split that is there under another name already."""
    for first, *copies in twins(pictures):
        for copy in copies:
            yield Problem(
                kind="picture twice",
                file=str(copy),
                message=f"is the same as {first.name}, by its content",
                fix="take one out, or it counts twice",
                fatal=False,
            )


def check_file(
    path: Path, images: Path, *, progress: Progress | None = None, tallies: dict[str, Tally] | None = None
) -> list[Problem]:
    """Look at one annotation file, predictions for example; its PNGs lie in the folder of its name without its ending.

    Args:
        path: the JSON file.
        images: folder of the pictures.
        progress, tallies: as above; the tally is put under the file's name.
    """
    files = SplitFiles(annotations=path, masks=path.with_suffix(""), pictures=images)
    for folder in (files.masks, files.pictures):
        if not folder.is_dir():
            return [Problem(kind="missing folder", file=str(folder), message="is no folder", fix="restore or name it")]
    tally = Tally()
    _, problems = check_split(files, progress=progress, tally=tally)
    if tallies is not None:
        tallies[path.name] = tally
    return [problem for problem in problems if problem.kind != "no segments"]  # predictions may be of nothing


def check_split(
    files: SplitFiles, *, progress: Progress | None = None, tally: Tally | None = None
) -> tuple[Annotations, list[Problem]]:
    """Look at one split: its annotations and, of each picture, the files to their end. tally: counts what PNGs show."""
    annotations = read_annotations(files.annotations)
    if tally is not None:
        tally.categories = annotations.categories
    found = check_files(annotations.pictures, files, decode=True, progress=progress, tally=tally)
    return annotations, annotations.problems + found


class Pictures(Protocol):
    """Annotated pictures by number; all at once in memory, or an index that makes each when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Picture: ...


def check_files(
    pictures: Pictures,
    files: SplitFiles,
    *,
    decode: bool,
    progress: Progress | None = None,
    tally: Tally | None = None,
) -> list[Problem]:
    """Look at the files of pictures; `decode`, `progress` and `tally` as above."""
    problems: list[Problem] = []
    look = partial(check_picture, files=files, decode=decode, alike=Alike(), tally=tally)
    for done, found in enumerate(_each(look, pictures, threads=decode), start=1):
        problems += found
        if progress is not None:
            progress(done, len(pictures))
    return problems


def _each(look: Callable[[Picture], list[Problem]], pictures: Pictures, *, threads: bool) -> Iterator[list[Problem]]:
    """What `look` finds, in order. Decoding leaves Python's lock alone, so threads help; with headers they hinder."""
    numbers = range(len(pictures))
    if not threads:
        yield from (look(pictures[number]) for number in numbers)
        return
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        # A batch at a time, so that few wait.
        for start in range(0, len(pictures), _BATCH):
            yield from pool.map(look, [pictures[number] for number in numbers[start : start + _BATCH]])


def same_categories(declared: dict[Path, Categories]) -> list[Problem]:
    """A problem for each annotation file that declares other classes than the first."""
    (first, categories), *others = declared.items() if declared else [(Path(), Categories([]))]
    return [
        Problem(
            kind="categories differ",
            file=str(path),
            message=f"declares other categories than {first} ({difference(categories, theirs)})",
            fix="declare the same in both, whether or not each occurs",
        )
        for path, theirs in others
        if theirs != categories
    ]


def difference(first: Categories, second: Categories) -> str:
    """In words how many classes are not the same in both, and one of them."""
    differing = sorted({category.id for category in set(first) ^ set(second)})
    return f"{len(differing)} ids differ, {differing[0]} for one"
