"""Panoptic models by name."""

from ada_segment.errors import ConfigError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_fpn import PanopticFPN
from ada_segment.panoptic.settings import ModelSettings

MODELS = {"panoptic-fpn": PanopticFPN, "cascade-panoptic-fpn": PanopticFPN}


def build_model(settings: ModelSettings, categories: Categories) -> PanopticFPN:
    """The model that `settings.name` names, for the classes of a dataset.

    Raises:
        ConfigError: the model, or one of its settings, is unknown.
    """
    if settings.name not in MODELS:
        raise ConfigError(f"model {settings.name!r} is unknown; choose one of {', '.join(MODELS)}")
    return MODELS[settings.name](settings, categories)
