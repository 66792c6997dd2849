"""Tables of classes: those of public datasets, which come with the package, and a user's own."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from ada_segment.data.annotations import inspect_categories
from ada_segment.data.inspection import Inspection
from ada_segment.data.problems import FileError, refuse_fatal
from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories

TABLES = ("coco", "ade20k", "cityscapes")


def read_classes(name: str) -> Categories:
    """A table of classes.

    Args:
        name: one of TABLES, or a JSON file with a list `categories` of objects with id, name and isthing (0 or 1); the
            file may be the list itself, or any COCO file.

    Raises:
        DataError: there is no such table or file, or it declares no things, no stuff, or something twice.
    """
    path = Path(name)
    if name in TABLES:
        text = (resources.files("ada_segment.data") / "classes" / f"{name}.json").read_text(encoding="utf-8")
    elif path.suffix == ".json":
        text = _text(path)
    else:
        raise DataError(f"classes {name!r} are unknown; there are {', '.join(TABLES)}, or name a JSON file")
    try:
        root: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"is no JSON ({error})", "write it anew") from None
    if isinstance(root, list):
        root = {"categories": root}
    if not isinstance(root, dict) or not root.get("categories"):
        raise FileError(path, "has no list `categories`", "write objects with id, name and isthing into it")
    found = Inspection(path)
    categories = inspect_categories(found, root)
    refuse_fatal(found.problems, checked=False)
    return categories


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors write a byte order mark
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})", "restore the file") from None
    except ValueError as error:
        raise FileError(path, f"is no UTF-8 ({error})", "save it as UTF-8") from None
