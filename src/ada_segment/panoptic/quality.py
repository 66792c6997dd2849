"""Panoptic quality (PQ): how well predicted segments match the true ones.

Source: Kirillov et al., "Panoptic Segmentation", CVPR 2019, section 4.1, equations 1 and 2; void and crowds as in the
reference evaluator of COCO (panopticapi, evaluation.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.joint_count import Pixels, ids_of, joint_count, refuse_outside
from ada_segment.panoptic.matching import FN, FP, IOU, TP, SharedPixels, count_matches
from ada_segment.panoptic.panoptic_map import ColourMap, PanopticMap

_AT_ONCE = 64
"""Pictures whose segments are matched together, which costs little more than one by itself."""
_MANY = 2**16
"""Pairs of a true and a predicted segment in a picture that is not kept waiting, for memory's sake."""


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

    Raises:
        ValueError: a threshold is none, or there are none.
        DataError: two classes share an id.
    """

    def __init__(self, categories: Categories | Iterable[Category], *, thresholds: Sequence[float] = (0.5,)) -> None:
        self.thresholds = tuple(float(threshold) for threshold in thresholds)
        if not self.thresholds or not all(0 <= threshold < 1 for threshold in self.thresholds):
            raise ValueError(f"IoU thresholds lie in [0, 1), not {list(self.thresholds)}")
        self.categories = categories if isinstance(categories, Categories) else Categories(categories)
        self._index = {category.id: index for index, category in enumerate(self.categories)}
        self._counts = np.zeros((len(self.thresholds), len(self.categories), 4))
        self._waiting: list[SharedPixels] = []

    @property
    def counts(self) -> NDArray[np.float64]:
        """TP, FP, FN and the sum of the matches' IoU: [thresholds, classes in the order of their ids, 4] float64.
        Sums over processes or ranks are sums of this array."""
        self._match_waiting()
        return self._counts

    @counts.setter
    def counts(self, counts: NDArray[np.float64]) -> None:
        self._waiting = []
        self._counts = counts

    def update(self, prediction: PanopticMap | ColourMap, truth: PanopticMap | ColourMap) -> None:
        """Count one picture. The ids may be a tensor on any device; scores and stored areas are not looked at.

        Raises:
            DataError: ids are not whole numbers [H, W], the shapes differ, an id has no segment, a segment has no pixel
                or the id of void, or a class is unknown.
        """
        true, predicted = self._look_at(truth, "truth"), self._look_at(prediction, "prediction")
        pixels = _shared(true, predicted)
        self._waiting.append(SharedPixels(pixels, true.labels, predicted.labels, true.crowd))
        if len(self._waiting) == _AT_ONCE or pixels.size > _MANY:
            self._match_waiting()

    def _match_waiting(self) -> None:
        if self._waiting:
            self._counts += count_matches(self._waiting, thresholds=self.thresholds, classes=len(self.categories))
            self._waiting = []

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
        self.counts = np.zeros_like(self._counts)

    def state_dict(self) -> dict[str, Any]:
        """The counts, as nested lists, and the classes and thresholds that they are of."""
        return {"counts": self.counts.tolist(), **self._identity()}

    def _identity(self) -> dict[str, Any]:
        return {"categories": self.categories.to_json(), "thresholds": list(self.thresholds)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state that `state_dict` gave.

        Raises:
            ValueError: it is over other classes or thresholds.
        """
        if any(state.get(key, mine) != mine for key, mine in self._identity().items()):  # earlier states say neither
            raise ValueError("the state is of other classes or thresholds; make PanopticQuality with those it was of")
        self.counts = np.array(state["counts"], dtype=np.float64).reshape(self._counts.shape)

    def compute(self, threshold: float | None = None) -> PanopticResult:
        """The figures so far, at one of the thresholds (default: the first).

        Raises:
            ValueError: it is none of them.
        """
        if threshold is not None and threshold not in self.thresholds:
            raise ValueError(f"threshold {threshold} was not counted; give one of {list(self.thresholds)}")
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

    def _look_at(self, panoptic_map: PanopticMap | ColourMap, what: str) -> "_Map":
        if isinstance(panoptic_map, ColourMap):
            colours = panoptic_map.colours
            if colours.ndim != 3 or colours.shape[2] != 3 or colours.dtype != np.uint8:
                raise DataError(f"colours of the {what} are {_said(colours)}; give [H, W, 3] uint8")
            return _Map(panoptic_map.colours, panoptic_map.ids, panoptic_map.labels, panoptic_map.crowd, what)
        segments = panoptic_map.segments
        try:
            labels = [self._index[segment.category_id] for segment in segments]
        except KeyError as error:
            raise DataError(f"a segment of the {what} has category id {error}, which is not declared") from None
        ids = _array(panoptic_map.ids)
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise DataError(f"ids of the {what} are {_said(ids)}; give [H, W] whole numbers, picture by picture")
        if any(segment.id == 0 for segment in segments):
            raise DataError(f"a segment of the {what} has id 0, which is void; number segments from 1")
        return _Map(
            _int32(ids),
            _int32(np.array([segment.id for segment in segments])),
            np.array(labels, dtype=np.int32),
            np.array([segment.iscrowd for segment in segments], dtype=bool),
            what,
        )


class _Map(NamedTuple):
    pixels: Pixels
    ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    crowd: NDArray[np.bool_]
    what: str


def _shared(true: _Map, predicted: _Map) -> NDArray[np.int64]:
    """Pixels that each true segment shares with each predicted one, as in `JointCount`.

    Raises:
        DataError: the shapes differ, an id has no segment, an id is used twice, or a segment has no pixel.
    """
    if true.pixels.shape[:2] != predicted.pixels.shape[:2]:
        raise DataError(
            f"truth is {true.pixels.shape[1]}x{true.pixels.shape[0]} pixels but the prediction is "
            f"{predicted.pixels.shape[1]}x{predicted.pixels.shape[0]}; predict at the size of the true picture"
        )
    counted = joint_count(true.pixels, predicted.pixels, first_ids=true.ids, second_ids=predicted.ids)
    if not counted.all_named:
        _refuse_strangers(counted.pixels.sum(axis=1), true)
        _refuse_strangers(counted.pixels.sum(axis=0), predicted)
    return counted.pixels


def _refuse_strangers(areas: NDArray[np.int64], seen: _Map) -> None:
    known = seen.ids.tolist()
    if areas[0]:
        strangers = sorted(set(np.unique(ids_of(seen.pixels)).tolist()) - {0, *known})
        raise DataError(f"the {seen.what} has pixels with ids {strangers[:5]} that none of its segments names")
    if not areas[2:].all():
        empty = known[int(np.flatnonzero(areas[2:] == 0)[0])]
        raise DataError(
            f"segment {empty} of the {seen.what} has no pixel, or another segment has the same id; leave it out"
        )


def _array(ids: Any) -> NDArray[Any]:
    return ids.detach().cpu().numpy() if isinstance(ids, Tensor) else np.asarray(ids)


def _said(array: NDArray[Any]) -> str:
    return f"{list(array.shape)} {array.dtype}"


def _int32(array: NDArray[Any]) -> NDArray[np.int32]:
    if array.dtype == np.int32:
        return array
    refuse_outside(array)
    return array.astype(np.int32)


def _quality(counts: NDArray[np.float64]) -> Quality | None:
    tp, fp, fn = (int(counts[column]) for column in (TP, FP, FN))
    if not tp + fp + fn:
        return None
    iou = float(counts[IOU])
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
