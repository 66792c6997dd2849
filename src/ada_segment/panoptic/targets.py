"""From a panoptic map to what the heads of a model learn from."""

from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap

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
    """The target of one picture. Crowds teach the semantic branch only, since they are no instances."""
    ids = np.ascontiguousarray(truth.ids)
    label_of_id = {segment.id: _semantic_label(segment.category_id, categories) for segment in truth.segments}
    unique, inverse = torch.unique(torch.from_numpy(ids), return_inverse=True)
    semantic = torch.tensor([label_of_id.get(int(i), IGNORE) for i in unique], dtype=torch.int64)[inverse]

    instances = [s for s in truth.segments if s.isthing and not s.iscrowd and s.area > 0]
    if not instances:
        height, width = ids.shape
        return Target(
            boxes=torch.zeros(0, 4, dtype=torch.int64),
            labels=torch.zeros(0, dtype=torch.int64),
            masks=torch.zeros(0, height, width, dtype=torch.uint8),
            semantic=semantic,
        )
    # By NumPy, and not by torchvision's masks_to_boxes: comparing and reducing this many bytes is ten times as fast,
    # and with thirty instances a picture that was half of what loading took.
    masks = ids[None] == np.array([s.id for s in instances], dtype=ids.dtype)[:, None, None]
    rows, columns = masks.any(axis=2), masks.any(axis=1)
    first = [columns.argmax(axis=1), rows.argmax(axis=1)]
    end = [masks.shape[2] - columns[:, ::-1].argmax(axis=1), masks.shape[1] - rows[:, ::-1].argmax(axis=1)]
    boxes = torch.from_numpy(np.stack([*first, *end], axis=1))
    labels = torch.tensor([categories.thing_label(s.category_id) for s in instances], dtype=torch.int64)
    return Target(boxes=boxes, labels=labels, masks=torch.from_numpy(masks.view(np.uint8)), semantic=semantic)


def _semantic_label(category_id: int, categories: Categories) -> int:
    return 0 if categories[category_id].isthing else categories.stuff_label(category_id)
