"""What can be mended in annotations without a person's judgement, written to a new file; the old one stays as it is."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ada_segment.data.annotations import inspect_categories
from ada_segment.data.inspection import Inspection
from ada_segment.data.layout import SplitFiles, find_split, list_splits
from ada_segment.data.picture import read_picture_size
from ada_segment.data.png import read_ids
from ada_segment.data.problems import FileError
from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.recount import areas, boxes
from ada_segment.storage import write_text


@dataclass(frozen=True, slots=True)
class Mended:
    """One new file, and how often each field was mended in it."""

    path: Path
    fields: Counter[str]


def refuse_mended(folder: Path, out: Path) -> None:
    """Raises DataError where a file that `mend_folder` may write is in `out` already."""
    for path in list_splits(folder).values():
        if (out / path.name).exists():
            raise DataError(f"{out / path.name} exists already; name a new folder")


def mend_folder(folder: Path, out: Path) -> list[Mended]:
    """Write OUT/NAME.json for each annotation file NAME.json of a folder in which something could be mended.

    Areas and boxes are counted from the pixels, isthing is that of the category, a crowd of stuff is none, and the
    height and width of a picture are its own. All else stays as it is, wrong or not.

    Raises:
        DataError: the folder has no annotations, or a file of that name is in `out` already; then nothing is written.
    """
    splits = list_splits(folder)
    refuse_mended(folder, out)
    mended = []
    for split, path in splits.items():
        try:
            files = find_split(folder, split)
        except FileError:
            continue  # without its PNGs there is nothing to count
        root = Inspection(path).load()
        fields = Counter(_mend(root, files))
        if fields:
            write_text(out / path.name, json.dumps(root))  # NaN that nobody can mend stays NaN
            mended.append(Mended(out / path.name, fields))
    return mended


def _mend(root: dict[str, Any], files: SplitFiles) -> Iterator[str]:
    """Mend in place; gives the name of each field that was changed."""
    quiet = Inspection(files.annotations)
    categories = inspect_categories(quiet, root)
    for image in quiet.entries(root, "images", {"file_name": str}):
        yield from _mend_size(image, files, quiet)
    for annotation in quiet.entries(root, "annotations", {"file_name": str, "segments_info": list}):
        segments = list(quiet.entries(annotation, "segments_info", {"id": int, "category_id": int}))
        for segment in segments:
            yield from _mend_class(segment, categories)
        if quiet.stays_inside(annotation["file_name"]):
            yield from _mend_shape(segments, files.masks / annotation["file_name"])


def _mend_size(image: dict[str, Any], files: SplitFiles, quiet: Inspection) -> Iterator[str]:
    if not quiet.stays_inside(image["file_name"]):
        return
    try:
        size = read_picture_size(files.pictures / image["file_name"])
    except FileError:
        return
    for key, value in zip(("height", "width"), size, strict=True):
        yield from _set(image, key, value)


def _mend_class(segment: dict[str, Any], categories: Categories) -> Iterator[str]:
    if segment["category_id"] not in categories:
        return
    isthing = categories[segment["category_id"]].isthing
    if "isthing" in segment and segment["isthing"] != isthing:
        yield from _set(segment, "isthing", int(isthing))
    if segment.get("iscrowd") and not isthing:
        yield from _set(segment, "iscrowd", 0)


def _mend_shape(segments: list[dict[str, Any]], mask: Path) -> Iterator[str]:
    try:
        ids = read_ids(mask)
    except FileError:
        return
    counted, drawn = areas(ids), boxes(ids)
    for segment in segments:
        if segment["id"] in counted and segment["id"] != 0:
            yield from _set(segment, "area", counted[segment["id"]])
            yield from _set(segment, "bbox", list(drawn[segment["id"]]))


def _set(entry: dict[str, Any], key: str, value: object) -> Iterator[str]:
    if entry.get(key) != value:
        entry[key] = value
        yield key
