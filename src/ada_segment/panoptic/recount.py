"""Segments that agree with the pixels: areas counted, vanished ones dropped."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ada_segment.panoptic.panoptic_map import PanopticMap, Segment


def recount(ids: NDArray[np.int32], segments: Iterable[Segment]) -> PanopticMap:
    """A map whose segments have their areas from `ids`; those without a pixel are left out.

    Args:
        ids: [H, W] int32, 0 = void; every other id is that of one of the segments.
        segments: what is known of each id; their own areas are not looked at.
    """
    values, areas = np.unique(ids, return_counts=True)
    area = dict(zip(values.tolist(), areas.tolist(), strict=True))
    return PanopticMap(
        ids=ids,
        segments=tuple(
            segment if segment.area == area[segment.id] else replace(segment, area=area[segment.id])
            for segment in segments
            if segment.id in area
        ),
    )
