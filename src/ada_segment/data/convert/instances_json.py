"""A COCO instances JSON, picture by picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada_segment.data.convert.compose import Instance
from ada_segment.data.convert.left_out import LeftOut
from ada_segment.data.convert.outlines import pixels_of
from ada_segment.data.inspection import Inspection
from ada_segment.data.picture_files import stem_of
from ada_segment.data.problems import FileError, refuse_fatal
from ada_segment.panoptic.categories import Categories

ReadInstances = Callable[[str, NDArray[np.int32]], list[Instance]]
"""The instances of a picture, from its name and its semantic mask."""


def json_instances(path: Path, names: list[str], categories: Categories, left_out: LeftOut) -> ReadInstances:
    """What reads the instances of a picture out of a COCO instances JSON, with polygons or run lengths.

    Args:
        path: the JSON; its category ids are those of `categories`.
        names: the pictures that are there.
        left_out: is told of what is not used.

    Raises:
        DataError: the file is malformed, or calls a class otherwise.
    """
    found = Inspection(path)
    root = found.load()
    images: dict[str, int] = {}
    numbers: set[int] = set()
    sizes: dict[str, list[object]] = {}
    for entry in found.entries(root, "images", {"id": int, "file_name": str}):
        name, number = entry["file_name"], entry["id"]
        if name in images:
            found.add("image listed twice", f"lists picture {name} twice", "list it once")
        elif number in numbers:
            found.add("image listed twice", f"uses image id {number} twice", "give each image its own id")
        numbers.add(number)
        images[name], sizes[name] = number, [entry.get("width"), entry.get("height")]
    annotations: dict[int, list[dict[str, Any]]] = {}
    for entry in found.entries(root, "annotations", {"image_id": int, "category_id": int}):
        annotations.setdefault(entry["image_id"], []).append(entry)
        if (crowd := entry.get("iscrowd", 0)) not in (0, 1):
            message = f"gives annotation {entry.get('id')} iscrowd {crowd!r}"
            found.add("malformed annotations", message, "set it to 0 or 1, without quotes")
    refuse_fatal(found.problems, checked=False)
    _refuse_other_names(path, root.get("categories"), categories)
    if strangers := annotations.keys() - images.values():
        count = sum(len(annotations[number]) for number in strangers)
        left_out.add("annotations of an image that the JSON does not list", count, f"image id {min(strangers)}")
    for name in sorted(images.keys() - set(names)):
        what = "annotations of pictures that are not there"
        left_out.add(what, len(annotations.get(images[name], [])), name)

    alike: dict[str, str] = {}
    for listed in images:
        alike.setdefault(stem_of(listed), listed)

    def read(name: str, labels: NDArray[np.int32]) -> list[Instance]:
        if name not in images:
            if (listed := alike.get(stem_of(name))) is not None:
                raise FileError(path, f"lists {listed!r}, and the picture is {name!r}", "make the names the same")
            raise FileError(
                path, f"does not list picture {name}", "add it to images, without annotations if it has none"
            )
        size = [labels.shape[1], labels.shape[0]]
        if all(isinstance(side, int) for side in sizes[name]) and sizes[name] != size:
            stated, real = (" x ".join(map(str, sides)) for sides in (sizes[name], size))
            message = f"says that {name} is {stated} px, and it is {real}"
            raise FileError(path, message, "scale its polygons and run lengths, or mend width and height")
        instances = []
        for entry in annotations.get(images[name], []):
            try:
                pixels = pixels_of(entry.get("segmentation"), *labels.shape)
            except (ValueError, TypeError) as error:
                what = "instances whose pixels are not properly written"
                left_out.add(what, 1, f"{name}: annotation {entry.get('id')} has {error}")
                continue
            crowd = bool(entry.get("iscrowd", 0))
            instances.append(Instance(category_id=entry["category_id"], pixels=pixels, iscrowd=crowd))
        return instances

    return read


def _refuse_other_names(path: Path, declared: object, categories: Categories) -> None:
    """Raise where the JSON calls a class otherwise: its ids are another table's then."""
    entries = [entry for entry in declared if isinstance(entry, dict)] if isinstance(declared, list) else []
    names = {entry["id"]: entry.get("name") for entry in entries if isinstance(entry.get("id"), int)}
    differing = [
        (category, name)
        for category in categories
        if isinstance(name := names.get(category.id), str)
        and name.strip().casefold() != category.name.strip().casefold()
    ]
    if differing:
        category, name = differing[0]
        message = f"calls category id {category.id} {name!r}, which is {category.name!r} among the classes given"
        count = f"{len(differing)} {'name differs' if len(differing) == 1 else 'names differ'}"
        raise FileError(
            path, f"{message} ({count})", "give both the same ids, or the same names where the ids are right"
        )
