"""Which predicted segments match which true ones, from the pixels that they share.

Source: Kirillov et al., "Panoptic Segmentation", CVPR 2019, section 4.1; void and crowds as in the reference evaluator
of COCO (panopticapi, evaluation.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Match(NamedTuple):
    """A true and a predicted segment of the same class, by their indices, and their IoU."""

    iou: float
    true: int
    predicted: int


class Matching(NamedTuple):
    """What became of the segments of a picture.

    Attributes:
        matches: each segment is in one at most; by falling IoU.
        ignored: predicted segments that are no false positive when they match nothing: more than half of their area is
            void or a crowd of their class (of several crowds of a class, the last).
    """

    matches: list[Match]
    ignored: set[int]


def match(
    pixels: NDArray[np.int64],
    *,
    true: Sequence[int],
    predicted: Sequence[int],
    crowd: Sequence[bool],
    least: float,
) -> Matching:
    """Match segments of the same class whose IoU is above `least`, greedily by falling IoU.

    Above an IoU of 0.5 there is never a choice. Below, ties fall in the order of the true, then of the predicted
    segments.

    Args:
        pixels: shared by each true and each predicted segment, row and column 0 for void: [1 + true, 1 + predicted].
        true, predicted: class of each segment.
        crowd: whether each true segment is one; a crowd matches nothing.
        least: IoU below which nobody asks for matches.
    """
    rows, columns = np.nonzero(pixels)
    # Few segments meet: plain numbers are faster than arrays.
    shared = list(zip(rows.tolist(), columns.tolist(), pixels[rows, columns].tolist(), strict=True))
    true_area, predicted_area = [0] * (len(true) + 1), [0] * (len(predicted) + 1)
    excused = [0] * (len(predicted) + 1)  # void at first: it is not part of a prediction's area in the union
    for row, column, count in shared:
        true_area[row] += count
        predicted_area[column] += count
        if not row:
            excused[column] = count
    last_crowd = {true[row]: row + 1 for row, is_crowd in enumerate(crowd) if is_crowd}
    candidates = []
    of_crowds = []
    for row, column, count in shared:
        if not row or not column or true[row - 1] != predicted[column - 1]:
            continue
        if crowd[row - 1]:
            if last_crowd[true[row - 1]] == row:
                of_crowds.append((column, count))
            continue
        iou = count / (true_area[row] + predicted_area[column] - excused[column] - count)
        if iou > least:
            candidates.append(Match(iou, row - 1, column - 1))
    candidates.sort(key=lambda pair: -pair.iou)  # keeps the order of ties
    for column, count in of_crowds:
        excused[column] += count
    ignored = {column - 1 for column in range(1, len(excused)) if 2 * excused[column] > predicted_area[column]}
    return Matching(candidates if least >= 0.5 else _unique(candidates), ignored)


def _unique(candidates: list[Match]) -> list[Match]:
    """The first match of each segment."""
    true: set[int] = set()
    predicted: set[int] = set()
    kept = []
    for pair in candidates:
        if pair.true not in true and pair.predicted not in predicted:
            true.add(pair.true)
            predicted.add(pair.predicted)
            kept.append(pair)
    return kept
