"""A COCO panoptic JSON file, read so that nothing in it can surprise what comes later."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ada_segment.data.problems import Problem
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.panoptic_map import Segment
from ada_segment.panoptic.quality import MAX_ID
from ada_segment.panoptic.recount import Box


@dataclass(frozen=True, slots=True)
class Picture:
    """One annotated picture, as the file has it.

    Attributes:
        image_id: what annotations refer to.
        file_name: of the picture, within the folder of pictures; empty in a prediction.
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

    path: Path
    categories: Categories
    pictures: tuple[Picture, ...]
    problems: list[Problem]


def read_annotations(path: Path, *, categories: Categories | None = None) -> Annotations:
    """Read a COCO panoptic JSON file. Whatever is wrong with it becomes a problem, never an exception.

    Args:
        path: the file.
        categories: the classes, where they are known already; then the file is a prediction's, of which only
            `annotations` are looked at.
    """
    return _Reader(path, categories).read()


@dataclass(slots=True)
class _Reader:
    path: Path
    known: Categories | None
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> Annotations:
        root = self._load()
        categories = self.known or self._categories(root)
        pictures = tuple(self._pictures(root, categories)) if root else ()
        if root and not pictures and not self.problems:
            self._add("no pictures", "has no pictures", "add some to images and annotations")
        return Annotations(path=self.path, categories=categories, pictures=pictures, problems=self.problems)

    def _add(self, kind: str, message: str, fix: str, *, fatal: bool = True) -> None:
        self.problems.append(Problem(kind=kind, file=str(self.path), message=message, fix=fix, fatal=fatal))

    def _load(self) -> dict[str, Any]:
        try:
            root = json.loads(self.path.read_bytes())
        except OSError as error:
            self._add("missing annotations", f"cannot be read ({error.strerror})", "restore the file")
            return {}
        except (ValueError, RecursionError) as error:
            self._add("broken JSON", f"is no JSON ({error})", "write it anew")
            return {}
        if not isinstance(root, dict) or not isinstance(root.get("annotations"), list):
            self._add(
                "malformed annotations",
                "has no list `annotations`",
                "write it in COCO panoptic format: images, annotations, categories",
            )
            return {}
        return root

    def _entries(self, root: dict[str, Any], key: str, needed: dict[str, type]) -> Iterator[dict[str, Any]]:
        """The entries of a list that have all the fields they need, with the right types."""
        entries = root.get(key, [])
        if not isinstance(entries, list):
            self._add("malformed annotations", f"has `{key}` that is no list", f"make `{key}` a list")
            return
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self._add(
                    "malformed annotations", f"has {key}[{number}] that is no object", "make it one or take it out"
                )
                continue
            wrong = [name for name, kind in needed.items() if not _is(entry.get(name), kind)]
            if wrong:
                wanted = ", ".join(f"{name} ({needed[name].__name__})" for name in wrong)
                self._add(
                    "malformed annotations", f"has {key}[{number}] without a proper {wanted}", "add what is missing"
                )
                continue
            yield entry

    def _categories(self, root: dict[str, Any]) -> Categories:
        found: dict[int, Category] = {}
        for entry in self._entries(root, "categories", {"id": int, "name": str, "isthing": int}):
            number, isthing = entry["id"], entry["isthing"]
            if number in found:
                self._add("category declared twice", f"declares category id {number} twice", "give each its own id")
            elif number < 0:
                self._add(
                    "bad category id", f"declares the negative category id {number}", "number categories from 0 or 1"
                )
            elif isthing not in (0, 1):
                self._add("malformed annotations", f"says isthing {isthing} of category {number}", "set it to 0 or 1")
            else:
                found[number] = Category(id=number, name=entry["name"], isthing=bool(isthing))
        categories = Categories(found.values())
        if root and not categories.things:
            self._add("no things", "declares no category that is a thing", "declare a category with isthing 1")
        if root and not categories.stuff:
            self._add("no stuff", "declares no category that is stuff", "declare a category with isthing 0")
        return categories

    def _images(self, root: dict[str, Any]) -> dict[int, dict[str, Any]]:
        images: dict[int, dict[str, Any]] = {}
        names: set[str] = set()
        for entry in self._entries(root, "images", {"id": int, "file_name": str}):
            if entry["id"] in images:
                self._add("image listed twice", f"uses image id {entry['id']} twice", "give each image its own id")
                continue
            if entry["file_name"] in names:
                self._add("image listed twice", f"lists picture {entry['file_name']} twice", "list it once")
            names.add(entry["file_name"])
            if self._stays_inside(entry["file_name"]):
                images[entry["id"]] = entry
        return images

    def _pictures(self, root: dict[str, Any], categories: Categories) -> Iterator[Picture]:
        # The challenge's own format for predictions has no images; where there are some, nothing depends on them.
        bare = self.known is not None
        images = {} if bare else self._images(root)
        seen: set[int] = set()
        for entry in self._entries(root, "annotations", {"image_id": int, "file_name": str, "segments_info": list}):
            number, mask_name = entry["image_id"], entry["file_name"]
            if number in seen:
                self._add("annotation twice", f"annotates image id {number} twice", "keep one of the annotations")
                continue
            seen.add(number)
            image = images.get(number, {})
            if not image and not bare:
                self._add("annotation without image", f"has {mask_name} of image id {number}, which `images` lacks",
                          "add the image or take the annotation out")  # fmt: skip
                continue
            if self._stays_inside(mask_name):
                segments, boxes = self._segments(entry, categories)
                yield Picture(
                    image_id=number,
                    file_name=image.get("file_name", ""),
                    mask_name=mask_name,
                    height=_size(image.get("height")),
                    width=_size(image.get("width")),
                    segments=segments,
                    boxes=boxes,
                )
        for number in [number for number in images if number not in seen]:
            self._add(
                "image without annotation",
                f"has no annotation of picture {images[number]['file_name']}",
                "annotate it or take it out of images",
            )

    def _segments(
        self, entry: dict[str, Any], categories: Categories
    ) -> tuple[tuple[Segment, ...], tuple[Box | None, ...]]:
        found: dict[int, Segment] = {}
        boxes: list[Box | None] = []
        stuff: set[int] = set()
        mask = entry["file_name"]
        for info in self._entries(
            {f"segments_info of {mask}": entry["segments_info"]},
            f"segments_info of {mask}",
            {"id": int, "category_id": int},
        ):
            number, label = info["id"], info["category_id"]
            where = f"segment {number} of {mask}"
            if not 0 < number <= MAX_ID:
                self._add("bad segment id", f"lists {where}, an id outside 1..{MAX_ID}", "0 is void; number from 1")
                continue
            if number in found:
                self._add("segment listed twice", f"lists {where} twice", "give each segment its own id")
                continue
            if label not in categories:
                self._add("undeclared category", f"gives {where} category id {label}, which nobody declared",
                          "add it to categories or mend the id")  # fmt: skip
                continue
            category = categories[label]
            crowd = info.get("iscrowd", 0)
            if crowd not in (0, 1):
                self._add("malformed annotations", f"gives {where} iscrowd {crowd!r}", "set it to 0 or 1")
                crowd = 0
            if crowd and not category.isthing:
                self._add("crowd of stuff", f"says that {where} is a crowd, but {category.name} is stuff",
                          "set iscrowd to 0: stuff cannot be counted", fatal=False)  # fmt: skip
                crowd = 0
            if "isthing" in info and bool(info["isthing"]) != category.isthing:
                self._add("isthing contradicts", f"says isthing {info['isthing']} of {where}, unlike {category.name}",
                          "take isthing out of the segment", fatal=False)  # fmt: skip
            if not category.isthing and label in stuff:
                self._add("stuff in parts", f"lists {where} as another part of {category.name}, which is stuff",
                          "give both the same id: stuff is one segment a picture", fatal=False)  # fmt: skip
            stuff.add(label)
            area, box = info.get("area"), _box(info.get("bbox"))
            if "bbox" in info and box is None:
                self._add("bad box", f"gives {where} bbox {info['bbox']!r}", "write left, top, width, height in pixels",
                          fatal=False)  # fmt: skip
            found[number] = Segment(
                id=number,
                category_id=label,
                isthing=category.isthing,
                iscrowd=bool(crowd),
                area=int(area) if isinstance(area, int | float) and math.isfinite(area) else -1,
            )
            boxes.append(box)
        return tuple(found.values()), tuple(boxes)

    def _stays_inside(self, name: str) -> bool:
        parts = PurePosixPath(name).parts + PureWindowsPath(name).parts
        away = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or ".." in parts or not parts
        if away or name.startswith("\\") or "\0" in name:
            self._add("file outside", f"names {name!r}, which leaves its folder", "name files within the folder")
            return False
        return True


def _is(value: object, kind: type) -> bool:
    # JSON's true is a Python int, and isthing is often written so.
    return isinstance(value, kind)


def _size(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _box(value: object) -> Box | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in value):
        return None
    left, top, width, height = (int(number) for number in value)
    return (left, top, width, height) if min(left, top) >= 0 and min(width, height) > 0 else None
