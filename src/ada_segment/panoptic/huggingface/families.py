"""What is known of each family of models before one is built: its class, its kinds of losses, its layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ada_segment.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of loss.

    Attributes:
        name: as the library calls it, for the last layer; layer i before it is called NAME_i.
        group: what it teaches; layers of one kind are tied to it.
        weight: setting of the library's configuration that holds its usual weight, or that weight.
        each_layer: whether the layers before the last have it, too.
    """

    name: str
    group: str
    weight: str | float
    each_layer: bool = True


@dataclass(frozen=True, slots=True)
class Family:
    """A family of panoptic models.

    Attributes:
        model_type: its name in the library, and in a configuration's `model_type`.
        network: its class with losses in the library.
        head: the linear layer that gives the class of each query, "no object" last.
        kinds: its kinds of losses.
        earlier_layers: how many layers before the last are taught, from a configuration.
        apart: what the names of parts begin with that a trained network need not have: they serve its losses alone.
    """

    model_type: str
    network: str
    head: str
    kinds: tuple[Kind, ...]
    earlier_layers: Callable[[Any], int]
    apart: tuple[str, ...] = ()

    def names(self, configuration: Any) -> tuple[str, ...]:
        """Names of the losses under a configuration, the last layer's first."""
        return tuple(self._by_name(configuration))

    def groups(self, configuration: Any) -> dict[str, str]:
        """Group of each loss."""
        return {name: kind.group for name, kind in self._by_name(configuration).items()}

    def defaults(self, configuration: Any) -> dict[str, float]:
        """The library's own weight of each loss."""
        return {
            name: float(getattr(configuration, kind.weight) if isinstance(kind.weight, str) else kind.weight)
            for name, kind in self._by_name(configuration).items()
        }

    def _by_name(self, configuration: Any) -> dict[str, Kind]:
        last = {kind.name: kind for kind in self.kinds}
        layers = range(self.earlier_layers(configuration))
        return last | {f"{kind.name}_{layer}": kind for layer in layers for kind in self.kinds if kind.each_layer}


def _masks_and(classes: str) -> tuple[Kind, ...]:
    return (
        Kind("loss_mask", "mask", "mask_weight"),
        Kind("loss_dice", "dice", "dice_weight"),
        Kind("loss_cross_entropy", "class", classes),
    )


FAMILIES = {
    # Cheng et al. 2022. The decoder predicts before its first layer, too; a "decoder layer" of the configuration is a
    # prediction. The library computes the earlier ones whatever `use_auxiliary_loss` says.
    "mask2former": Family(
        "mask2former",
        "Mask2FormerForUniversalSegmentation",
        "class_predictor",
        _masks_and("class_weight"),
        lambda configuration: configuration.decoder_layers - 1,
    ),
    # Cheng et al. 2021.
    "maskformer": Family(
        "maskformer",
        "MaskFormerForInstanceSegmentation",
        "class_predictor",
        _masks_and("cross_entropy_weight"),
        lambda configuration: configuration.decoder_config.decoder_layers if configuration.use_auxiliary_loss else 0,
    ),
    # Jain et al. 2023.
    "oneformer": Family(
        "oneformer",
        "OneFormerForUniversalSegmentation",
        "model.transformer_module.decoder.class_embed",
        (*_masks_and("class_weight"), Kind("loss_contrastive", "contrastive", "contrastive_weight", each_layer=False)),
        lambda configuration: configuration.decoder_layers - 1 if configuration.use_auxiliary_loss else 0,
        apart=("model.text_mapper.",),
    ),
    # Kerssies et al. 2025. A prediction before each of the last blocks, and one after them.
    "eomt": Family(
        "eomt",
        "EomtForUniversalSegmentation",
        "class_predictor",
        _masks_and("class_weight"),
        lambda configuration: configuration.num_blocks,
    ),
    # Carion et al. 2020. Masks of earlier layers would cost too much, so those have classes and boxes alone.
    "detr-panoptic": Family(
        "detr",
        "DetrForSegmentation",
        "detr.class_labels_classifier",
        (
            Kind("loss_ce", "class", 1.0),
            Kind("loss_bbox", "box", "bbox_loss_coefficient"),
            Kind("loss_giou", "giou", "giou_loss_coefficient"),
            Kind("loss_mask", "mask", "mask_loss_coefficient", each_layer=False),
            Kind("loss_dice", "dice", "dice_loss_coefficient", each_layer=False),
        ),
        lambda configuration: configuration.decoder_layers - 1 if configuration.auxiliary_loss else 0,
    ),
}
"""By the name that follows "hf:"."""


def family_of(model_type: str, where: str) -> Family:
    """The family that a configuration's `model_type` names. Raises ConfigError when it is none of ours."""
    for family in FAMILIES.values():
        if family.model_type == model_type:
            return family
    known = ", ".join(family.model_type for family in FAMILIES.values())
    raise ConfigError(f"{where} has model_type {model_type!r}; panoptic models with named losses are {known}")
