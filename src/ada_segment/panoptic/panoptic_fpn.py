"""Panoptic FPN (Kirillov et al. 2019): Mask R-CNN and a semantic branch on one feature pyramid."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from ada_segment.panoptic.backbones import LEVELS, build_backbone
from ada_segment.panoptic.cascade import STAGE_IOU, CascadeRoIHeads
from ada_segment.panoptic.categories import Categories, check_both_kinds
from ada_segment.panoptic.model import PanopticModel
from ada_segment.panoptic.picture_batch import IMAGENET_MEAN, IMAGENET_STD, common_shape, pad
from ada_segment.panoptic.prediction import Prediction, paste_instances, predict_by_shape
from ada_segment.panoptic.roi_heads import MaskedRoIHeads, roi_pool
from ada_segment.panoptic.semantic import SemanticBranch, semantic_loss, stuff_of
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.panoptic.targets import IGNORE, Target

STAGES = range(len(STAGE_IOU))
RPN_LOSSES = {"loss_objectness": "loss_rpn_cls", "loss_rpn_box_reg": "loss_rpn_loc"}
ROI_LOSSES = {"loss_classifier": "loss_cls", "loss_box_reg": "loss_box_reg", "loss_mask": "loss_mask"}
CASCADE_LOSSES = {
    **{f"loss_cls_stage{s}": f"loss_cls_stage{s}" for s in STAGES},
    **{f"loss_box_reg_stage{s}": f"loss_box_reg_stage{s}" for s in STAGES},
    "loss_mask": "loss_mask",
}
SEMANTIC_LOSS = "loss_sem_seg"
PART_OF_LOSS = {
    **dict.fromkeys(RPN_LOSSES.values(), "rpn"),
    "loss_cls": "class",
    "loss_box_reg": "box",
    **{f"loss_cls_stage{s}": "class" for s in STAGES},
    **{f"loss_box_reg_stage{s}": "box" for s in STAGES},
    "loss_mask": "mask",
    SEMANTIC_LOSS: "semantic",
}
"""The part of the model that each loss teaches."""


def loss_names(*, cascade: bool) -> tuple[str, ...]:
    """Names of the six losses, or of the cascade's ten."""
    return (*RPN_LOSSES.values(), *(CASCADE_LOSSES if cascade else ROI_LOSSES).values(), SEMANTIC_LOSS)


class PanopticFPN(PanopticModel):
    """Both models: `panoptic-fpn` with six losses, `cascade-panoptic-fpn` with ten.

    Args:
        settings: sizes of the parts.
        categories: classes of the dataset; at least one thing and one stuff class.
        cascade: three box heads in a row instead of one.

    Raises:
        ConfigError: a setting is unknown, or a kind of class is missing.
    """

    _stuff_ids: Tensor
    _mean: Tensor
    _std: Tensor

    def __init__(self, settings: ModelSettings, categories: Categories, *, cascade: bool = False) -> None:
        super().__init__()
        check_both_kinds(categories)
        self.backbone = build_backbone(settings)
        self.rpn = _build_rpn(settings, self.backbone.stride)
        strides = [self.backbone.stride * 2**level for level in range(LEVELS)]
        self.roi_heads = _build_roi_heads(settings, strides, classes=len(categories.things) + 1, cascade=cascade)
        self.semantic = SemanticBranch(
            in_channels=settings.fpn_channels,
            levels=LEVELS,
            channels=settings.semantic_channels,
            classes=len(categories.stuff) + 1,
        )
        self._roi_losses = CASCADE_LOSSES if cascade else ROI_LOSSES
        self.loss_names = loss_names(cascade=cascade)
        self._thing_ids = [0, *(category.id for category in categories.things)]
        stuff_ids = torch.tensor([-1, *(category.id for category in categories.stuff)], dtype=torch.int32)
        # A dataset's predictions are held in memory while thresholds are tuned.
        self._small_ids = int(stuff_ids.max()) < np.iinfo(np.int16).max
        self.register_buffer("_stuff_ids", stuff_ids, persistent=False)
        self.register_buffer("_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Raw losses, 0-d float32, by name, in the order of `loss_names`."""
        batch = self._batch(images)
        features = self.backbone(batch.tensors)
        scores = self.semantic([features[str(level)] for level in range(LEVELS)])
        shape = batch.tensors.shape[-2:]
        semantic = torch.stack([pad(target["semantic"], shape, IGNORE) for target in targets])
        # In half precision boxes of a thousand pixels would be off by several: torchvision's box coder works in the
        # precision of the offsets. So the detection heads run in float32 whatever the precision around them.
        with torch.autocast(batch.tensors.device.type, enabled=False):
            features = {level: feature.float() for level, feature in features.items()}
            boxes = [{**target, "boxes": target["boxes"].float()} for target in targets]
            proposals, rpn = self.rpn(batch, features, boxes)
            _, roi = self.roi_heads(features, proposals, batch.image_sizes, boxes)
        return {
            **{ours: rpn[theirs] for theirs, ours in RPN_LOSSES.items()},
            **{ours: roi[theirs] for theirs, ours in self._roi_losses.items()},
            SEMANTIC_LOSS: semantic_loss(scores, semantic),
        }

    @torch.no_grad()
    def predict(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        """Candidates for each picture, in its original size. The module has to be in evaluation mode."""
        return predict_by_shape(self._predict, images, sizes, [self._shape([image]) for image in images])

    def _predict(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        batch = self._batch(images)
        features = self.backbone(batch.tensors)
        scores = self.semantic([features[str(level)] for level in range(LEVELS)])
        with torch.autocast(batch.tensors.device.type, enabled=False):
            features = {level: feature.float() for level, feature in features.items()}
            proposals, _ = self.rpn(batch, features)
            detections, _ = self.roi_heads(features, proposals, batch.image_sizes)
        padded = (batch.tensors.shape[-2], batch.tensors.shape[-1])
        predictions = []
        for found, score, resized, size in zip(detections, scores, batch.image_sizes, sizes, strict=True):
            scale = [size[1] / resized[1], size[0] / resized[0]] * 2
            instances = paste_instances(
                found["boxes"] * found["boxes"].new_tensor(scale),
                found["scores"],
                [self._thing_ids[label] for label in found["labels"].tolist()],
                found["masks"][:, 0],
                size,
            )
            stuff = self._stuff_ids[stuff_of(score, padded, resized, size)].cpu().numpy()
            predictions.append(Prediction(instances, stuff.astype(np.int16) if self._small_ids else stuff))
        return predictions

    def _batch(self, images: Sequence[Tensor]) -> ImageList:
        """Pictures normalised and padded to one size."""
        normal = [((image[None] / 255 - self._mean) / self._std)[0] for image in images]
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        shape = self._shape(images)
        return ImageList(torch.stack([pad(image, shape) for image in normal]), sizes)

    def _shape(self, images: Sequence[Tensor]) -> tuple[int, int]:
        """Height and width that hold all pictures and that every pyramid level divides."""
        return common_shape(images, self.backbone.stride * 2 ** (LEVELS - 1))


def _build_rpn(settings: ModelSettings, stride: int) -> RegionProposalNetwork:
    sizes = tuple((round(settings.anchor_scale * stride * 2**level),) for level in range(LEVELS + 1))
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    return RegionProposalNetwork(
        anchors,
        RPNHead(settings.fpn_channels, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=settings.rpn_samples,
        positive_fraction=0.5,
        pre_nms_top_n={"training": settings.proposals_before_nms, "testing": settings.proposals_before_nms // 2},
        post_nms_top_n={"training": settings.proposals, "testing": settings.proposals},
        nms_thresh=0.7,
    )


def _build_roi_heads(settings: ModelSettings, strides: Sequence[int], *, classes: int, cascade: bool) -> MaskedRoIHeads:
    levels = [str(level) for level in range(LEVELS)]
    width = settings.mask_channels
    parts: dict[str, Any] = {
        "aligned_masks": settings.aligned_masks,
        "box_roi_pool": roi_pool(levels, strides, output_size=7),
        "mask_roi_pool": roi_pool(levels, strides, output_size=14),
        "mask_head": MaskRCNNHeads(settings.fpn_channels, (width,) * 4, dilation=1),
        "mask_predictor": MaskRCNNPredictor(width, width, classes),
        "fg_iou_thresh": 0.5,
        "bg_iou_thresh": 0.5,
        "batch_size_per_image": settings.roi_samples,
        "positive_fraction": 0.25,
        "score_thresh": settings.candidate_score,
        "nms_thresh": 0.5,
        "detections_per_img": settings.candidates,
    }
    if cascade:
        return CascadeRoIHeads(
            in_channels=settings.fpn_channels, box_channels=settings.box_channels, classes=classes, **parts
        )
    return MaskedRoIHeads(
        box_head=TwoMLPHead(settings.fpn_channels * 7**2, settings.box_channels),
        box_predictor=FastRCNNPredictor(settings.box_channels, classes),
        bbox_reg_weights=None,
        **parts,
    )
