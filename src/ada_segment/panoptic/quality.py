"""Panoptic quality (PQ): how well predicted segments match the true ones.

Source: Kirillov et al., "Panoptic Segmentation", CVPR 2019, section 4.1, equations 1 and 2; void and crowds as in the
reference evaluator of COCO (panopticapi, evaluation.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.joint_count import Pixels, ids_of, joint_count
from ada_segment.panoptic.matching import match
from ada_segment.panoptic.panoptic_map import MAX_ID, ColourMap, PanopticMap

_TP, _FP, _FN, _IOU = range(4)


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one class, or the means over a group of classes.

    Attributes:
        pq: panoptic quality in [0, 1]: sum of the matches' IoU / (TP + FP / 2 + FN / 2).
        sq: segmentation quality: mean IoU of the matches; 0 where there is none.
        rq: recognition quality: TP / (TP + FP / 2 + FN / 2).
        tp, fp, fn: number of matches, of predicted and of true segments left over.
        classes: number of classes the figures are means of; 1 for a class.
    """

    pq: float
    sq: float
    rq: float
    tp: int
    fp: int
    fn: int
    classes: int = 1


@dataclass(frozen=True, slots=True)
class PanopticResult:
    """PQ, SQ and RQ of a set of pictures. Classes and groups that have no segment at all are None.

    Attributes:
        all, things, stuff: means over the classes that have segments.
        per_class: by category id.
        threshold: IoU above which a pair of segments is a match.
    """

    all: Quality | None
    things: Quality | None
    stuff: Quality | None
    per_class: dict[int, Quality | None]
    threshold: float = 0.5

    @property
    def pq(self) -> float:
        """PQ over all classes in [0, 1]; 0 where nothing has a segment, so that it can serve as a reward."""
        return self.all.pq if self.all else 0.0


class PanopticQuality:
    """PQ over pictures that come one by one. The state is four sums a class, so parts can be added.

    A pair of segments of the same class matches when its IoU is above the threshold. Void pixels of the truth are
    taken out of the union. A true crowd is neither a match nor a miss, and a prediction that matches nothing is no
    false positive when more than half of its area is void or a crowd of its class (of several crowds of a class in
    one picture, the last listed, as in the reference). Areas are counted from the pixels.

    At thresholds of 0.5 and above a match is unique. Below, pairs are taken greedily by falling IoU, each segment at
    most once; the matches of a higher threshold are then always among those of a lower one.

    Args:
        categories: the classes; every segment has one of them.
        thresholds: IoU thresholds in [0, 1); 0.5 is the PQ of the literature.
    """

    def __init__(self, categories: Categories, *, thresholds: Sequence[float] = (0.5,)) -> None:
        if not thresholds or not all(0 <= threshold < 1 for threshold in thresholds):
            raise ValueError(f"IoU thresholds lie in [0, 1), not {list(thresholds)}")
        self.categories = categories
        self.thresholds = tuple(thresholds)
        self.counts = np.zeros((len(self.thresholds), len(categories), 4))
        """TP, FP, FN and the sum of the matches' IoU: [thresholds, classes in the order of their ids, 4] float64.
        Sums over processes or ranks are sums of this array."""
        self._index = {category.id: index for index, category in enumerate(categories)}
        self._least = min(self.thresholds)

    def update(self, prediction: PanopticMap | ColourMap, truth: PanopticMap | ColourMap) -> None:
        """Count one picture. The ids may be a tensor on any device; scores and stored areas are not looked at.

        Raises:
            DataError: the shapes differ, an id has no segment, a segment has no pixel, or a class is unknown.
        """
        pixels = intersections(prediction, truth)
        predicted, true = self._labels(prediction, "prediction"), self._labels(truth, "truth")
        crowd = truth.crowd if isinstance(truth, ColourMap) else [segment.iscrowd for segment in truth.segments]
        found = match(pixels, true=true, predicted=predicted, crowd=crowd, least=self._least)
        for counts, limit in zip(self.counts, self.thresholds, strict=True):
            sums = {label: [0.0] * 4 for label in (*true, *predicted)}
            for label, is_crowd in zip(true, crowd, strict=True):
                sums[label][_FN] += not is_crowd
            for label in predicted:
                sums[label][_FP] += 1
            left_out = found.ignored
            for iou, row, column in found.matches:
                if iou > limit:
                    of_class = sums[true[row]]
                    of_class[_TP] += 1
                    of_class[_FP] -= 1
                    of_class[_FN] -= 1
                    of_class[_IOU] += iou
                    if column in left_out:  # it can be ignored only when it matches nothing at this threshold
                        left_out = left_out - {column}
            for column in left_out:
                sums[predicted[column]][_FP] -= 1
            for label, values in sums.items():
                counts[label] += values

    def merge(self, other: Self) -> None:
        """Add what another has counted.

        Raises:
            ValueError: its classes or thresholds are others.
        """
        if self.categories != other.categories or self.thresholds != other.thresholds:
            raise ValueError("only PQ over the same classes and thresholds can be added")
        self.counts += other.counts

    def __add__(self, other: Self) -> Self:
        total = type(self)(self.categories, thresholds=self.thresholds)
        total.merge(self)
        total.merge(other)
        return total

    def reset(self) -> None:
        """Forget all pictures."""
        self.counts[:] = 0

    def state_dict(self) -> dict[str, Any]:
        """The counts, as nested lists."""
        return {"counts": self.counts.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state that `state_dict` gave."""
        self.counts = np.array(state["counts"], dtype=np.float64).reshape(self.counts.shape)

    def compute(self, threshold: float | None = None) -> PanopticResult:
        """The figures so far, at one of the thresholds (default: the first)."""
        index = 0 if threshold is None else self.thresholds.index(threshold)
        counts = self.counts[index]
        per_class = {category.id: _quality(row) for category, row in zip(self.categories, counts, strict=True)}
        return PanopticResult(
            all=_mean(per_class.values()),
            things=_mean(per_class[category.id] for category in self.categories.things),
            stuff=_mean(per_class[category.id] for category in self.categories.stuff),
            per_class=per_class,
            threshold=self.thresholds[index],
        )

    def mean_pq(self) -> float:
        """PQ over all classes, averaged over the thresholds: falls and rises in smaller steps than PQ at 0.5."""
        return sum(self.compute(threshold).pq for threshold in self.thresholds) / len(self.thresholds)

    def _labels(self, panoptic_map: PanopticMap | ColourMap, what: str) -> Sequence[int]:
        if isinstance(panoptic_map, ColourMap):
            return panoptic_map.labels
        try:
            return [self._index[segment.category_id] for segment in panoptic_map.segments]
        except KeyError as error:
            raise DataError(f"a segment of the {what} has category id {error}, which is not declared") from None


def intersections(prediction: PanopticMap | ColourMap, truth: PanopticMap | ColourMap) -> NDArray[np.int64]:
    """Pixels that each true segment shares with each predicted one: [1 + true, 1 + predicted] int64.

    Row 0 is the truth's void, column 0 the prediction's; the rest are in the order of the segments.

    Raises:
        DataError: the shapes differ, an id has no segment, an id is used twice, or a segment has no pixel.
    """
    true, predicted = _pixels(truth), _pixels(prediction)
    if true.shape[:2] != predicted.shape[:2]:
        raise DataError(
            f"truth is {true.shape[1]}x{true.shape[0]} pixels but the prediction is "
            f"{predicted.shape[1]}x{predicted.shape[0]}; predict at the size of the true picture"
        )
    true_ids, predicted_ids = _segment_ids(truth), _segment_ids(prediction)
    pixels = joint_count(true, predicted, first_ids=true_ids, second_ids=predicted_ids)
    _refuse_strangers(pixels.sum(axis=1), true, true_ids, "truth")
    _refuse_strangers(pixels.sum(axis=0), predicted, predicted_ids, "prediction")
    return pixels[1:, 1:]


def _refuse_strangers(areas: NDArray[np.int64], pixels: Pixels, known: Sequence[int], what: str) -> None:
    if areas[0]:
        strangers = sorted(set(np.unique(ids_of(pixels)).tolist()) - {0, *known})
        raise DataError(f"the {what} has pixels with ids {strangers[:5]} that none of its segments names")
    if not areas[2:].all():
        empty = known[int(np.flatnonzero(areas[2:] == 0)[0])]
        raise DataError(f"segment {empty} of the {what} has no pixel, or another segment has the same id; leave it out")


def _quality(counts: NDArray[np.float64]) -> Quality | None:
    tp, fp, fn = (int(counts[column]) for column in (_TP, _FP, _FN))
    if not tp + fp + fn:
        return None
    iou = float(counts[_IOU])
    weight = tp + 0.5 * fp + 0.5 * fn
    return Quality(pq=iou / weight, sq=iou / tp if tp else 0.0, rq=tp / weight, tp=tp, fp=fp, fn=fn)


def _mean(qualities: Iterable[Quality | None]) -> Quality | None:
    present = [quality for quality in qualities if quality]
    if not present:
        return None
    number = len(present)
    return Quality(
        pq=sum(quality.pq for quality in present) / number,
        sq=sum(quality.sq for quality in present) / number,
        rq=sum(quality.rq for quality in present) / number,
        tp=sum(quality.tp for quality in present),
        fp=sum(quality.fp for quality in present),
        fn=sum(quality.fn for quality in present),
        classes=number,
    )


def _segment_ids(panoptic_map: PanopticMap | ColourMap) -> Sequence[int]:
    if isinstance(panoptic_map, ColourMap):
        return panoptic_map.ids
    return [segment.id for segment in panoptic_map.segments]


def _pixels(panoptic_map: PanopticMap | ColourMap) -> Pixels:
    if isinstance(panoptic_map, ColourMap):
        return panoptic_map.colours
    ids: NDArray[np.int32] | Tensor = panoptic_map.ids
    array = ids.detach().cpu().numpy() if isinstance(ids, Tensor) else ids
    if array.dtype == np.int32:
        return array
    if array.size and not 0 <= array.min() <= array.max() <= MAX_ID:
        raise DataError(f"segment ids lie in 0..{MAX_ID}, but some are {array.min()} or {array.max()}")
    return array.astype(np.int32)
