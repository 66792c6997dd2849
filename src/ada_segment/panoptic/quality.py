"""Panoptic quality (PQ): how well predicted segments match the true ones.

Source: Kirillov et al., "Panoptic Segmentation", CVPR 2019, section 4.1, equations 1 and 2; void and crowds as in the
reference evaluator of COCO (panopticapi, evaluation.py).
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment

MAX_ID = 2**24 - 1
"""The greatest segment id that a PNG with three channels of 8 bits can hold."""

_TP, _FP, _FN, _IOU = range(4)
_LANES = 4
_EACH_LANE = np.ones(_LANES)


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
        self._limits = np.array(self.thresholds)

    def update(self, prediction: PanopticMap, truth: PanopticMap) -> None:
        """Count one picture. The ids may be a tensor on any device; scores and stored areas are not looked at.

        Raises:
            DataError: the shapes differ, an id has no segment, a segment has no pixel, or a class is unknown.
        """
        pixels = intersections(prediction, truth)
        predicted = self._class_indices(prediction.segments, "prediction")
        true = self._class_indices(truth.segments, "truth")
        crowd = np.array([segment.iscrowd for segment in truth.segments], dtype=bool)
        matched = _match(pixels, predicted=predicted, true=true, crowd=crowd)
        ignored = _ignored(pixels, predicted=predicted, true=true, crowd=crowd)
        classes = len(self.categories)
        predicted_count = np.bincount(predicted, minlength=classes)
        true_count = np.bincount(true[~crowd], minlength=classes)
        for counts, limit in zip(self.counts, self._limits, strict=True):
            good = matched.iou > limit
            labels = true[matched.true[good]]
            tp = np.bincount(labels, minlength=classes)
            # A prediction can be ignored only when it matches nothing at this threshold.
            left_out = ignored.copy()
            left_out[matched.predicted[good]] = False
            counts[:, _TP] += tp
            counts[:, _FP] += predicted_count - np.bincount(predicted[left_out], minlength=classes) - tp
            counts[:, _FN] += true_count - tp
            counts[:, _IOU] += np.bincount(labels, weights=matched.iou[good], minlength=classes)

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

    def _class_indices(self, segments: Sequence[Segment], what: str) -> NDArray[np.intp]:
        try:
            return np.array([self._index[segment.category_id] for segment in segments], dtype=np.intp)
        except KeyError as error:
            raise DataError(f"a segment of the {what} has category id {error}, which is not declared") from None


def intersections(prediction: PanopticMap, truth: PanopticMap) -> NDArray[np.int64]:
    """Pixels that each true segment shares with each predicted one: [1 + true, 1 + predicted] int64.

    Row 0 is the truth's void, column 0 the prediction's; the rest are in the order of the segments.

    Raises:
        DataError: the shapes differ, an id has no segment, an id is used twice, or a segment has no pixel.
    """
    true_ids, predicted_ids = _int32(truth.ids), _int32(prediction.ids)
    if true_ids.shape != predicted_ids.shape:
        raise DataError(
            f"truth is {true_ids.shape[-1]}x{true_ids.shape[0]} pixels but the prediction is "
            f"{predicted_ids.shape[-1]}x{predicted_ids.shape[0]}; predict at the size of the true picture"
        )
    true_runs, predicted_runs, lengths = _joint_runs(true_ids.ravel(), predicted_ids.ravel())
    # Rows and columns are shifted by one more: 0 stands for an id that no segment names.
    rows, columns = len(truth.segments) + 2, len(prediction.segments) + 2
    codes = _local(true_runs, truth.segments)
    codes *= columns
    codes += _local(predicted_runs, prediction.segments)
    # Neighbours often have the same code, and adding to the same place again waits for the last sum: four places take
    # turns, which halves the time.
    codes *= _LANES
    codes += _tables.lanes(len(codes))
    # Sums of integers below 2^53 are exact in float64.
    sums = np.bincount(codes, weights=lengths, minlength=_LANES * rows * columns)
    pixels: NDArray[np.int64] = (sums.reshape(-1, _LANES) @ _EACH_LANE).astype(np.int64).reshape(rows, columns)
    _refuse_strangers(pixels.sum(axis=1), truth, "truth")
    _refuse_strangers(pixels.sum(axis=0), prediction, "prediction")
    return pixels[1:, 1:]


def _joint_runs(
    first: NDArray[np.int32], second: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64] | None]:
    """Values of both arrays wherever one of them changes, and for how many pixels; None: each stands for one pixel."""
    changes = np.empty(first.size, dtype=bool)
    changes[-1:] = True
    np.not_equal(first[1:], first[:-1], out=changes[:-1])
    changes[:-1] |= second[1:] != second[:-1]
    # With so many runs, finding them costs more than they save.
    if 2 * np.count_nonzero(changes) > first.size:
        return first, second, None
    ends = np.flatnonzero(changes)
    lengths = np.empty(len(ends))
    lengths[:1] = ends[:1] + 1
    np.subtract(ends[1:], ends[:-1], out=lengths[1:])
    return first.take(ends, mode="wrap"), second.take(ends, mode="wrap"), lengths  # wrap: without looking for bounds


class _Tables(threading.local):
    """Memory that is used again and again; one a thread. A table from segment id to local index, all zero between uses,
    and a pattern of lanes."""

    def __init__(self) -> None:
        self.table = np.zeros(0, dtype=np.int32)
        self.turns = np.zeros(0, dtype=np.int32)

    def at_least(self, size: int) -> NDArray[np.int32]:
        if len(self.table) < size:
            self.table = np.zeros(size, dtype=np.int32)
        return self.table

    def lanes(self, size: int) -> NDArray[np.int32]:
        """0, 1, 2, 3, 0, 1, ..."""
        if len(self.turns) < size:
            self.turns = np.arange(size, dtype=np.int32) % _LANES
        return self.turns[:size]


_tables = _Tables()


def _local(ids: NDArray[np.int32], segments: Sequence[Segment]) -> NDArray[np.int32]:
    """Local index of each id: 1 = void, 2.. = the segments in their order, 0 = no segment has this id."""
    known = [0, *(segment.id for segment in segments)]
    if min(known) >= 0 and max(known) <= MAX_ID:
        table = _tables.at_least(1 << max(known).bit_length())
        table[known] = np.arange(1, len(known) + 1)
        try:
            return table.take(ids.view(np.uint32))  # negative ids are out of bounds, too
        except IndexError:
            pass
        finally:
            table[known] = 0
    least, greatest = min(*known, int(ids.min(initial=0))), max(*known, int(ids.max(initial=0)))
    if least < 0 or greatest > MAX_ID:
        raise DataError(f"segment ids lie in 0..{MAX_ID}, but some are {least} or {greatest}")
    _tables.at_least(1 << greatest.bit_length())
    return _local(ids, segments)


def _refuse_strangers(areas: NDArray[np.int64], panoptic_map: PanopticMap, what: str) -> None:
    if areas[0]:
        known = {0, *(segment.id for segment in panoptic_map.segments)}
        strangers = sorted(set(np.unique(_int32(panoptic_map.ids)).tolist()) - known)
        raise DataError(f"the {what} has pixels with ids {strangers[:5]} that none of its segments names")
    if not areas[2:].all():
        empty = panoptic_map.segments[int(np.flatnonzero(areas[2:] == 0)[0])].id
        raise DataError(f"segment {empty} of the {what} has no pixel, or another segment has the same id; leave it out")


@dataclass(frozen=True, slots=True)
class _Matches:
    """Pairs of the one-to-one matching, indices into the segments, with their IoU."""

    true: NDArray[np.intp]
    predicted: NDArray[np.intp]
    iou: NDArray[np.float64]


def _match(
    pixels: NDArray[np.int64],
    *,
    predicted: NDArray[np.intp],
    true: NDArray[np.intp],
    crowd: NDArray[np.bool_],
) -> _Matches:
    """Match segments of the same class greedily by falling IoU; ties in the order of the true, then the predicted."""
    shared = pixels[1:, 1:]
    candidates = (true[:, None] == predicted) & (shared > 0)
    candidates[crowd] = False
    rows, columns = np.nonzero(candidates)
    both = shared[rows, columns]
    true_area = pixels.sum(axis=1)[1:]
    # The truth's void is not part of a prediction's area.
    predicted_area = shared.sum(axis=0)
    iou = both / (true_area[rows] + predicted_area[columns] - both)
    # Pairs above 0.5 are unique without any choice; they also come first in the greedy order.
    if len(iou) and (iou <= 0.5).any():
        keep = _greedy(rows, columns, iou)
        rows, columns, iou = rows[keep], columns[keep], iou[keep]
    return _Matches(true=rows, predicted=columns, iou=iou)


def _greedy(rows: NDArray[np.intp], columns: NDArray[np.intp], iou: NDArray[np.float64]) -> list[int]:
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    keep = []
    for index in np.argsort(-iou, kind="stable").tolist():
        row, column = int(rows[index]), int(columns[index])
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            keep.append(index)
    return keep


def _ignored(
    pixels: NDArray[np.int64],
    *,
    predicted: NDArray[np.intp],
    true: NDArray[np.intp],
    crowd: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Predictions with more than half of their area in void or in the (last) crowd of their class."""
    excused = pixels[0, 1:].copy()
    last_crowd = {int(true[row]): int(row) for row in np.flatnonzero(crowd)}
    for label, row in last_crowd.items():
        of_class = predicted == label
        excused[of_class] += pixels[row + 1, 1:][of_class]
    ignored: NDArray[np.bool_] = excused * 2 > pixels[:, 1:].sum(axis=0)
    return ignored


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


def _int32(ids: NDArray[np.int32] | Tensor) -> NDArray[np.int32]:
    array = ids.detach().cpu().numpy() if isinstance(ids, Tensor) else ids
    if array.dtype == np.int32:
        return array
    if array.size and not 0 <= array.min() <= array.max() <= MAX_ID:
        raise DataError(f"segment ids lie in 0..{MAX_ID}, but some are {array.min()} or {array.max()}")
    return array.astype(np.int32)
