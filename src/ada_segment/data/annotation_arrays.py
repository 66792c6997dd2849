"""What training needs of a COCO panoptic JSON, as a few arrays instead of millions of objects."""

from collections.abc import Container, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada_segment.data.annotations import Annotations, Picture, inspect_annotations, inspect_categories, told_names
from ada_segment.data.inspection import Inspection
from ada_segment.data.problems import refuse_fatal
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import MAX_ID, Segment

Arrays = dict[str, NDArray[Any]]
"""N pictures with M segments in all, a segment's picture found from where each picture's segments end:

image_id [N] int64; size [N, 2] int32, height and width as stated, -1 where not; segment_end [N] int64; names and masks,
the file names one behind the other as UTF-8 [bytes] uint8, with name_end and mask_end [N] int64; segment_id [M] int32;
category [M] int32, index into the categories; crowd [M] bool.
"""


class _Odd(Exception):
    """Something is not as a good file has it."""


def read_arrays(
    found: Inspection,
    *,
    categories: Categories | None = None,
    tolerated: Container[str] = (),
    stuff_crowds: bool = False,
    numbers: dict[str, int] | None = None,
) -> tuple[Categories, Arrays]:
    """Read a file: a good one with checks over arrays, others entry by entry, which is slow and words what is wrong.

    Args:
        found: the file.
        categories: the classes, where they are known already; then the file is a prediction's, of which only
            `annotations` are looked at, and `images` for the names of pictures.
        tolerated: kinds of problem that are none here.
        stuff_crowds: whether stuff can be a crowd; else it is none, whatever the file says.
        numbers: by text, the number that stands for an image id which is that text; is added to. None: such ids are
            wrong.

    Raises:
        DataError: something fatal is wrong with the file.
    """
    root = found.load()
    refuse_fatal(found.problems)
    if numbers is not None:
        _number(root, numbers)
    try:
        return quick_arrays(Inspection(found.path), root, categories, stuff_crowds=stuff_crowds)
    except (_Odd, KeyError, TypeError, AttributeError, ValueError, OverflowError):
        annotations = inspect_annotations(found, root, categories=categories, stuff_crowds=stuff_crowds)
        refuse_fatal([problem for problem in annotations.problems if problem.kind not in tolerated])
        return annotations.categories, slow_arrays(annotations)


def _number(root: dict[str, Any], numbers: dict[str, int]) -> None:
    """Numbers in place of image ids that are text, as Cityscapes' own files have them: below 0, where no other is."""
    for entries, key in ((root.get("images"), "id"), (root.get("annotations"), "image_id")):
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(name := entry.get(key), str):
                entry[key] = numbers.setdefault(name, -1 - len(numbers))


def quick_arrays(
    found: Inspection, root: dict[str, Any], categories: Categories | None = None, *, stuff_crowds: bool = False
) -> tuple[Categories, Arrays]:
    """The arrays of a good file. Any exception says that the file is not one of the plain good ones, never more."""
    annotations = root["annotations"]
    _want(len(annotations) > 0)
    _types(annotations, dict)
    annotated, masks = _integers(annotations, "image_id"), _names(found, annotations)
    ordered = np.sort(annotated)
    _want(_all_different(ordered))
    if categories is None:
        categories = inspect_categories(found, root)
        names, sides = _pictures(found, root["images"], annotated, ordered)
        _want(any(annotation["segments_info"] for annotation in annotations))
    else:
        told = told_names(root)
        names, sides = [told.get(number, "") for number in annotated.tolist()], [(-1, -1)] * len(masks)
    _want(not found.problems)

    lists = [annotation["segments_info"] for annotation in annotations]
    _types(lists, list)
    counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    segments = list(chain.from_iterable(lists))
    _types(segments, dict)
    ids = _integers(segments, "id")
    _want(bool(((ids > 0) & (ids <= MAX_ID)).all()))
    picture = np.repeat(np.arange(len(lists)), counts)
    _want(_all_different(np.sort(picture * (MAX_ID + 1) + ids)))

    declared = np.array([category.id for category in categories], dtype=np.int64)
    labels = _integers(segments, "category_id")
    category = np.searchsorted(declared, labels).clip(max=len(declared) - 1)
    _want(np.array_equal(declared[category], labels))
    flags = [segment.get("iscrowd", 0) for segment in segments]
    _want(set(flags) <= {0, 1})
    crowds = np.array([category.isthing or stuff_crowds for category in categories])
    return categories, {
        "image_id": annotated,
        "size": np.array(sides, dtype=np.int32),
        **_strings("name", names),
        **_strings("mask", masks),
        "segment_end": np.cumsum(counts),
        "segment_id": ids.astype(np.int32),
        "category": category.astype(np.int32),
        "crowd": np.array(flags, dtype=bool) & crowds[category],
    }


def _pictures(
    found: Inspection, images: list[dict[str, Any]], annotated: NDArray[np.int64], ordered: NDArray[np.int64]
) -> tuple[list[str], list[tuple[int, int]]]:
    """Name, height and width of each annotated picture; ordered: the ids annotated, sorted."""
    _types(images, dict)
    listed, names = _integers(images, "id"), _names(found, images)
    order = np.argsort(listed)
    _want(np.array_equal(listed[order], ordered))
    place = order[np.searchsorted(ordered, annotated)].tolist()
    sides = [(_side(images[i].get("height")), _side(images[i].get("width"))) for i in place]
    return [names[i] for i in place], sides


def slow_arrays(annotations: Annotations) -> Arrays:
    """The same arrays from what was read entry by entry."""
    pictures = annotations.pictures
    index = {category.id: number for number, category in enumerate(annotations.categories)}
    segments = [segment for picture in pictures for segment in picture.segments]
    return {
        "image_id": np.array([picture.image_id for picture in pictures], dtype=np.int64),
        "size": np.array([[_side(picture.height), _side(picture.width)] for picture in pictures], dtype=np.int32),
        **_strings("name", [picture.file_name for picture in pictures]),
        **_strings("mask", [picture.mask_name for picture in pictures]),
        "segment_end": np.cumsum([len(picture.segments) for picture in pictures], dtype=np.int64),
        "segment_id": np.array([segment.id for segment in segments], dtype=np.int32),
        "category": np.array([index[segment.category_id] for segment in segments], dtype=np.int32),
        "crowd": np.array([segment.iscrowd for segment in segments], dtype=bool),
    }


def picture_from(arrays: Arrays, categories: Sequence[Any], index: int) -> Picture:
    """One picture out of the arrays; areas and boxes are not stated in them. categories: in the order of their ids."""
    start, end = _span(arrays["segment_end"], index)
    height, width = arrays["size"][index].tolist()
    rows = zip(*(arrays[key][start:end].tolist() for key in ("segment_id", "category", "crowd")), strict=True)
    segments = tuple(
        Segment(
            id=number,
            category_id=categories[label].id,
            isthing=categories[label].isthing,
            iscrowd=crowd,
            area=-1,
        )
        for number, label, crowd in rows
    )
    return Picture(
        image_id=int(arrays["image_id"][index]),
        file_name=string_from(arrays, "name", index),
        mask_name=string_from(arrays, "mask", index),
        height=None if height < 0 else height,
        width=None if width < 0 else width,
        segments=segments,
        boxes=(None,) * len(segments),
    )


def string_from(arrays: Arrays, what: str, index: int) -> str:
    """A file name out of the arrays. what: "name" or "mask"."""
    start, end = _span(arrays[f"{what}_end"], index)
    return bytes(arrays[f"{what}s"][start:end]).decode("utf-8", "surrogatepass")


def _span(ends: NDArray[np.int64], index: int) -> tuple[int, int]:
    return int(ends[index - 1]) if index else 0, int(ends[index])


def _strings(what: str, values: Iterable[str]) -> Arrays:
    encoded = [value.encode("utf-8", "surrogatepass") for value in values]
    return {
        f"{what}s": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        f"{what}_end": np.cumsum([len(value) for value in encoded], dtype=np.int64),
    }


def _want(good: bool) -> None:
    if not good:
        raise _Odd


def _types(values: Iterable[object], *kinds: type) -> None:
    _want(set(map(type, values)) <= set(kinds))


def _integers(entries: list[dict[str, Any]], key: str) -> NDArray[np.int64]:
    values = [entry[key] for entry in entries]
    _types(values, int, bool)
    return np.array(values, dtype=np.int64)


def _names(found: Inspection, entries: list[dict[str, Any]]) -> list[str]:
    """File names: strings, each once, all within their folder."""
    names = [entry["file_name"] for entry in entries]
    _types(names, str)
    _want(len(set(names)) == len(names))
    _want(all(map(found.stays_inside, names)))
    return names


def _all_different(ordered: NDArray[np.int64]) -> bool:
    return bool((ordered[1:] != ordered[:-1]).all())


def _side(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else -1
