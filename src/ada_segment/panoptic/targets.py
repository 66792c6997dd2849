"""From a panoptic map to what the heads of a model learn from."""

from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.recount import boxes, relabelled

IGNORE = -1
"""Label of pixels that the semantic loss leaves out: void. No class has it, however many there are."""


class Target(TypedDict):
    """Training target of one picture of H x W pixels with N instances."""

    boxes: Tensor
    """[N, 4] int64, x1 y1 x2 y2 in pixels, x2 and y2 exclusive. Whole numbers, since mixed precision rounds others."""
    labels: Tensor
    """[N] int64, contiguous thing labels 1..T."""
    masks: Tensor
    """[N, H, W] uint8."""
    semantic: Tensor
    """[H, W] int64: 0 for things (crowds too), 1..S for stuff, IGNORE for void."""


def make_target(truth: PanopticMap, categories: Categories) -> Target:
    """The target of one picture, whose areas are those of its pixels. Crowds teach the semantic branch only, since they
    are no instances."""
    ids = truth.ids
    label_of_id = {segment.id: _semantic_label(segment.category_id, categories) for segment in truth.segments}
    semantic = torch.from_numpy(relabelled(ids, label_of_id, other=IGNORE))

    instances = [s for s in truth.segments if s.isthing and not s.iscrowd and s.area > 0]
    if not instances:
        height, width = ids.shape
        return Target(
            boxes=torch.zeros(0, 4, dtype=torch.int64),
            labels=torch.zeros(0, dtype=torch.int64),
            masks=torch.zeros(0, height, width, dtype=torch.uint8),
            semantic=semantic,
        )
    box_of_id = boxes(ids)
    corners = []
    masks = np.zeros((len(instances), *ids.shape), dtype=np.bool_)
    for number, instance in enumerate(instances):
        left, top, width, height = box_of_id[instance.id]
        corners.append((left, top, left + width, top + height))
        # Within its box alone: to compare all pixels with every id was most of what loading took.
        window = slice(top, top + height), slice(left, left + width)
        np.equal(ids[window], instance.id, out=masks[number][window])
    labels = torch.tensor([categories.thing_label(s.category_id) for s in instances], dtype=torch.int64)
    return Target(
        boxes=torch.tensor(corners, dtype=torch.int64),
        labels=labels,
        masks=torch.from_numpy(masks.view(np.uint8)),
        semantic=semantic,
    )


def _semantic_label(category_id: int, categories: Categories) -> int:
    return 0 if categories[category_id].isthing else categories.stuff_label(category_id)
