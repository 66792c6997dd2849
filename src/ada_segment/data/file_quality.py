"""PQ of COCO panoptic files."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from ada_segment.data.annotations import Annotations, Picture, read_annotations
from ada_segment.data.png import read_ids
from ada_segment.data.problems import refuse_fatal
from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.quality import PanopticQuality


def quality_of_files(
    truth: Path,
    prediction: Path,
    *,
    truth_folder: Path | None = None,
    prediction_folder: Path | None = None,
    processes: int = 1,
    thresholds: Sequence[float] = (0.5,),
) -> PanopticQuality:
    """PQ of predicted COCO panoptic files against true ones.

    Pictures are matched by their image id. A picture that the prediction lacks is an error; one that the truth lacks
    is left out, as the reference evaluator does.

    Args:
        truth, prediction: JSON files. The prediction needs `annotations` only; classes are the truth's.
        truth_folder, prediction_folder: of the PNGs; by default the JSON file's name without its ending.
        processes: how many work at it; they are closed at the end, whatever happens.
        thresholds: see `PanopticQuality`.

    Raises:
        DataError: a file is missing or damaged, or names ids or classes that it should not; says which.
    """
    if processes < 1:
        raise ValueError(f"at least one process is needed, not {processes}")
    true = _read(truth)
    predicted = _read(prediction, categories=true.categories)
    folders = (truth_folder or truth.with_suffix(""), prediction_folder or prediction.with_suffix(""))
    by_id = {picture.image_id: picture for picture in predicted.pictures}
    if missing := [picture for picture in true.pictures if picture.image_id not in by_id]:
        first = missing[0]
        raise DataError(
            f"{prediction} has no annotation of {len(missing)} pictures of {truth}, image id {first.image_id} "
            f"({first.file_name or first.mask_name}) for one; predict all pictures"
        )
    pairs = [
        (
            folders[0] / picture.mask_name,
            picture,
            folders[1] / by_id[picture.image_id].mask_name,
            by_id[picture.image_id],
        )
        for picture in true.pictures
    ]
    quality = PanopticQuality(true.categories, thresholds=thresholds)
    for part in _parts(pairs, true.categories, tuple(thresholds), processes):
        quality.merge(part)
    return quality


_Pair = tuple[Path, Picture, Path, Picture]


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
        yield from pool.map(_count, parts, [categories] * len(parts), [thresholds] * len(parts))


def _count(pairs: Sequence[_Pair], categories: Categories, thresholds: tuple[float, ...]) -> PanopticQuality:
    quality = PanopticQuality(categories, thresholds=thresholds)
    for truth_path, truth, prediction_path, prediction in pairs:
        try:
            quality.update(
                PanopticMap(ids=read_ids(prediction_path), segments=prediction.segments),
                PanopticMap(ids=read_ids(truth_path), segments=truth.segments),
            )
        except DataError as error:
            if str(truth_path) in str(error) or str(prediction_path) in str(error):
                raise
            raise DataError(f"{prediction_path} against {truth_path}: {error}") from None
    return quality


def _read(path: Path, *, categories: Categories | None = None) -> Annotations:
    annotations = read_annotations(path, categories=categories)
    # Truth is not asked for things and stuff both: PQ of either is defined.
    refuse_fatal([problem for problem in annotations.problems if problem.kind not in ("no things", "no stuff")])
    return annotations
