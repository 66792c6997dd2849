"""Pictures of different sizes in one batch: each at the upper left, with padding to its right and below."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the three channels of pictures in [0, 1]."""


def common_shape(images: Sequence[Tensor], multiple: int) -> tuple[int, int]:
    """The least height and width that hold all pictures [..., H, W] and are multiples of `multiple`."""
    height, width = (max(image.shape[axis] for image in images) for axis in (-2, -1))
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def pad(tensor: Tensor, shape: Sequence[int], value: float = 0) -> Tensor:
    """A tensor [..., H, W] at the upper left of [..., *shape], which is filled with `value`."""
    return F.pad(tensor, (0, shape[1] - tensor.shape[-1], 0, shape[0] - tensor.shape[-2]), value=value)
