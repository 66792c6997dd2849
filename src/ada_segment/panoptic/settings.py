"""Settings of a panoptic model."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What a model is made of. The defaults are Panoptic FPN's for COCO (Kirillov et al. 2019)."""

    name: str = "panoptic-fpn"
    """panoptic-fpn (six losses), cascade-panoptic-fpn (ten), or a model of the transformers library: hf:mask2former,
    hf:maskformer, hf:oneformer, hf:eomt, hf:detr-panoptic from random weights, hf:PATH for a folder that
    save_pretrained wrote or a configuration's JSON file."""
    hf_size: str = "full"
    """Size of a model hf:NAME: tiny, small or full (the library's defaults). What follows from backbone to roi_samples
    is of no use to hf: models."""
    hf: dict[str, Any] = field(default_factory=dict)
    """Settings of the library's configuration of an hf: model over those of its size or file: model.hf.num_queries."""
    backbone: str = "resnet50"
    """thin-resnet, a torchvision ResNet or MobileNetV3, or timm:NAME."""
    pretrained: str = "none"
    """none, default (torchvision's or timm's ImageNet weights, downloaded) or a local file of weights."""
    norm: str = "batch"
    """Normalisation in the backbone: batch, frozen (batch norm with fixed statistics) or group. A backbone of timm
    keeps its own, and frozen fixes the statistics of its batch norms."""
    frozen_stages: int = 0
    """How many of the backbone's stages, from the input, are not trained: 0 none, 1 the stem, 2 also the first."""
    width: int = 32
    """Channels of thin-resnet's first stage."""
    fpn_channels: int = 256
    """Channels of the feature pyramid."""
    semantic_channels: int = 128
    """Channels of the semantic branch."""
    box_channels: int = 1024
    """Width of the two hidden layers of a box head."""
    mask_channels: int = 256
    """Channels of the mask head."""
    aligned_masks: bool = True
    """Learn masks where they are pasted. false is torchvision's way, by which they come out half a pixel up and left;
    most figures of docs/results.md are of models that were trained so."""
    anchor_scale: float = 8.0
    """Side of a pyramid level's anchors, in units of that level's stride."""
    proposals_before_nms: int = 2000
    """Best anchors kept per pyramid level before non-maximum suppression; half as many in inference."""
    proposals: int = 1000
    """Proposals per picture after non-maximum suppression."""
    rpn_samples: int = 256
    """Anchors per picture that the RPN learns from."""
    roi_samples: int = 512
    """Proposals per picture that the box heads learn from."""
    candidate_score: float = 0.05
    """Detections with a lower score are not even candidates for merging."""
    candidates: int = 100
    """Most detections per picture."""
