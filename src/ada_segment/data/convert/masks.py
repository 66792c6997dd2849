"""Semantic masks beside instances, as a mask of numbers a picture or as a COCO instances JSON."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ada_segment.data.convert.compose import Instance, Overlap, compose
from ada_segment.data.convert.instances_json import ReadInstances, json_instances
from ada_segment.data.convert.label_mask import read_labels
from ada_segment.data.convert.left_out import Converted, LeftOut
from ada_segment.data.convert.votes import number_instances
from ada_segment.data.convert.writing import Progress, Source, note_masks_alone, write_converted
from ada_segment.data.picture import STORE_UPRIGHT, STORED_TURNED, is_turned_from
from ada_segment.data.picture_check import Alike, is_file
from ada_segment.data.picture_files import list_pictures
from ada_segment.data.problems import FileError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap


def convert_masks(
    out: Path,
    split: str,
    *,
    images: Path,
    semantic: Path,
    instances: Path,
    categories: Categories,
    overlap: Overlap = "area",
    void: Collection[int] = (0, 255),
    progress: Progress | None = None,
) -> Converted:
    """Convert one split.

    Args:
        out: folder to write into; see `write_converted`.
        images: folder of the pictures.
        semantic: folder of masks of category ids, NAME.png for each picture.
        instances: a folder of masks where each instance has a number of its own and 0 is none, NAME.png for each
            picture; see `number_instances` for its class. Or a COCO instances JSON (polygons or run lengths) with the
            category ids of `categories`.
        overlap: see `compose`; masks of numbers cannot overlap.
        void: values of the semantic masks that mean no class, unless `categories` declares them.

    Raises:
        DataError: a folder or file is missing or malformed, or one that would be written into; the split exists
            already, or nothing could be converted.
    """
    _refuse_own_folders(out, split, images, semantic, instances)
    left_out, alike = LeftOut(), Alike({".png"})
    names = list_pictures(images)
    masks = [str(PurePosixPath(name).with_suffix(".png")) for name in names]
    pictures: dict[str, str] = {}
    for name, mask in zip(names, masks, strict=True):
        if (other := pictures.setdefault(mask, name)) != name:
            message = f"would be the mask of both {other} and {name}"
            raise FileError(semantic / mask, message, "keep one picture of a name, and masks in folders of their own")
    if not semantic.is_dir():
        raise FileError(semantic, "is no folder", "name the folder of the semantic masks")
    note_masks_alone(semantic, masks, left_out)
    if instances.suffix.lower() == ".json":
        read = json_instances(instances, names, categories, left_out)
    else:
        read = _from_masks(instances, masks, categories, left_out, alike)
    silent = [value for value in void if value not in categories]

    def source(name: str) -> Source:
        def make(height: int, width: int) -> PanopticMap:
            path = semantic / PurePosixPath(name).with_suffix(".png")
            labels = _read(path, alike)
            if labels.shape != (height, width):
                raise _other_size(path, labels.shape, images / name)
            found = read(name, labels)
            return compose(labels, found, categories, overlap=overlap, left_out=left_out, picture=name, void=silent)

        return Source(name=name, path=images / name, make=make)

    sources = [source(name) for name in names]
    return write_converted(sources, out, split, categories, left_out=left_out, progress=progress)


def _refuse_own_folders(out: Path, split: str, images: Path, semantic: Path, instances: Path) -> None:
    """Refuse to write over what is given. Pictures alone may lie where they go to: they stay as they are."""
    masks, pictures = (out / f"panoptic_{split}").resolve(), (out / "images" / split).resolve()
    fix = "move it elsewhere, or name another folder to write"
    for folder in (images, semantic, instances):
        if folder.resolve().is_relative_to(masks):
            raise FileError(folder, "is where the new masks go", fix)
        if folder is not images and folder.resolve().is_relative_to(pictures):
            raise FileError(folder, "is where the new dataset's pictures go", fix)


def _other_size(path: Path, shape: tuple[int, ...], picture: Path) -> FileError:
    message = f"has another size than {picture}"
    if is_turned_from(picture, (shape[0], shape[1])):
        return FileError(path, f"{message}, which {STORED_TURNED}", STORE_UPRIGHT)
    return FileError(path, message, "draw it at the picture's size")


def _read(path: Path, alike: Alike) -> NDArray[np.int32]:
    try:
        return read_labels(path)
    except FileError:
        if is_file(path) or (hint := alike.hint(path)) is None:
            raise
        raise FileError(path, "is missing", hint) from None


def _from_masks(
    folder: Path, masks: list[str], categories: Categories, left_out: LeftOut, alike: Alike
) -> ReadInstances:
    if not folder.is_dir():
        raise FileError(folder, "is no folder", "name a folder of masks, or a COCO instances JSON")
    note_masks_alone(folder, masks, left_out)

    def read(name: str, labels: NDArray[np.int32]) -> list[Instance]:
        path = folder / PurePosixPath(name).with_suffix(".png")
        numbers = _read(path, alike)
        if numbers.shape != labels.shape:
            raise FileError(path, "has another size than the semantic mask", "draw both at the picture's size")
        return number_instances(numbers, labels, categories, left_out=left_out, picture=name)

    return read
