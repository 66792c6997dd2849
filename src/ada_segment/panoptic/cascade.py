"""Cascade R-CNN's box heads (Cai and Vasconcelos 2018) on torchvision's detection parts."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image, remove_small_boxes

from ada_segment.panoptic.roi_heads import MaskedRoIHeads

STAGE_IOU = (0.5, 0.6, 0.7)
"""IoU from which a proposal is an object, by stage."""
STAGE_BOX_WEIGHTS = ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0))
"""Scale of the regression targets (x, y, width, height), by stage."""


class StagePredictor(nn.Module):
    """Class scores and one box per proposal, whatever its class (class-agnostic regression, as in the paper)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classify = nn.Linear(channels, classes)
        self.regress = nn.Linear(channels, 4)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.classify(features), self.regress(features)


class CascadeRoIHeads(MaskedRoIHeads):
    """Three box heads, each fed with the boxes that the one before has refined, and one mask head.

    Losses: `loss_cls_stage{s}` and `loss_box_reg_stage{s}` for s = 0, 1, 2, and `loss_mask`. The paper's division of
    the gradients that reach the pyramid by three is left out, since it would be a weight inside a head.

    Args:
        in_channels: channels of the pyramid.
        box_channels: width of the hidden layers of each box head.
        classes: number of thing classes + 1 for the background.
        parts: the arguments of `MaskedRoIHeads` but for the box head and predictor.
    """

    def __init__(self, *, in_channels: int, box_channels: int, classes: int, **parts: Any) -> None:
        resolution = parts["box_roi_pool"].output_size[0]
        super().__init__(box_head=None, box_predictor=None, bbox_reg_weights=STAGE_BOX_WEIGHTS[0], **parts)
        stages = range(len(STAGE_IOU))
        self.box_heads = nn.ModuleList(TwoMLPHead(in_channels * resolution**2, box_channels) for _ in stages)
        self.box_predictors = nn.ModuleList(StagePredictor(box_channels, classes) for _ in stages)
        self.box_coders = [BoxCoder(weights) for weights in STAGE_BOX_WEIGHTS]
        self.matchers = [Matcher(iou, iou, allow_low_quality_matches=False) for iou in STAGE_IOU]

    def _losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        proposals, matched, labels, _ = self.select_training_samples(proposals, targets)
        sampled = (proposals, matched, labels)
        losses: dict[str, Tensor] = {}
        offsets = torch.empty(0)
        for stage, coder in enumerate(self.box_coders):
            if stage > 0:
                proposals = self._refine(proposals, offsets, stage - 1, image_shapes)
                proposals, matched, labels = self._match(proposals, targets, stage)
            wanted = coder.encode(_matched_boxes(targets, matched), proposals)
            scores, offsets = self._stage(stage, features, proposals, image_shapes)
            flat, aim = torch.cat(labels), torch.cat(list(wanted))
            positive = torch.where(flat > 0)[0]
            losses[f"loss_cls_stage{stage}"] = F.cross_entropy(scores, flat)
            distance = F.smooth_l1_loss(offsets[positive], aim[positive], beta=1 / 9, reduction="sum")
            losses[f"loss_box_reg_stage{stage}"] = distance / max(flat.numel(), 1)
        losses["loss_mask"] = self._mask_loss(features, sampled, image_shapes, targets)
        return losses

    def _stage(
        self, stage: int, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        pooled = self.box_roi_pool(features, proposals, image_shapes)
        scores, offsets = self.box_predictors[stage](self.box_heads[stage](pooled))
        return scores, offsets

    def _refine(
        self, proposals: list[Tensor], offsets: Tensor, stage: int, image_shapes: list[tuple[int, int]]
    ) -> list[Tensor]:
        """The boxes that a stage answers with. No gradient runs through them to the stage before."""
        boxes = self.box_coders[stage].decode(offsets.detach(), proposals)[:, 0]
        parts = boxes.split([len(p) for p in proposals])
        return [clip_boxes_to_image(part, shape) for part, shape in zip(parts, image_shapes, strict=True)]

    def _match(
        self, proposals: list[Tensor], targets: list[dict[str, Tensor]], stage: int
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Labels at a later stage's IoU; all boxes are kept but for those clipped to nothing."""
        kept, matched, labels = [], [], []
        for boxes, target in zip(proposals, targets, strict=True):
            boxes = boxes[remove_small_boxes(boxes, min_size=1e-2)]
            if len(target["boxes"]) == 0:
                index = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
                label = torch.zeros_like(index)
            else:
                found = self.matchers[stage](box_iou(target["boxes"], boxes))
                index = found.clamp(min=0)
                label = torch.where(found >= 0, target["labels"][index], 0)
            kept.append(boxes)
            matched.append(index)
            labels.append(label)
        return kept, matched, labels

    def _detections(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """Boxes of the last stage, with the mean of the three stages' scores."""
        counts = [len(p) for p in proposals]
        all_scores = []
        for stage in range(len(self.box_coders)):
            scores, offsets = self._stage(stage, features, proposals, image_shapes)
            all_scores.append(F.softmax(scores.float(), dim=-1))
            proposals = self._refine(proposals, offsets, stage, image_shapes)
        mean = torch.stack(all_scores).mean(0).split(counts)
        return [self._best(boxes, scores) for boxes, scores in zip(proposals, mean, strict=True)]

    def _best(self, boxes: Tensor, scores: Tensor) -> dict[str, Tensor]:
        """What is left of a picture's boxes after the score threshold and non-maximum suppression by class."""
        index, label = torch.where(scores[:, 1:] > self.score_thresh)
        label = label + 1
        boxes, scores = boxes[index], scores[index, label]
        keep = remove_small_boxes(boxes, min_size=1e-2)
        boxes, scores, label = boxes[keep], scores[keep], label[keep]
        keep = batched_nms(boxes, scores, label, self.nms_thresh)[: self.detections_per_img]
        return {"boxes": boxes[keep], "labels": label[keep], "scores": scores[keep]}


def _matched_boxes(targets: Sequence[dict[str, Tensor]], matched: Sequence[Tensor]) -> list[Tensor]:
    """The true box that each proposal was matched to; any box where a picture has none, since none is regressed."""
    return [
        target["boxes"][index] if len(target["boxes"]) else index.new_zeros((len(index), 4), dtype=torch.float32)
        for target, index in zip(targets, matched, strict=True)
    ]
