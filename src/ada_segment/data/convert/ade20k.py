"""The ADE20K panoptic release: ADEChallengeData2016 with annotations_instance.

Layout: images/, annotations/ (grey PNG: class 1..150, 0 = none) and annotations_instance/ (red: class 1..100 among the
things, green: number of the instance, 0 = none), each with training/ and validation/.
Source: https://github.com/CSAILVision/placeschallenge, instancesegmentation/README.md.
"""

from pathlib import Path, PurePosixPath

from ada_segment.data.class_table import read_classes
from ada_segment.data.convert.compose import Instance, Overlap, compose
from ada_segment.data.convert.label_mask import read_labels, regions
from ada_segment.data.convert.left_out import Converted, LeftOut
from ada_segment.data.convert.writing import Progress, Source, note_masks_alone, write_converted
from ada_segment.data.picture_files import list_pictures
from ada_segment.data.problems import FileError
from ada_segment.panoptic.panoptic_map import PanopticMap

_SPLITS = {"train": "training", "val": "validation"}
_PARTS = ("images", "annotations", "annotations_instance")


def convert_ade20k(root: Path, out: Path, *, progress: Progress | None = None) -> list[Converted]:
    """Convert both splits: ids 0..149, 100 things and 50 stuff. Stuff comes from the semantic masks, things from the
    instances alone, which lie on top.

    Raises:
        DataError: a folder is missing, a split exists already, or nothing could be converted.
    """
    for folder in [root / part / theirs for theirs in _SPLITS.values() for part in _PARTS]:
        if not folder.is_dir():
            raise FileError(folder, "is no folder", f"name the folder that holds {', '.join(_PARTS)}")
    return [_convert(root, out, split, theirs, progress) for split, theirs in _SPLITS.items()]


def _convert(root: Path, out: Path, split: str, theirs: str, progress: Progress | None) -> Converted:
    categories, left_out = read_classes("ade20k"), LeftOut()
    overlap: Overlap = "order"  # instances of one mask cannot overlap

    def source(name: str) -> Source:
        mask = PurePosixPath(name).with_suffix(".png")

        def make(height: int, width: int) -> PanopticMap:
            labels = read_labels(root / "annotations" / theirs / mask) - 1
            numbers = read_labels(root / "annotations_instance" / theirs / mask)
            for part, found in zip(_PARTS[1:], (labels, numbers), strict=True):
                if found.shape != (height, width):
                    raise FileError(root / part / theirs / mask, f"has another size than {name}", "restore the file")
            instances = []
            for number, pixels in regions(numbers & 0xFFFF).items():
                label, instance = number & 0xFF, number >> 8
                if not instance:
                    left_out.add("pixels of an instance class without a number", len(pixels), name)
                elif not 1 <= label <= len(categories.things):
                    left_out.add("instances of a class that is not declared", 1, f"{name}: instance class {label}")
                else:
                    instances.append(Instance(category_id=categories.things[label - 1].id, pixels=pixels))
            return compose(labels, instances, categories, overlap=overlap, left_out=left_out, picture=name)

        return Source(name=name, path=root / "images" / theirs / name, make=make)

    names = list_pictures(root / "images" / theirs)
    for part in _PARTS[1:]:
        note_masks_alone(
            root / part / theirs, [str(PurePosixPath(name).with_suffix(".png")) for name in names], left_out
        )
    sources = [source(name) for name in names]
    return write_converted(sources, out, split, categories, left_out=left_out, progress=progress)
