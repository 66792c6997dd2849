"""Instances and stuff merged into one panoptic map, without overlaps (Kirillov et al. 2019, Panoptic FPN)."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from ada_segment.errors import ConfigError
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.panoptic.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When an instance or a stuff region counts. The defaults are the field's usual ones (Panoptic FPN, detectron2).

    Attributes:
        score: instances with a lower score are dropped.
        overlap: an instance is dropped when a greater share of it is covered by instances with higher scores.
        stuff_area: stuff regions of a smaller share of the picture are dropped. A share, not pixels: 4096 pixels,
            the usual figure, are 1 / 75 of a COCO picture of 640 x 480.
    """

    score: float = 0.5
    overlap: float = 0.5
    stuff_area: float = 4096 / (640 * 480)

    def __post_init__(self) -> None:
        for name in ("score", "overlap", "stuff_area"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"threshold {name} = {value} is out of bounds; give a number from 0 to 1")


def merge(prediction: Prediction, thresholds: Thresholds, things: Set[int]) -> PanopticMap:
    """Lay instances by falling score, each on the pixels still free, then stuff on what is left.

    Args:
        prediction: candidates of one picture.
        thresholds: which candidates count.
        things: category ids of the thing classes; the others are stuff.

    Returns:
        The panoptic map; pixels that nothing claims are void (0).
    """
    ids = np.zeros(prediction.stuff.shape, dtype=np.int32)
    segments: list[Segment] = []
    for instance in prediction.instances:
        if instance.score < thresholds.score:
            break
        height, width = instance.mask.shape
        window = ids[instance.top : instance.top + height, instance.left : instance.left + width]
        visible = instance.mask & (window == 0)
        area = int(np.count_nonzero(visible))
        if area == 0 or instance.area - area > thresholds.overlap * instance.area:
            continue
        segment = Segment(
            len(segments) + 1, instance.category_id, instance.category_id in things, area=area, score=instance.score
        )
        window[visible] = segment.id
        segments.append(segment)

    left_over = np.where(ids == 0, prediction.stuff, -1)
    smallest = max(thresholds.stuff_area * ids.size, 1)
    areas = np.bincount((left_over + 1).ravel())[1:]
    for category_id in np.flatnonzero(areas >= smallest).tolist():
        segment = Segment(len(segments) + 1, category_id, False, area=int(areas[category_id]))
        ids[left_over == category_id] = segment.id
        segments.append(segment)
    return PanopticMap(ids, tuple(segments))
