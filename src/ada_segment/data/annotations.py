"""A COCO panoptic JSON file, read so that nothing in it can surprise what comes later."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ada_segment.data.inspection import Inspection
from ada_segment.data.problems import Problem
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.panoptic_map import MAX_ID, Segment
from ada_segment.panoptic.recount import Box

# Pixels are counted by category id in a table as long as the largest.
MAX_CATEGORY_ID = 65_535
# The index keeps image ids in 64 bits.
MAX_IMAGE_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Picture:
    """One annotated picture, as the file has it.

    Attributes:
        image_id: what annotations refer to.
        file_name: of the picture, within the folder of pictures; of a prediction as its `images` tell, empty where
            they do not.
        mask_name: of the PNG of segment ids, within the folder of those.
        height, width: in pixels, None where the file does not tell.
        segments: their areas are as stated, -1 where they are not; only the pixels can be trusted.
        boxes: the stated boxes, None where one is not stated or no box at all.
    """

    image_id: int
    file_name: str
    mask_name: str
    height: int | None
    width: int | None
    segments: tuple[Segment, ...]
    boxes: tuple[Box | None, ...]


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a file says that can be used, and what is wrong with the rest."""

    categories: Categories
    pictures: tuple[Picture, ...]
    problems: list[Problem]


def read_annotations(path: Path, *, categories: Categories | None = None) -> Annotations:
    """Read a COCO panoptic JSON file. Whatever is wrong with it becomes a problem, never an exception.

    Args:
        path: the file.
        categories: the classes, where they are known already; then the file is a prediction's, of which only
            `annotations` are looked at, and `images` for the names of pictures.
    """
    found = Inspection(path)
    root = found.load()
    if not root:
        return Annotations(categories or Categories([]), (), found.problems)
    return inspect_annotations(found, root, categories=categories)


def inspect_annotations(
    found: Inspection, root: dict[str, Any], *, categories: Categories | None = None, stuff_crowds: bool = False
) -> Annotations:
    """The same of a file that `found.load()` has parsed already. stuff_crowds: whether stuff can be a crowd."""
    if categories is None:
        categories, images = inspect_categories(found, root), _images(found, root)
    else:
        images = None
    pictures = tuple(_pictures(found, root, images, categories, stuff_crowds))
    if not pictures and not found.problems:
        found.add("no pictures", "has no pictures", "add some to images and annotations")
    elif images is not None and not found.problems and not any(picture.segments for picture in pictures):
        message = "has no segment in any picture"
        found.add("no segments", message, "draw some, or convert the labels anew and see what is left out")
    return Annotations(categories, pictures, found.problems)


def inspect_categories(found: Inspection, root: dict[str, Any]) -> Categories:
    """The classes that a file declares properly; what is wrong with the others is noted."""
    declared: dict[int, Category] = {}
    for entry in found.entries(root, "categories", {"id": int, "name": str, "isthing": int}):
        number, isthing = entry["id"], entry["isthing"]
        if number in declared:
            found.add("category declared twice", f"declares category id {number} twice", "give each its own id")
        elif number < 0:
            found.add("bad category id", f"declares the negative category id {number}", "number them from 0 or 1")
        elif number > MAX_CATEGORY_ID:
            message = f"declares category id {number}, above {MAX_CATEGORY_ID}"
            found.add("bad category id", message, "number them from 0 or 1")
        elif isthing not in (0, 1):
            found.add("malformed annotations", f"says isthing {isthing} of category {number}", "set it to 0 or 1")
        else:
            declared[number] = Category(id=number, name=entry["name"], isthing=bool(isthing))
    categories = Categories(declared.values())
    if not categories.things:
        found.add("no things", "declares no category that is a thing", "declare a category with isthing 1")
    if not categories.stuff:
        found.add("no stuff", "declares no category that is stuff", "declare a category with isthing 0")
    return categories


def told_names(root: dict[str, Any]) -> dict[int, str]:
    """Names of pictures by image id, as far as a prediction's `images` tell; it need not have any."""
    images = root.get("images")
    entries = [image for image in images if isinstance(image, dict)] if isinstance(images, list) else []
    pairs = [(image.get("id"), image.get("file_name")) for image in entries]
    return {number: name for number, name in pairs if isinstance(number, int) and isinstance(name, str)}


def _images(found: Inspection, root: dict[str, Any]) -> dict[int, dict[str, Any]]:
    images: dict[int, dict[str, Any]] = {}
    names: set[str] = set()
    for entry in found.entries(root, "images", {"id": int, "file_name": str}):
        if entry["id"] in images:
            found.add("image listed twice", f"uses image id {entry['id']} twice", "give each image its own id")
            continue
        if entry["file_name"] in names:
            found.add("image listed twice", f"lists picture {entry['file_name']} twice", "list it once")
        names.add(entry["file_name"])
        if found.stays_inside(entry["file_name"]):
            images[entry["id"]] = entry
    return images


def _pictures(
    found: Inspection,
    root: dict[str, Any],
    images: dict[int, dict[str, Any]] | None,
    categories: Categories,
    stuff_crowds: bool,
) -> Iterator[Picture]:
    """The annotated pictures; `images` is None in a prediction, where but their names nothing depends on them."""
    told = told_names(root) if images is None else {}
    seen: set[int] = set()
    masks: set[str] = set()
    for entry in found.entries(root, "annotations", {"image_id": int, "file_name": str, "segments_info": list}):
        number, mask_name = entry["image_id"], entry["file_name"]
        if number in seen:
            found.add("annotation twice", f"annotates image id {number} twice", "keep one of the annotations")
            continue
        seen.add(number)
        if abs(number) > MAX_IMAGE_ID:
            found.add("bad image id", f"uses image id {number}, beyond 64 bits", "number images with smaller ids")
            continue
        if images is not None and number not in images:
            message = f"has {mask_name} of image id {number}, which `images` lacks"
            found.add("annotation without image", message, "add the image or take the annotation out")
            continue
        if mask_name in masks:
            found.add("PNG listed twice", f"gives {mask_name} to two pictures", "draw each picture's own PNG")
            continue
        masks.add(mask_name)
        image = images[number] if images is not None else {}
        if found.stays_inside(mask_name):
            segments, boxes = _segments(found, entry, categories, stuff_crowds)
            yield Picture(
                image_id=number,
                file_name=image.get("file_name", told.get(number, "")),
                mask_name=mask_name,
                height=_size(image.get("height")),
                width=_size(image.get("width")),
                segments=segments,
                boxes=boxes,
            )
    for number, image in (images or {}).items():
        if number not in seen:
            message = f"has no annotation of picture {image['file_name']}"
            found.add("image without annotation", message, "annotate it or take it out of images")


def _segments(
    found: Inspection, entry: dict[str, Any], categories: Categories, stuff_crowds: bool
) -> tuple[tuple[Segment, ...], tuple[Box | None, ...]]:
    segments: dict[int, Segment] = {}
    boxes: list[Box | None] = []
    stuff: set[int] = set()
    mask = entry["file_name"]
    key = f"segments_info of {mask}"
    for info in found.entries({key: entry["segments_info"]}, key, {"id": int, "category_id": int}):
        number, label = info["id"], info["category_id"]
        if not 0 < number <= MAX_ID:
            message = f"lists {_named(info, mask)}, an id outside 1..{MAX_ID}"
            found.add("bad segment id", message, "0 is void; number from 1")
        elif number in segments:
            found.add("segment listed twice", f"lists {_named(info, mask)} twice", "give each segment its own id")
        elif label not in categories:
            message = f"gives {_named(info, mask)} category id {label}, which is not declared"
            fix = "mend the id, or declare it (for a prediction the truth does)"
            found.add("undeclared category", message, fix)
        else:
            category = categories[label]
            segments[number], box = _segment(found, info, category, mask, stuff_crowds)
            boxes.append(box)
            if category.isthing:
                continue
            if label in stuff:
                message = f"lists {_named(info, mask)} as another part of {category.name}, which is stuff"
                found.add(
                    "stuff in parts", message, "give both the same id: stuff is one segment a picture", fatal=False
                )
            stuff.add(label)
    return tuple(segments.values()), tuple(boxes)


def _named(info: dict[str, Any], mask: str) -> str:
    return f"segment {info['id']} of {mask}"


def _segment(
    found: Inspection, info: dict[str, Any], category: Category, mask: str, stuff_crowds: bool
) -> tuple[Segment, Box | None]:
    crowd, area, stated_box = info.get("iscrowd", 0), info.get("area"), info.get("bbox")
    if crowd not in (0, 1):
        found.add("malformed annotations", f"gives {_named(info, mask)} iscrowd {crowd!r}", "set it to 0 or 1")
        crowd = 0
    if crowd and not category.isthing:
        message = f"says that {_named(info, mask)} is a crowd, but {category.name} is stuff"
        found.add("crowd of stuff", message, "set iscrowd to 0: stuff cannot be counted", fatal=False)
        crowd = int(stuff_crowds)
    if "isthing" in info and bool(info["isthing"]) != category.isthing:
        message = f"says isthing {info['isthing']} of {_named(info, mask)}, unlike {category.name}"
        found.add("isthing contradicts", message, "take isthing out of the segment", fatal=False)
    box = _box(stated_box)
    if box is None and "bbox" in info:
        message = f"gives {_named(info, mask)} bbox {stated_box!r}"
        found.add("bad box", message, "write left, top, width and height in pixels", fatal=False)
    stated_area = int(area) if isinstance(area, (int, float)) and math.isfinite(area) else -1
    return Segment(info["id"], category.id, category.isthing, bool(crowd), stated_area), box


def _size(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _box(value: object) -> Box | None:
    if not isinstance(value, list):
        return None
    try:
        left, top, width, height = map(int, value)
    except (TypeError, ValueError, OverflowError):  # not four, or not finite numbers
        return None
    return (left, top, width, height) if left >= 0 and top >= 0 and width > 0 and height > 0 else None
