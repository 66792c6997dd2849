"""Backbones of the library timm, by name: four features, weights from a file, fixed norms and frozen stages."""

from typing import Any

import torch
from torch import nn

from ada_segment.errors import ConfigError
from ada_segment.panoptic.backbone_weights import downloading, load_file
from ada_segment.panoptic.settings import ModelSettings

STRIDES = (4, 8, 16, 32)
TRIED = (128, 160)
"""Height and width of the picture that a body has to take: any that all strides divide may come."""
WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"feature_cls": "getter"},
    {"feature_cls": "getter", "strict_img_size": False},
)
"""How features are asked for. The second is for those that else come as [B, H, W, C]; the third makes transformers that
want pictures of one size take others."""


def timm_body(settings: ModelSettings) -> tuple[nn.Module, list[int]]:
    """A body that gives the features of strides 4 to 32, each [B, C, H, W], and the channels C of each.

    Raises:
        ConfigError: timm is not installed, or has no such model, or one that is of no use here; a setting or a file
            of weights does not fit it.
    """
    try:
        import timm
        from timm.utils.model import freeze_batch_norm_2d as with_fixed_statistics
    except ImportError:
        raise ConfigError(f"backbone {settings.backbone!r} needs timm: pip install 'ada-segment[timm]'") from None
    if settings.norm not in ("batch", "frozen"):
        raise ConfigError(f"{settings.backbone} keeps its own normalisation; set model.norm to batch or frozen")
    name = settings.backbone.removeprefix("timm:")
    whole, body, channels = _first_of_use(name, settings)
    if settings.pretrained not in ("none", "default"):
        load_file(body, settings, names=_other_names(timm.create_model(name), body))
    frozen = _frozen_parameters(whole, settings) if settings.frozen_stages else set()
    for parameter_name, parameter in body.named_parameters():
        if parameter_name in frozen:
            parameter.requires_grad_(False)
    for module, norm in list(body.named_modules()):
        fixed = settings.norm == "frozen" or f"{module}.weight" in frozen
        if fixed and isinstance(norm, nn.BatchNorm1d):
            raise ConfigError(
                f"{settings.backbone} has batch norms of one dimension, whose statistics cannot be fixed here; set "
                "model.norm=batch and model.frozen_stages=0"
            )
        if fixed and isinstance(norm, nn.BatchNorm2d):
            body.set_submodule(module, with_fixed_statistics(norm))  # type: ignore[no-untyped-call]
    return body, channels


def _first_of_use(name: str, settings: ModelSettings) -> tuple[Any, nn.Module, list[int]]:
    """A body with all features that the model has, without its weights; one with the four that are wanted, and their
    channels."""
    import timm

    why: list[str] = []
    for way in WAYS:
        try:
            whole: Any = timm.create_model(name, features_only=True, **way)
            strides, channels = whole.feature_info.reduction(), whole.feature_info.channels()
            wanted = [strides.index(stride) for stride in STRIDES if stride in strides]
            if len(wanted) != len(STRIDES):
                raise ConfigError(f"timm's {name!r} has strides {strides}; a pyramid needs 4, 8, 16 and 32")
            stages = [whole.feature_info.out_indices[i] for i in wanted]  # which some models count from 1 on
            with downloading(settings):
                body: Any = timm.create_model(
                    name, features_only=True, out_indices=stages, pretrained=settings.pretrained == "default", **way
                )
            with torch.no_grad():
                shapes = [tuple(feature.shape[1:]) for feature in body.eval()(torch.zeros(1, 3, *TRIED))]
        except (RuntimeError, AttributeError, TypeError, AssertionError, ValueError) as error:
            why.append(str(error))
            continue
        channels = [channels[i] for i in wanted]
        right = [
            (count, TRIED[0] // stride, TRIED[1] // stride) for count, stride in zip(channels, STRIDES, strict=True)
        ]
        if shapes == right:
            return whole, body.train(), channels
        why.append(f"of {TRIED[0]}x{TRIED[1]} pixels they are {shapes}, not {right}")
    raise ConfigError(f"timm's features of {name!r} are of no use for a pyramid: {why[0]}")


def _other_names(model: nn.Module, body: Any) -> dict[str, str]:
    """What timm calls the parts of a model otherwise where it gives features, by what they begin with."""
    children = dict(body.named_children())
    if len(children) == 1:  # in a wrapper
        return {"": f"{next(iter(children))}."}
    parts = [(name, part) for name, child in model.named_children() for part, _ in child.named_children()]
    return {f"{name}.{part}.": f"{name}_{part}." for name, part in parts if f"{name}_{part}" in children}


def _frozen_parameters(whole: Any, settings: ModelSettings) -> set[str]:
    """Names of the parameters that the features of the frozen stages are made with."""
    last, strides, most = 2**settings.frozen_stages, whole.feature_info.reduction(), len(STRIDES) + 1
    if not 0 <= settings.frozen_stages <= most:
        raise ConfigError(f"frozen_stages = {settings.frozen_stages} is out of bounds; give 0 to {most}")
    if last not in strides:
        raise ConfigError(
            f"{settings.backbone} has no feature of stride 2, where a stem ends; give frozen_stages = 0 or 2 to {most}"
        )
    features = whole.eval()(torch.zeros(1, 3, *TRIED))[: strides.index(last) + 1]
    torch.stack([feature.sum() for feature in features]).sum().backward()
    return {name for name, parameter in whole.named_parameters() if parameter.grad is not None}
