"""Backbones with a feature pyramid, by name."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.resnet import BasicBlock
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from ada_segment.errors import ConfigError
from ada_segment.panoptic.backbone_weights import batch_norms, downloading, load_file
from ada_segment.panoptic.group_norm import group_norm
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.panoptic.timm_body import timm_body

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
MOBILENETS = ("mobilenet_v3_small", "mobilenet_v3_large")
MOBILENETS_EPS = 1e-3  # of their batch norms
BACKBONES = ("thin-resnet", *RESNETS, *MOBILENETS)
"""Names that need no extra; "timm:NAME" is any model of timm."""

LEVELS = 4
"""Pyramid levels taken from the backbone; a fifth, for anchors only, is pooled from the last (Lin et al. 2017)."""

Norm = Callable[..., nn.Module]


class PyramidBackbone(nn.Module):
    """A backbone whose four stages feed a feature pyramid.

    Attributes:
        stride: pixels of the picture per cell of the finest level; each further level doubles it.
    """

    def __init__(self, body: nn.Module, *, in_channels: list[int], stride: int, out_channels: int) -> None:
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(in_channels, out_channels, extra_blocks=LastLevelMaxPool())
        self.stride = stride

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Levels "0" (finest) to "3", and "pool", from pictures of [B, 3, H, W]; H and W multiples of 8 strides."""
        features = self.body(images)
        values = features.values() if isinstance(features, dict) else features
        levels: dict[str, Tensor] = self.fpn(OrderedDict((str(i), value) for i, value in enumerate(values)))
        return levels


class ThinResNet(nn.Module):
    """A small ResNet for small pictures: stem of stride 2 without pooling, four stages of one basic block each
    (He et al. 2016), 1, 2, 4 and 8 times `width` channels, at strides 2, 4, 8 and 16."""

    def __init__(self, width: int, norm: Norm) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), norm(width), nn.ReLU(inplace=True))
        channels = width
        for stage in range(LEVELS):
            out = width * 2**stage
            stride = 1 if stage == 0 else 2
            shortcut = None
            if stride != 1 or out != channels:
                shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), norm(out))
            self.add_module(f"layer{stage + 1}", BasicBlock(channels, out, stride, shortcut, norm_layer=norm))
            channels = out
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def build_backbone(settings: ModelSettings) -> PyramidBackbone:
    """The backbone that `settings` names, with pyramid, pretrained weights and frozen stages.

    Raises:
        ConfigError: the name, the normalisation, or the file of weights is unknown or does not fit, or pretrained
            weights cannot be downloaded.
    """
    name, norm = settings.backbone, _norm(settings.norm)
    if settings.norm == "group" and settings.pretrained == "default":
        raise batch_norms(settings)
    if name == "thin-resnet":
        _no_download(settings)
        body: nn.Module = ThinResNet(settings.width, norm)
        load_file(body, settings)
        stages = [["stem"], ["layer1"], ["layer2"], ["layer3"], ["layer4"]]
        taken, channels, stride = stages[1:], [settings.width * 2**i for i in range(LEVELS)], 2
    elif name in RESNETS:
        body = _torchvision(settings, norm)
        stages = [["conv1", "bn1", "relu", "maxpool"], ["layer1"], ["layer2"], ["layer3"], ["layer4"]]
        width = 256 if name in RESNETS[2:] else 64
        taken, channels, stride = stages[1:], [width * 2**i for i in range(LEVELS)], 4
    elif name in MOBILENETS:
        # Its published weights were learned with this one, not with batch norm's usual 1e-5.
        own = norm if settings.norm == "group" else partial(norm, eps=MOBILENETS_EPS)
        body = _torchvision(settings, own).get_submodule("features")
        stages, channels = _stages_by_stride(body)
        taken, stride = stages[1:], 4
    elif name.startswith("timm:"):
        body, channels = timm_body(settings)
        return PyramidBackbone(body, in_channels=channels, stride=4, out_channels=settings.fpn_channels)
    else:
        raise ConfigError(f"backbone {name!r} is unknown; choose one of {', '.join(BACKBONES)} or timm:NAME")
    _freeze(body, stages, settings)
    getter = IntermediateLayerGetter(body, {stage[-1]: str(i) for i, stage in enumerate(taken)})
    return PyramidBackbone(getter, in_channels=channels, stride=stride, out_channels=settings.fpn_channels)


def _norm(name: str) -> Norm:
    if name == "batch":
        return nn.BatchNorm2d
    if name == "frozen":
        return FrozenBatchNorm2d
    if name == "group":
        return group_norm
    raise ConfigError(f"norm {name!r} is unknown; choose batch, frozen or group")


def _no_download(settings: ModelSettings) -> None:
    if settings.pretrained == "default":
        raise ConfigError(
            f"model.pretrained = default is not to be had for {settings.backbone}; give none or a local file"
        )


def _torchvision(settings: ModelSettings, norm: Norm) -> nn.Module:
    with downloading(settings):
        model: nn.Module = models.get_model(settings.backbone, weights=_weights(settings), norm_layer=norm)
    # Into the whole model, of which a body may be a part: so its file has the names.
    load_file(model, settings)
    return model


def _weights(settings: ModelSettings) -> Any:
    if settings.pretrained != "default":
        return None
    # The second set of ImageNet weights, where there is one, was trained for accuracy with long schedules and
    # transfers worse to detection; torchvision's own detection models start from the first.
    return models.get_model_weights(settings.backbone)["IMAGENET1K_V1"]


def _stages_by_stride(body: nn.Module) -> tuple[list[list[str]], list[int]]:
    """Children of a sequential body grouped by the stride of their output: 2, 4, 8, 16, 32; channels of the last of
    each group from stride 4 on."""
    stages: list[list[str]] = [[] for _ in range(LEVELS + 1)]
    channels = [0] * (LEVELS + 1)
    was_training = body.training
    body.eval()
    x = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        for name, child in body.named_children():
            x = child(x)
            stage = (64 // x.shape[-1]).bit_length() - 2
            stages[stage].append(name)
            channels[stage] = x.shape[1]
    body.train(was_training)
    return stages, channels[1:]


def _freeze(body: nn.Module, stages: list[list[str]], settings: ModelSettings) -> None:
    if not 0 <= settings.frozen_stages <= len(stages):
        raise ConfigError(f"frozen_stages = {settings.frozen_stages} is out of bounds; give 0 to {len(stages)}")
    for name in (name for stage in stages[: settings.frozen_stages] for name in stage):
        setattr(body, name, _with_fixed_norms(body.get_submodule(name)).requires_grad_(False))


def _with_fixed_norms(module: nn.Module) -> nn.Module:
    """The module, its batch norms replaced by such as keep their statistics in training too."""
    if isinstance(module, nn.BatchNorm2d):
        fixed = FrozenBatchNorm2d(module.num_features, eps=module.eps)
        fixed.load_state_dict(module.state_dict())
        return fixed
    for name, child in module.named_children():
        setattr(module, name, _with_fixed_norms(child))
    return module
