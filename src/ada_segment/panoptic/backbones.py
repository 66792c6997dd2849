"""Backbones with a feature pyramid, by name."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.resnet import BasicBlock
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from ada_segment.errors import ConfigError
from ada_segment.panoptic.group_norm import group_norm
from ada_segment.panoptic.settings import ModelSettings

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
        out_channels: channels of each pyramid level.
        stride: pixels of the picture per cell of the finest level; each further level doubles it.
    """

    def __init__(self, body: nn.Module, *, in_channels: list[int], stride: int, out_channels: int) -> None:
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(in_channels, out_channels, extra_blocks=LastLevelMaxPool())
        self.out_channels = out_channels
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
        raise _batch_norms(settings)
    if name == "thin-resnet":
        _no_download(settings)
        body: nn.Module = ThinResNet(settings.width, norm)
        _load_file(body, settings)
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
        return _timm_backbone(settings)
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
    with _downloading(settings):
        model: nn.Module = models.get_model(settings.backbone, weights=_weights(settings), norm_layer=norm)
    # Into the whole model, of which a body may be a part: so its file has the names.
    _load_file(model, settings)
    return model


@contextmanager
def _downloading(settings: ModelSettings) -> Iterator[None]:
    """What goes wrong with the network, or with the folder that a download goes to, named by its setting."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"model.pretrained = {settings.pretrained} cannot be downloaded for {settings.backbone} ({error}); give a "
            f"local file of weights, or none"
        ) from None


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


def _load_file(body: nn.Module, settings: ModelSettings) -> None:
    if settings.pretrained in ("none", "default"):
        return
    path = Path(settings.pretrained)
    if not path.is_file():
        raise ConfigError(
            f"model.pretrained = {settings.pretrained} is no file; give none, default or a file of weights"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, safetensors and zip files fail in many ways; all mean the same to the user
        raise ConfigError(f"model.pretrained = {path} cannot be read as weights: {error}") from None
    if not isinstance(state, Mapping):
        raise ConfigError(
            f"model.pretrained = {path} holds a {type(state).__name__}; give a file of tensors by their names, which "
            "torch.save(model.state_dict(), FILE) writes"
        )
    if settings.norm == "group" and any(str(key).endswith("running_mean") for key in state):
        raise _batch_norms(settings)
    own = body.state_dict()
    fitting = {
        key: value
        for key, value in state.items()
        if key in own and isinstance(value, Tensor) and value.shape == own[key].shape
    }
    # num_batches_tracked is absent from files of old and from frozen norms.
    missing = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    missing = [key for key in missing if not key.startswith(("fc.", "classifier."))]
    if missing:
        raise ConfigError(
            f"model.pretrained = {path} does not fit {settings.backbone}: {len(missing)} of {len(own)} tensors are "
            f"missing or of another shape, {missing[0]} first"
        )
    body.load_state_dict(fitting, strict=False)


def _batch_norms(settings: ModelSettings) -> ConfigError:
    return ConfigError(
        f"model.norm = group does not fit model.pretrained = {settings.pretrained}, weights of batch norms; set "
        "model.norm to frozen or batch, or model.pretrained to none"
    )


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


def _timm_backbone(settings: ModelSettings) -> PyramidBackbone:
    try:
        import timm
        from timm.utils.model import freeze_batch_norm_2d as with_fixed_statistics
    except ImportError:
        raise ConfigError(f"backbone {settings.backbone!r} needs timm: pip install 'ada-segment[timm]'") from None
    if settings.norm not in ("batch", "frozen"):
        raise ConfigError(f"{settings.backbone} keeps its own normalisation; set model.norm to batch or frozen")
    name = settings.backbone.removeprefix("timm:")
    try:
        with _downloading(settings):
            whole: Any = timm.create_model(name, features_only=True, pretrained=settings.pretrained == "default")
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ConfigError(f"timm cannot make features of {name!r}: {error}") from None
    strides, channels = whole.feature_info.reduction(), whole.feature_info.channels()
    wanted = [strides.index(stride) for stride in (4, 8, 16, 32) if stride in strides]
    if len(wanted) != LEVELS:
        raise ConfigError(f"timm's {name!r} has strides {strides}; a pyramid needs 4, 8, 16 and 32")
    body: Any = timm.create_model(
        name, features_only=True, out_indices=wanted, pretrained=settings.pretrained == "default"
    )
    _load_file(body, settings)
    frozen = _frozen_parameters(whole, strides, settings) if settings.frozen_stages else set()
    for parameter_name, parameter in body.named_parameters():
        if parameter_name in frozen:
            parameter.requires_grad_(False)
    for module, norm in list(body.named_modules()):
        fixed = settings.norm == "frozen" or f"{module}.weight" in frozen
        if fixed and isinstance(norm, nn.BatchNorm2d):
            body.set_submodule(module, with_fixed_statistics(norm))  # type: ignore[no-untyped-call]
    return PyramidBackbone(
        body, in_channels=[channels[i] for i in wanted], stride=4, out_channels=settings.fpn_channels
    )


def _frozen_parameters(body: Any, strides: list[int], settings: ModelSettings) -> set[str]:
    """Names of the parameters that the features of a timm body's frozen stages are made with."""
    last = 2**settings.frozen_stages
    if not 0 <= settings.frozen_stages <= LEVELS + 1:
        raise ConfigError(f"frozen_stages = {settings.frozen_stages} is out of bounds; give 0 to {LEVELS + 1}")
    if last not in strides:
        raise ConfigError(
            f"{settings.backbone} has no feature of stride 2, where a stem ends; give frozen_stages = 0 or 2 to 5"
        )
    features = body.eval()(torch.zeros(1, 3, 64, 64))[: strides.index(last) + 1]
    torch.stack([feature.sum() for feature in features]).sum().backward()
    return {name for name, parameter in body.named_parameters() if parameter.grad is not None}
