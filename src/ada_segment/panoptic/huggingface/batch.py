"""Pictures and targets of different sizes as one batch of the library's kind."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_convert, masks_to_boxes

from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.picture_batch import common_shape, pad
from ada_segment.panoptic.targets import IGNORE, Target


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures at the upper left of one size.

    Attributes:
        pixels: [B, 3, H, W] float, normalised; 0 where padded.
        inside: [B, H, W] int64, 1 in the picture and 0 in the padding: the library's pixel mask.
        sizes: height and width of each picture within the batch.
    """

    pixels: Tensor
    inside: Tensor
    sizes: list[tuple[int, int]]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the batch."""
        return self.pixels.shape[-2], self.pixels.shape[-1]


@dataclass(frozen=True, slots=True)
class Segments:
    """What a query of one picture may be matched with: N segments, each thing and each class of stuff one.

    Attributes:
        masks: [N, H, W] float, 0 or 1, over the padded size.
        labels: [N] int64, position of the class among all classes of the dataset, from 0.
        boxes: [N, 4] float, centre x, centre y, width, height, as shares of the picture without its padding.
    """

    masks: Tensor
    labels: Tensor
    boxes: Tensor


class Batching:
    """Makes batches and segments.

    Args:
        mean, std: of the pixels in [0, 1], for each of the three channels.
        multiple: height and width of a batch are multiples of it.
        square: side of every batch; larger pictures are shrunk to fit. None for the size of the largest picture.
    """

    def __init__(
        self, *, mean: Sequence[float], std: Sequence[float], multiple: int, square: int | None = None
    ) -> None:
        self.mean, self.std, self.multiple, self.square = tuple(mean), tuple(std), multiple, square

    def pictures(self, images: Sequence[Tensor]) -> Batch:
        """A batch of uint8 pictures [3, H, W], RGB."""
        fitted = [self._fit(image[None].float(), "bilinear")[0] for image in images]
        sizes = [(image.shape[-2], image.shape[-1]) for image in fitted]
        shape = self.shape(fitted)
        mean, std = (fitted[0].new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        pixels = torch.stack([pad((image / 255 - mean) / std, shape) for image in fitted])
        inside = torch.stack([pad(image.new_ones(image.shape[-2:], dtype=torch.int64), shape) for image in fitted])
        return Batch(pixels, inside, sizes)

    def segments(self, target: Target, categories: Categories, shape: tuple[int, int]) -> Segments:
        """The segments of a target, over a padded shape. Crowds and void are part of none."""
        semantic, position = target["semantic"], {category.id: i for i, category in enumerate(categories)}
        found = [int(label) for label in semantic.unique().tolist() if label not in (0, IGNORE)]
        masks = torch.cat([target["masks"].bool(), *((semantic == label)[None] for label in found)])
        things = [position[categories.things[label - 1].id] for label in target["labels"].tolist()]
        stuff = [position[categories.stuff[label - 1].id] for label in found]
        labels = torch.tensor(things + stuff, dtype=torch.int64, device=masks.device)
        if len(masks):
            masks = self._fit(masks[None].float(), "nearest-exact")[0] > 0
            left = masks.flatten(1).any(1)  # shrinking can take the last pixel of a small segment
            masks, labels = masks[left], labels[left]
        if not len(masks):
            none = torch.zeros(0, 1, device=semantic.device)
            return Segments(none[..., None].expand(0, *shape), labels, none.expand(0, 4))
        height, width = masks.shape[-2:]
        boxes = masks_to_boxes(masks)
        boxes[:, 2:] += 1  # the last pixel belongs to the segment
        boxes = box_convert(boxes, "xyxy", "cxcywh") / boxes.new_tensor([width, height, width, height])
        return Segments(pad(masks.float(), shape), labels, boxes)

    def _fit(self, pictures: Tensor, mode: str) -> Tensor:
        longest = max(pictures.shape[-2:])
        if self.square is None or longest <= self.square:
            return pictures
        size = [max(round(side * self.square / longest), 1) for side in pictures.shape[-2:]]
        return F.interpolate(pictures, size=size, mode=mode, antialias=mode == "bilinear")

    def shape(self, images: Sequence[Tensor]) -> tuple[int, int]:
        """Height and width of a batch of pictures [3, H, W]."""
        if self.square is not None:
            return self.square, self.square
        return common_shape(images, self.multiple)
