"""Panoptic models by name, and what is known of their losses before one is built."""

from dataclasses import dataclass

from ada_segment.errors import ConfigError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_fpn import PART_OF_LOSS, SEMANTIC_LOSS, PanopticFPN, loss_names
from ada_segment.panoptic.settings import ModelSettings

MODELS = ("panoptic-fpn", "cascade-panoptic-fpn")


@dataclass(frozen=True, slots=True)
class LossTable:
    """The losses of a model.

    Attributes:
        defaults: the field's weight of each loss, in the model's order: 1, and 0.5 for the semantic branch
            (Panoptic FPN, detectron2).
        groups: part of the model that each loss belongs to: rpn, class, box, mask or semantic.
    """

    defaults: dict[str, float]
    groups: dict[str, str]


def loss_table(settings: ModelSettings) -> LossTable:
    """The losses of the model that `settings` name. Raises ConfigError when it is unknown."""
    names = loss_names(cascade=_checked(settings) == "cascade-panoptic-fpn")
    return LossTable(
        defaults={name: 0.5 if name == SEMANTIC_LOSS else 1.0 for name in names},
        groups={name: PART_OF_LOSS[name] for name in names},
    )


def build_model(settings: ModelSettings, categories: Categories) -> PanopticFPN:
    """The model that `settings.name` names, for the classes of a dataset.

    Raises:
        ConfigError: the model, or one of its settings, is unknown.
    """
    return PanopticFPN(settings, categories, cascade=_checked(settings) == "cascade-panoptic-fpn")


def _checked(settings: ModelSettings) -> str:
    if settings.name not in MODELS:
        raise ConfigError(f"model {settings.name!r} is unknown; choose one of {', '.join(MODELS)}")
    return settings.name
