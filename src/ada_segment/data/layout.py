"""Where a split's files lie in a folder: the simple layout and the one of the official COCO release."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ada_segment.data.problems import FileError

READ_SPLITS = ("train", "val", "test")
"""The names of splits that training and evaluation look for."""

_JSON = re.compile(r"panoptic_(?P<split>[A-Za-z]+)(?P<year>\d{4})?\.json")
_LAYOUTS = (
    "panoptic_<split>.json, panoptic_<split>/ and images/<split>/, or "
    "annotations/panoptic_<split>2017.json, panoptic_<split>2017/ and <split>2017/"
)


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The files of one split.

    Attributes:
        annotations: JSON in COCO panoptic format.
        masks: folder of the PNGs of segment ids.
        pictures: folder of the pictures.
    """

    annotations: Path
    masks: Path
    pictures: Path


def list_splits(folder: Path) -> dict[str, Path]:
    """The annotation file of each split in a folder: train first, then val, test and the rest by name.

    Raises:
        FileError: the folder is missing or has none.
    """
    if not folder.is_dir():
        raise FileError(folder, "is no folder", f"name one that holds {_LAYOUTS}")
    found: dict[str, Path] = {}
    for path in [*sorted(folder.glob("panoptic_*.json")), *sorted((folder / "annotations").glob("panoptic_*.json"))]:
        if match := _JSON.fullmatch(path.name):
            found.setdefault(match["split"], path)
    if not found:
        raise FileError(folder, "holds no annotations in COCO panoptic format", f"it should hold {_LAYOUTS}")
    order = {"train": 0, "val": 1, "test": 2}
    return {split: found[split] for split in sorted(found, key=lambda split: (order.get(split, 3), split))}


def split_for_test(splits: Collection[str]) -> str:
    """Which of a folder's splits is looked at once, at the end: val, since the public test sets have no truth."""
    return "test" if "test" in splits and "val" not in splits else "val"


def find_split(folder: Path, split: str) -> SplitFiles:
    """The files of one split of a folder.

    Raises:
        FileError: annotations, masks or pictures are not where either layout has them.
    """
    splits = list_splits(folder)
    if split not in splits:
        fix = f"put pictures that are in no other split into {_LAYOUTS}"
        raise FileError(folder, f"has no {split} split (it has {', '.join(splits)})", fix)
    annotations = splits[split]
    match = _JSON.fullmatch(annotations.name)
    assert match is not None
    dated = split + (match["year"] or "")
    masks = [annotations.with_suffix(""), folder / annotations.stem, folder / "annotations" / annotations.stem]
    pictures = [folder / "images" / split, folder / "images" / dated, folder / dated, folder / split]
    return SplitFiles(
        annotations=annotations,
        masks=_first_folder(annotations, masks, "PNGs of segment ids"),
        pictures=_first_folder(annotations, pictures, "pictures"),
    )


def _first_folder(annotations: Path, candidates: list[Path], what: str) -> Path:
    candidates = list(dict.fromkeys(candidates))
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileError(annotations, f"has no folder of {what}", f"put them into {' or '.join(map(str, candidates))}")
