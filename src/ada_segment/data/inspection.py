"""A JSON file looked at with care: what is wrong with it is noted, and only what has the right form is handed on."""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ada_segment.data.problems import Problem

_PLAIN = re.compile(r"\w[\w.\- ]*(/\w[\w.\- ]*)*")
"""Names that stay within their folder on every system, which needs no closer look."""


@dataclass(slots=True)
class Inspection:
    """What has been found wrong with one file so far.

    Attributes:
        path: the file.
        problems: in the order in which they were found.
    """

    path: Path
    problems: list[Problem] = field(default_factory=list)

    def add(self, kind: str, message: str, fix: str, *, fatal: bool = True) -> None:
        """Note a problem; see `Problem`."""
        self.problems.append(Problem(kind=kind, file=str(self.path), message=message, fix=fix, fatal=fatal))

    def load(self) -> dict[str, Any]:
        """The file's object; empty, and a problem noted, where it has none with a list `annotations`."""
        try:
            with _no_collection():
                root = json.loads(_text(self.path))
        except IsADirectoryError:
            self.add("missing annotations", "is a folder", "name the JSON file")
            return {}
        except OSError as error:
            self.add("missing annotations", f"cannot be read ({error.strerror})", "restore the file")
            return {}
        except (ValueError, RecursionError) as error:
            self.add("broken JSON", f"is no JSON ({error})", "write it anew")
            return {}
        if not isinstance(root, dict) or not isinstance(root.get("annotations"), list):
            self.add(
                "malformed annotations",
                "has no list `annotations`",
                "write it in COCO panoptic format: images, annotations, categories",
            )
            return {}
        return root

    def entries(self, root: dict[str, Any], key: str, needed: dict[str, type]) -> Iterator[dict[str, Any]]:
        """The entries of a list that have all the fields they need, of the types they need."""
        entries = root.get(key, [])
        if not isinstance(entries, list):
            self.add("malformed annotations", f"has `{key}` that is no list", f"make `{key}` a list")
            return
        kinds = tuple(needed.items())
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self.add(
                    "malformed annotations", f"has {key}[{number}] that is no object", "make it one or take it out"
                )
                continue
            # JSON's true passes as a number: isthing is often written so.
            wrong = [name for name, kind in kinds if not isinstance(entry.get(name), kind)]
            if wrong:
                wanted = ", ".join(f"{name} ({needed[name].__name__})" for name in wrong)
                fixes = [_instead(name, entry[name], needed[name]) for name in wrong if name in entry]
                if missing := [name for name in wrong if name not in entry]:
                    fixes.append(f"add {', '.join(missing)}")
                fix = "; ".join(fixes)
                self.add("malformed annotations", f"has {key}[{number}] without a proper {wanted}", fix)
                continue
            yield entry

    def stays_inside(self, name: str) -> bool:
        """Whether a file name stays within its folder, on any system; a problem is noted where not."""
        if _PLAIN.fullmatch(name):
            return True
        parts = PurePosixPath(name).parts + PureWindowsPath(name).parts
        away = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or ".." in parts or not parts
        if away or name.startswith("\\") or "\0" in name:
            self.add("file outside", f"names {name!r}, which leaves its folder", "name files within the folder")
            return False
        return True


def _instead(name: str, value: Any, kind: type) -> str:
    """What to write in place of a value of another type: the same in that type, where it can be told."""
    wanted = {int: "a whole number", str: "text in quotes", list: "a list"}.get(kind, f"a {kind.__name__}")
    if kind is int and isinstance(value, (str, float)) and re.fullmatch(r"\s*-?[0-9]{1,20}(\.0*)?\s*", str(value)):
        wanted = str(value).strip().partition(".")[0]
    elif kind is str and isinstance(value, (int, float)):
        wanted = json.dumps(str(value))
    given = json.dumps(value)
    return f"write {name} as {wanted}, not {given if len(given) <= 60 else given[:57] + '...'}"


def _text(path: Path) -> str:
    """Decoded here, so that bytes and objects are never held at once."""
    data = path.read_bytes()
    return data.decode(json.detect_encoding(data), "surrogatepass")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Millions of new objects, none of them garbage: searching them for cycles would take a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
