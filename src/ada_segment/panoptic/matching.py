"""Which predicted segments match which true ones, from the pixels that they share, counted by class.

Source: Kirillov et al., "Panoptic Segmentation", CVPR 2019, section 4.1; void and crowds as in the reference evaluator
of COCO (panopticapi, evaluation.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TP, FP, FN, IOU = range(4)
Indices = NDArray[np.int64]


class SharedPixels(NamedTuple):
    """A picture, as far as PQ asks for it.

    Attributes:
        pixels: shared by each true and each predicted segment, [2 + true, 2 + predicted] int64; row and column 1 are
            void, 0 is empty.
        true, predicted: class of each segment, int32, from 0.
        crowd: whether each true segment is one, bool; a crowd matches nothing.
    """

    pixels: NDArray[np.int64]
    true: NDArray[np.int32]
    predicted: NDArray[np.int32]
    crowd: NDArray[np.bool_]


def count_matches(
    pictures: Sequence[SharedPixels], *, thresholds: Sequence[float], classes: int
) -> NDArray[np.float64]:
    """TP, FP, FN and the sum of the matches' IoU over the pictures: [thresholds, classes, 4].

    Segments of the same class match when their IoU is above the threshold, greedily by falling IoU; above 0.5 there is
    never a choice, below, ties fall in the order of the true, then of the predicted segments. Each is in one match at
    most. A predicted segment that matches nothing is no FP when more than half of its area is void or a crowd of its
    class (of several crowds of a class in a picture, the last).

    The pictures are taken together, as if all their segments were those of one: many small ones cost little more than
    one.
    """
    true, predicted = (np.concatenate([getattr(one, side) for one in pictures]) for side in ("true", "predicted"))
    crowd = np.concatenate([one.crowd for one in pictures])
    row, column, pixels = _meetings(pictures)

    true_area = np.bincount(row[row >= 0], weights=pixels[row >= 0], minlength=len(true))
    predicted_area = np.bincount(column[column >= 0], weights=pixels[column >= 0], minlength=len(predicted))
    on_void = (row < 0) & (column >= 0)
    void = np.bincount(column[on_void], weights=pixels[on_void], minlength=len(predicted))

    same_class = (row >= 0) & (column >= 0)
    same_class[same_class] = true[row[same_class]] == predicted[column[same_class]]
    row, column, pixels = row[same_class], column[same_class], pixels[same_class]
    of_crowd = crowd[row]
    on_last = _last_crowds(pictures, true, crowd, classes)[row]
    on_crowd = np.bincount(column[on_last], weights=pixels[on_last], minlength=len(predicted))
    ignored = 2 * (void + on_crowd) > predicted_area

    row, column, pixels = row[~of_crowd], column[~of_crowd], pixels[~of_crowd]
    iou = pixels / (true_area[row] + predicted_area[column] - void[column] - pixels)  # void is no part of a union
    likely = iou > min(thresholds)
    row, column, iou = row[likely], column[likely], iou[likely]
    if min(thresholds) < 0.5:
        kept = _greedy(row, column, iou)
        row, column, iou = row[kept], column[kept], iou[kept]

    counts = np.zeros((len(thresholds), classes, 4))
    every = np.bincount(true[~crowd], minlength=classes), np.bincount(predicted, minlength=classes)
    for at, threshold in zip(counts, thresholds, strict=True):
        match = iou > threshold
        label = true[row[match]]
        at[:, TP] = np.bincount(label, minlength=classes)
        at[:, IOU] = np.bincount(label, weights=iou[match], minlength=classes)
        at[:, FN] = every[0] - at[:, TP]
        left_out = ignored.copy()
        left_out[column[match]] = False
        at[:, FP] = every[1] - at[:, TP] - np.bincount(predicted[left_out], minlength=classes)
    return counts


def _meetings(pictures: Sequence[SharedPixels]) -> tuple[Indices, Indices, Indices]:
    """True and predicted segments that meet, by their indices over all pictures (-1 void); the pixels they share."""
    shapes = np.array([one.pixels.shape for one in pictures])
    flat = np.concatenate([one.pixels.ravel() for one in pictures])
    hit = np.flatnonzero(flat)
    ends = np.cumsum(shapes.prod(axis=1))
    picture = np.searchsorted(ends, hit, side="right")
    within = hit - (ends - shapes.prod(axis=1))[picture]
    first = np.cumsum(shapes - 2, axis=0) - (shapes - 2)  # index of each picture's first true and predicted segment
    row, column = np.divmod(within, shapes[picture, 1])
    row = np.where(row < 2, -1, row - 2 + first[picture, 0])
    column = np.where(column < 2, -1, column - 2 + first[picture, 1])
    return row, column, flat[hit]


def _last_crowds(
    pictures: Sequence[SharedPixels], true: NDArray[np.int32], crowd: NDArray[np.bool_], classes: int
) -> NDArray[np.bool_]:
    """Whether each true segment is the last crowd of its class in its picture."""
    picture = np.repeat(np.arange(len(pictures)), [len(one.true) for one in pictures])
    kind = picture * classes + true
    last = np.full(len(pictures) * classes, -1)
    np.maximum.at(last, kind[crowd], np.flatnonzero(crowd))
    is_last: NDArray[np.bool_] = last[kind] == np.arange(len(true))
    return is_last


def _greedy(row: Indices, column: Indices, iou: NDArray[np.float64]) -> Indices:
    """Which pairs are matches: by falling IoU, each segment once."""
    true: set[int] = set()
    predicted: set[int] = set()
    kept = []
    rows, columns = row.tolist(), column.tolist()
    for index in np.argsort(-iou, kind="stable").tolist():
        if rows[index] not in true and columns[index] not in predicted:
            true.add(rows[index])
            predicted.add(columns[index])
            kept.append(index)
    return np.array(kept, dtype=np.int64)
