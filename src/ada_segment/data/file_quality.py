"""PQ of COCO panoptic files."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ada_segment.data.annotation_arrays import Arrays, read_arrays, string_from
from ada_segment.data.inspection import Inspection
from ada_segment.data.picture_files import stem_of
from ada_segment.data.png import read_colours
from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import ColourMap
from ada_segment.panoptic.quality import PanopticQuality


def quality_of_files(
    truth: Path,
    prediction: Path,
    *,
    processes: int = 1,
    thresholds: Sequence[float] = (0.5,),
) -> PanopticQuality:
    """PQ of predicted COCO panoptic files against true ones.

    Pictures are matched by their image id, a number or text. A picture that the prediction lacks is an error, and one
    that has another name in either file, folder and ending aside; one that the truth lacks is left out, as the
    reference evaluator does.

    Args:
        truth, prediction: JSON files, each with its PNGs in the folder of its name without the ending. The prediction
            needs `annotations` only; classes are the truth's. Names of its pictures are those in `images`.
        processes: how many work at it; they are closed at the end, whatever happens.
        thresholds: see `PanopticQuality`.

    Raises:
        DataError: a file is missing or damaged, or names ids or classes that it should not; says which. Or a process
            was ended from outside.
    """
    if processes < 1:
        raise ValueError(f"at least one process is needed, not {processes}")
    # Truth is not asked for things and stuff both: PQ of either is defined.
    # The reference leaves out every crowd, of whatever class.
    numbers: dict[str, int] = {}
    categories, arrays = read_arrays(
        Inspection(truth), tolerated=("no things", "no stuff"), stuff_crowds=True, numbers=numbers
    )
    true = _maps(arrays, truth.with_suffix(""))
    _, arrays = read_arrays(Inspection(prediction), categories=categories, numbers=numbers)
    predicted = {one.image_id: one for one in _maps(arrays, prediction.with_suffix(""))}
    if missing := [one for one in true if one.image_id not in predicted]:
        first = missing[0]
        raise DataError(
            f"{prediction} has no annotation of {len(missing)} pictures of {truth}, image id {first.image_id} "
            f"({first.picture or first.mask.name}) for one; predict all pictures"
        )
    pairs = [(predicted[one.image_id], one) for one in true]
    _refuse_mixed(pairs, prediction, truth)
    quality = PanopticQuality(categories, thresholds=thresholds)
    for part in _parts(pairs, categories, tuple(thresholds), processes):
        quality.merge(part)
    return quality


@dataclass(frozen=True, slots=True)
class _FileMap:
    """What a JSON file says of one picture, with its PNG, and its name if it tells; the rest is as in `ColourMap`."""

    image_id: int
    picture: str
    mask: Path
    ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    crowd: NDArray[np.bool_]

    def read(self) -> ColourMap:
        return ColourMap(read_colours(self.mask), self.ids, self.labels, self.crowd)


def _maps(arrays: Arrays, folder: Path) -> list[_FileMap]:
    ids, labels, crowd = (arrays[key] for key in ("segment_id", "category", "crowd"))
    maps = []
    start = 0
    for index, (image_id, end) in enumerate(
        zip(arrays["image_id"].tolist(), arrays["segment_end"].tolist(), strict=True)
    ):
        mask = string_from(arrays, "mask", index)
        name = string_from(arrays, "name", index)
        maps.append(_FileMap(image_id, name, folder / mask, ids[start:end], labels[start:end], crowd[start:end]))
        start = end
    return maps


_Pair = tuple[_FileMap, _FileMap]


def _refuse_mixed(pairs: list[_Pair], prediction: Path, truth: Path) -> None:
    """Refuse ids that stand for other pictures in either file, as far as both tell.

    Raises:
        DataError: names the first.
    """
    named = [(one, true) for one, true in pairs if one.picture and true.picture]
    if mixed := [(one, true) for one, true in named if stem_of(one.picture) != stem_of(true.picture)]:
        one, true = mixed[0]
        raise DataError(
            f"{prediction} calls image id {one.image_id} {one.picture}, which is {true.picture} in {truth} "
            f"({len(mixed)} of {len(pairs)} differ): number the pictures of the prediction as the truth does, as "
            f"`ada-segment evaluate --predictions` does; where they are the same under other names, take `images` out "
            f"of {prediction.name}"
        )


def _parts(
    pairs: list[_Pair], categories: Categories, thresholds: tuple[float, ...], processes: int
) -> Iterator[PanopticQuality]:
    processes = min(processes, len(pairs))
    if processes <= 1:
        yield _count(pairs, categories, thresholds)
        return
    # Forked workers would inherit torch's threads in an undefined state.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        # Small parts, so that a process that is done early takes over.
        step = max(1, min(64, len(pairs) // (4 * processes)))
        parts = [pairs[start : start + step] for start in range(0, len(pairs), step)]
        try:
            yield from pool.map(_count, parts, [categories] * len(parts), [thresholds] * len(parts))
        except BrokenProcessPool:
            raise DataError(
                f"one of {processes} processes that count was ended from outside, perhaps for want of memory; take "
                "fewer (--processes)"
            ) from None


def _count(pairs: Sequence[_Pair], categories: Categories, thresholds: tuple[float, ...]) -> PanopticQuality:
    quality = PanopticQuality(categories, thresholds=thresholds)
    for prediction, truth in pairs:
        try:
            quality.update(prediction.read(), truth.read())
        except DataError as error:
            if str(truth.mask) in str(error) or str(prediction.mask) in str(error):
                raise
            raise DataError(f"{prediction.mask} against {truth.mask}: {error}") from None
    return quality
