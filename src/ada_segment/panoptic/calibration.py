"""Merge thresholds tuned on labelled pictures.

Loss weights move the scores of instances, and a fixed score threshold turns that into PQ without the model being any
better. Tuned thresholds take that part out of a comparison, and are worth several PQ to a user besides.
"""

from collections.abc import Sequence
from dataclasses import replace

from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.merge import Thresholds, merge
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.quality import PanopticQuality

SCORES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
OVERLAPS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
STUFF_AREAS = (0.0, 1 / 1200, 1 / 600, 1 / 300, 1 / 150, 1 / 75, 1 / 40)

SOFT_IOUS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""IoU thresholds over which the soft PQ is averaged."""


def quality(
    predictions: Sequence[Prediction],
    truths: Sequence[PanopticMap],
    categories: Categories,
    thresholds: Thresholds,
    *,
    ious: Sequence[float] = (0.5,),
) -> PanopticQuality:
    """PQ of predictions merged with `thresholds`, in the order of the pictures."""
    result = PanopticQuality(categories, thresholds=ious)
    add_to(result, predictions, truths, thresholds)
    return result


def add_to(
    result: PanopticQuality, predictions: Sequence[Prediction], truths: Sequence[PanopticMap], thresholds: Thresholds
) -> None:
    """Count more pictures, their predictions merged with `thresholds`."""
    for prediction, truth in zip(predictions, truths, strict=True):
        result.update(merge(prediction, thresholds, result.categories.thing_ids), truth)


def tune(
    predictions: Sequence[Prediction], truths: Sequence[PanopticMap], categories: Categories
) -> tuple[Thresholds, float]:
    """All three thresholds, one after the other from the usual ones, the score's again at the end.

    Returns:
        The thresholds and their PQ in [0, 1], which is never below that of the usual ones; these on a tie.
    """

    def pq_at(thresholds: Thresholds) -> float:
        return quality(predictions, truths, categories, thresholds).compute().pq

    best = Thresholds()
    best_pq = pq_at(best)
    for name, values in (("score", SCORES), ("overlap", OVERLAPS), ("stuff_area", STUFF_AREAS), ("score", SCORES)):
        for thresholds in [replace(best, **{name: value}) for value in values]:
            if thresholds != best and (pq := pq_at(thresholds)) > best_pq:
                best, best_pq = thresholds, pq
    return best, best_pq
