"""Pictures and their new maps written as one split in COCO panoptic format."""

import filecmp
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ada_segment.data.convert.left_out import Converted, LeftOut
from ada_segment.data.layout import READ_SPLITS
from ada_segment.data.picture import read_picture_size
from ada_segment.data.picture_files import files_below
from ada_segment.data.problems import FileError
from ada_segment.data.writing import write_panoptic
from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.storage import write_whole

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to convert.

    Attributes:
        name: its file name in the new dataset.
        path: where it lies now.
        make: gives its map; told its height and width. Raises DataError where that cannot be done.
    """

    name: str
    path: Path
    make: Callable[[int, int], PanopticMap]


def note_masks_alone(folder: Path, masks: Sequence[str], left_out: LeftOut, *, ending: str = ".png") -> None:
    """Note the masks below a folder that belong to no picture. masks: those that do, relative to the folder."""
    files = [path for path in files_below(folder) if path.name.lower().endswith(ending.lower())]
    found = {path.relative_to(folder).as_posix() for path in files}
    alone = sorted(found - set(masks))
    left_out.add("masks without a picture", len(alone), str(folder / (alone or [""])[0]))


def write_converted(
    sources: Sequence[Source],
    out: Path,
    split: str,
    categories: Categories,
    *,
    left_out: LeftOut,
    progress: Progress | None = None,
) -> Converted:
    """Write OUT/panoptic_SPLIT.json, its PNGs, and the pictures in OUT/images/SPLIT (linked where possible).

    A picture that cannot be converted is left out and noted; the JSON is written last, so an interrupted conversion
    can be started again.

    Raises:
        DataError: nothing reads a split of that name, or it exists already, or no picture could be converted.
    """
    if split not in READ_SPLITS:
        *names, last = READ_SPLITS
        raise DataError(f"split {split!r} is one that nothing reads; call it {', '.join(names)} or {last}")
    path = out / f"panoptic_{split}.json"
    if path.exists():
        raise DataError(f"{path} exists already; name another folder or split")
    numbers = {"pictures": 0, "things": 0, "stuff": 0, "crowds": 0}

    def maps() -> Iterator[tuple[str, PanopticMap]]:
        for done, source in enumerate(sources, start=1):
            try:
                panoptic = source.make(*read_picture_size(source.path))
                _place(source.path, out / "images" / split / source.name)
            except DataError as error:
                left_out.add("pictures left out", 1, str(error))
            else:
                numbers["pictures"] += 1
                for segment in panoptic.segments:
                    numbers["crowds" if segment.iscrowd else "things" if segment.isthing else "stuff"] += 1
                yield source.name, panoptic
            if progress is not None:
                progress(done, len(sources))
        if not numbers["pictures"]:
            raise DataError(f"no picture could be converted: {left_out.first['pictures left out']}")

    write_panoptic(path, maps(), categories)
    return Converted(split=split, **numbers, left_out=left_out)


def _place(source: Path, target: Path) -> None:
    """The picture at its new place: a hard link, or a copy where there can be none; never a link to a link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if target.samefile(source) or filecmp.cmp(source, target, shallow=False):
            return
        raise FileError(target, f"exists already and is not {source}", "name another folder")
    target.unlink(missing_ok=True)  # a symbolic link to nothing
    try:
        os.link(source.resolve(), target)  # Linux would link a symbolic link itself, which may lead nowhere from there
    except OSError:
        write_whole(target, lambda temporary: shutil.copyfile(source, temporary), durable=False)
