"""Cityscapes: leftImg8bit and gtFine with *_gtFine_instanceIds.png.

A value below 1000 is a label id: a region of stuff, or a group of things not told apart (a crowd); any other is
1000 x label id + number of the instance. Source: https://github.com/mcordts/cityscapesScripts, README.md.
"""

from pathlib import Path

import numpy as np

from ada_segment.data.class_table import read_classes
from ada_segment.data.convert.compose import VOID, Instance, compose
from ada_segment.data.convert.label_mask import read_labels, regions
from ada_segment.data.convert.left_out import Converted, LeftOut
from ada_segment.data.convert.writing import Progress, Source, note_masks_alone, write_converted
from ada_segment.data.picture_files import list_pictures
from ada_segment.data.problems import FileError
from ada_segment.panoptic.panoptic_map import PanopticMap

_PICTURE, _MASK = "_leftImg8bit.png", "_gtFine_instanceIds.png"
_NOTHING = range(7)  # unlabeled, ego vehicle, rectification border, out of roi, static, dynamic, ground


def convert_cityscapes(root: Path, out: Path, *, progress: Progress | None = None) -> list[Converted]:
    """Convert train and val: the 8 things and 11 stuff classes of the benchmark under their label ids.

    Raises:
        DataError: a folder is missing, a split exists already, or nothing could be converted.
    """
    for folder in [root / part / split for split in ("train", "val") for part in ("leftImg8bit", "gtFine")]:
        if not folder.is_dir():
            raise FileError(folder, "is no folder", "name the folder that holds leftImg8bit and gtFine")
    names = {split: _names(root / "leftImg8bit" / split) for split in ("train", "val")}
    return [_convert(root, out, split, *names[split], progress) for split in names]


def _names(folder: Path) -> tuple[list[str], list[str]]:
    """The pictures below a folder by file name: those called as in the release, and others."""
    found = list_pictures(folder)
    names = [name for name in found if name.endswith(_PICTURE)]
    others = sorted(set(found) - set(names))
    if not names:
        message = f"holds no picture called *{_PICTURE} ({others[0]} is not, for one)"
        raise FileError(folder, message, f"save them as PNG, called CITY_NUMBER_NUMBER{_PICTURE} as in the release")
    return names, others


def _convert(
    root: Path, out: Path, split: str, names: list[str], others: list[str], progress: Progress | None
) -> Converted:
    categories, left_out = read_classes("cityscapes"), LeftOut()

    def source(name: str) -> Source:
        path = root / "gtFine" / split / (name.removesuffix(_PICTURE) + _MASK)

        def make(height: int, width: int) -> PanopticMap:
            values = read_labels(path)
            if values.shape != (height, width):
                raise FileError(path, f"has another size than {name}", "restore the file")
            labels = np.where(values < 1000, values, VOID)
            instances = []
            for value, pixels in regions(values).items():
                label = value // 1000 if value >= 1000 else value
                if value >= 1000 or (label in categories and categories[label].isthing):
                    instances.append(Instance(category_id=label, pixels=pixels, iscrowd=value < 1000))
            return compose(
                labels, instances, categories, overlap="order", left_out=left_out, picture=name, void=_NOTHING
            )

        return Source(name=name, path=root / "leftImg8bit" / split / name, make=make)

    left_out.add(f"pictures that are not called *{_PICTURE}", len(others), (others or [""])[0])
    masks = [name.removesuffix(_PICTURE) + _MASK for name in names]
    note_masks_alone(root / "gtFine" / split, masks, left_out, ending=_MASK)
    return write_converted(
        [source(name) for name in names], out, split, categories, left_out=left_out, progress=progress
    )
