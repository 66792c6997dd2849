"""Mask R-CNN's heads (He et al. 2017) on torchvision's parts, with masks learned where they are pasted."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss, maskrcnn_inference, maskrcnn_loss
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import initLevelMapper

CANONICAL_SCALE, CANONICAL_LEVEL = 224, 4
"""A box of so many pixels reads the features of so many halvings (Lin et al. 2017, FPN, eq. 1)."""


def roi_pool(levels: Sequence[str], strides: Sequence[int], output_size: int) -> MultiScaleRoIAlign:
    """Features of boxes from the pyramid's levels.

    Left to itself, torchvision takes the strides from the size of the first picture that comes along and keeps them;
    padding then makes them wrong by a factor of two for pictures that are much wider than high.
    """
    pool = MultiScaleRoIAlign(list(levels), output_size=output_size, sampling_ratio=2)
    pool.scales = [1 / stride for stride in strides]  # type: ignore[assignment]
    first, last = (stride.bit_length() - 1 for stride in (strides[0], strides[-1]))
    pool.map_levels = initLevelMapper(first, last, canonical_scale=CANONICAL_SCALE, canonical_level=CANONICAL_LEVEL)
    return pool


class MaskedRoIHeads(RoIHeads):
    """One box head and one mask head.

    Losses: `loss_classifier`, `loss_box_reg` and `loss_mask`.

    Args:
        aligned_masks: cut true masks with the centres of pixels at half numbers, as masks are pasted. torchvision has
            them at whole numbers here, and its masks come out half a pixel up and left.
        parts: the arguments of torchvision's `RoIHeads`.
    """

    def __init__(self, *, aligned_masks: bool, **parts: Any) -> None:
        super().__init__(**parts)  # type: ignore[no-untyped-call]
        self.aligned_masks = aligned_masks

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """As torchvision's `RoIHeads.forward`: detections in inference, losses in training."""
        if self.training:
            assert targets is not None
            return [], self._losses(features, proposals, image_shapes, targets)
        found = self._detections(features, proposals, image_shapes)
        masks = maskrcnn_inference(
            self._mask_logits(features, [one["boxes"] for one in found], image_shapes),
            [one["labels"] for one in found],
        )
        return [{**one, "masks": mask} for one, mask in zip(found, masks, strict=True)], {}

    def _losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        proposals, matched, labels, aims = self.select_training_samples(proposals, targets)
        scores, offsets = self.box_predictor(self.box_head(self.box_roi_pool(features, proposals, image_shapes)))
        loss_classifier, loss_box_reg = fastrcnn_loss(scores, offsets, labels, aims)
        return {
            "loss_classifier": loss_classifier,
            "loss_box_reg": loss_box_reg,
            "loss_mask": self._mask_loss(features, (proposals, matched, labels), image_shapes, targets),
        }

    def _mask_loss(
        self,
        features: dict[str, Tensor],
        sampled: tuple[list[Tensor], list[Tensor], list[Tensor]],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
    ) -> Tensor:
        """Of the positive ones among the sampled proposals, which are given with their matches and labels."""
        positive = [torch.where(labels > 0)[0] for labels in sampled[2]]
        boxes = [b[p] for b, p in zip(sampled[0], positive, strict=True)]
        matched = [m[p] for m, p in zip(sampled[1], positive, strict=True)]
        logits = self._mask_logits(features, boxes, image_shapes)
        cut = [box - 0.5 for box in boxes] if self.aligned_masks else boxes
        loss: Tensor = maskrcnn_loss(
            logits, cut, [t["masks"] for t in targets], [t["labels"] for t in targets], matched
        )
        return loss

    def _detections(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """Boxes, labels and scores of each picture."""
        scores, offsets = self.box_predictor(self.box_head(self.box_roi_pool(features, proposals, image_shapes)))
        found = self.postprocess_detections(scores, offsets, proposals, image_shapes)
        return [
            {"boxes": boxes, "labels": labels, "scores": scores} for boxes, scores, labels in zip(*found, strict=True)
        ]

    def _mask_logits(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """[N, classes, m, m] for the N boxes of all pictures."""
        logits: Tensor = self.mask_predictor(self.mask_head(self.mask_roi_pool(features, boxes, image_shapes)))
        return logits
