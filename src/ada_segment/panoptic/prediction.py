"""What a model says about a picture before instances and stuff are merged into one map."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

MASK_THRESHOLD = 0.5
"""Probability from which a pixel belongs to an instance (He et al. 2017, Mask R-CNN)."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One candidate instance: `mask` [h, w] bool lies with its upper left corner at pixel (`top`, `left`)."""

    category_id: int
    score: float
    top: int
    left: int
    mask: NDArray[np.bool_]
    area: int


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Candidates of one picture, in the size of the original picture.

    Merging turns it into a PanopticMap; since merging is cheap, thresholds can be tuned on predictions made once.

    Attributes:
        instances: in falling order of their scores.
        stuff: category id of the likeliest stuff class of each pixel, [H, W] int16 or int32; -1 where things are
            likelier.
    """

    instances: tuple[Instance, ...]
    stuff: NDArray[np.int16] | NDArray[np.int32]


def paste_instances(
    boxes: Tensor, scores: Tensor, category_ids: list[int], masks: Tensor, size: tuple[int, int]
) -> tuple[Instance, ...]:
    """Candidates from a mask head's output.

    Args:
        boxes: [N, 4] float, x1 y1 x2 y2 in pixels of the original picture.
        scores: [N] float.
        category_ids: N class ids of the annotation file.
        masks: [N, m, m] float probabilities, spread over the box.
        size: height and width of the original picture.

    Returns:
        In falling order of the scores; those without a pixel are left out.
    """
    height, width = size
    corners = boxes.detach().cpu().double().numpy()
    masks = masks.detach().float().cpu()
    ranking = scores.detach().float().cpu().numpy()
    instances = []
    for i in np.argsort(-ranking, kind="stable").tolist():
        x1, y1, x2, y2 = corners[i]
        left, top = max(int(np.floor(x1)), 0), max(int(np.floor(y1)), 0)
        right, bottom = min(int(np.ceil(x2)), width), min(int(np.ceil(y2)), height)
        if right <= left or bottom <= top:
            continue
        # Sample the mask at the centres of the pixels that the box touches.
        x = (torch.arange(left, right, dtype=torch.float32) + 0.5 - float(x1)) / max(float(x2 - x1), 1e-6) * 2 - 1
        y = (torch.arange(top, bottom, dtype=torch.float32) + 0.5 - float(y1)) / max(float(y2 - y1), 1e-6) * 2 - 1
        grid = torch.stack((x.expand(len(y), -1), y[:, None].expand(-1, len(x))), dim=-1)
        pasted = F.grid_sample(masks[i][None, None], grid[None], align_corners=False, padding_mode="zeros")[0, 0]
        mask = (pasted >= MASK_THRESHOLD).numpy()
        if area := int(mask.sum()):
            instances.append(Instance(category_ids[i], float(ranking[i]), top, left, mask, area))
    return tuple(instances)


def predict_by_shape(
    predict: Callable[[list[Tensor], list[tuple[int, int]]], Sequence[Prediction]],
    images: Sequence[Tensor],
    sizes: Sequence[tuple[int, int]],
    shapes: Sequence[tuple[int, int]],
) -> list[Prediction]:
    """What `predict` says of all pictures, in the order given; pictures of one shape are predicted together.

    Networks see the padding (group norms take statistics over it), so a prediction would depend on the batch.

    Args:
        predict: of pictures and original sizes.
        images: [3, H, W] each.
        sizes: height and width of each original picture.
        shapes: height and width that each picture is padded to by itself.
    """
    together: dict[tuple[int, int], list[int]] = {}
    for index, (_, _, shape) in enumerate(zip(images, sizes, shapes, strict=True)):
        together.setdefault(shape, []).append(index)
    found: dict[int, Prediction] = {}
    for group in together.values():
        predicted = predict([images[index] for index in group], [sizes[index] for index in group])
        found.update(zip(group, predicted, strict=True))
    return [found[index] for index in range(len(images))]
