"""Panoptic models by name, and what is known of their losses before one is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ada_segment.errors import ConfigError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.huggingface.configuration import MODELS as HF_MODELS
from ada_segment.panoptic.huggingface.configuration import PREFIX as HF_PREFIX
from ada_segment.panoptic.huggingface.configuration import read_configuration
from ada_segment.panoptic.huggingface.model import HuggingFaceModel
from ada_segment.panoptic.model import PanopticModel
from ada_segment.panoptic.panoptic_fpn import PART_OF_LOSS, SEMANTIC_LOSS, PanopticFPN, loss_names
from ada_segment.panoptic.settings import ModelSettings

MODELS = ("panoptic-fpn", "cascade-panoptic-fpn")


@dataclass(frozen=True, slots=True)
class LossTable:
    """The losses of a model.

    Attributes:
        defaults: the field's weight of each loss, in the model's order: 1, and 0.5 for the semantic branch
            (Panoptic FPN, detectron2); what its configuration says for a model of the transformers library.
        groups: part of the model that each loss belongs to: rpn, class, box, mask or semantic; for a model of the
            transformers library the kind of loss, the same for all layers: class, mask, dice, box, giou, contrastive.
    """

    defaults: dict[str, float]
    groups: dict[str, str]


def loss_table(settings: ModelSettings) -> LossTable:
    """The losses of the model that `settings` name. Raises ConfigError when it is unknown."""
    if settings.name.startswith(HF_PREFIX):
        family, configuration = read_configuration(settings)
        return LossTable(defaults=family.defaults(configuration), groups=family.groups(configuration))
    names = loss_names(cascade=_checked(settings) == "cascade-panoptic-fpn")
    return LossTable(
        defaults={name: 0.5 if name == SEMANTIC_LOSS else 1.0 for name in names},
        groups={name: PART_OF_LOSS[name] for name in names},
    )


def build_model(
    settings: ModelSettings, categories: Categories, *, about: Mapping[str, Any] | None = None
) -> PanopticModel:
    """The model that `settings.name` names, for the classes of a dataset.

    Args:
        settings: of the model.
        categories: classes of the dataset.
        about: the `about` of a model whose weights are to be loaded into this one; needed by those that are built
            from files, which may be gone.

    Raises:
        ConfigError: the model, or one of its settings, is unknown.
    """
    if settings.name.startswith(HF_PREFIX):
        return HuggingFaceModel(settings, categories, about=about)
    return PanopticFPN(settings, categories, cascade=_checked(settings) == "cascade-panoptic-fpn")


def _checked(settings: ModelSettings) -> str:
    if settings.name not in MODELS:
        raise ConfigError(
            f"model {settings.name!r} is unknown; choose one of {', '.join((*MODELS, *HF_MODELS))} or hf:PATH"
        )
    return settings.name
