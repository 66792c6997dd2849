"""A panoptic model of the transformers library as a `PanopticModel`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ada_segment.errors import ConfigError
from ada_segment.panoptic.categories import Categories, check_both_kinds
from ada_segment.panoptic.huggingface.batch import Batching
from ada_segment.panoptic.huggingface.candidates import Candidates
from ada_segment.panoptic.huggingface.configuration import (
    check_settings,
    from_mapping,
    read_configuration,
    weights_folder,
)
from ada_segment.panoptic.huggingface.dialects import DIALECTS
from ada_segment.panoptic.huggingface.families import Family, family_of
from ada_segment.panoptic.huggingface.library import transformers_for
from ada_segment.panoptic.huggingface.pretrained import build_network, load_network
from ada_segment.panoptic.huggingface.raw_losses import raw_losses
from ada_segment.panoptic.huggingface.texts import Texts
from ada_segment.panoptic.model import PanopticModel
from ada_segment.panoptic.picture_batch import IMAGENET_MEAN, IMAGENET_STD
from ada_segment.panoptic.prediction import Prediction, predict_by_shape
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.panoptic.targets import Target

IMAGENET = {"image_mean": list(IMAGENET_MEAN), "image_std": list(IMAGENET_STD)}
PROCESSOR = "preprocessor_config.json"


class HuggingFaceModel(PanopticModel):
    """Mask2Former, MaskFormer, OneFormer, EoMT or DETR with masks.

    Args:
        settings: name the model, its size, its settings.
        categories: classes of the dataset; at least one thing and one stuff class.
        about: what an earlier one said of itself in `about`; then nothing is read from the path in the settings, and
            the weights are random.

    Raises:
        ConfigError: the extra is missing, or a setting, a file or a kind of class is missing, unknown or does not fit.
    """

    def __init__(
        self, settings: ModelSettings, categories: Categories, *, about: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        check_both_kinds(categories)
        folder = None
        if about is None:
            family, configuration = read_configuration(settings)
            check_settings(configuration, settings.hf)
            folder = weights_folder(settings)
            pixels = IMAGENET if folder is None else _pixels(folder)
        else:
            family = family_of(about["configuration"]["model_type"], "the stored model")
            library = transformers_for(f"model {settings.name!r}")
            configuration, pixels = from_mapping(library, about["configuration"], "the stored model"), about["pixels"]
        configuration.is_training = True  # OneFormer's part that reads names is made
        if folder is None:
            self.network = build_network(family, configuration, categories)
            # DETR holds its backbone fixed, which is meant for a pretrained one.
            self.network.requires_grad_(True)
        else:
            self.network = load_network(family, configuration, categories, folder)
        _freeze_unused(self.network)
        self.texts = Texts(configuration, categories, folder) if family.model_type == "oneformer" else None
        self.family, self.categories = family, categories
        self.loss_names = family.names(self.network.config)
        self._pixels = pixels
        self._batching = _batching(family, configuration, pixels)
        self._candidates = Candidates(categories, least=settings.candidate_score, most=settings.candidates)

    @property
    def about(self) -> dict[str, Any]:
        """What is needed to build the same model again, as plain JSON."""
        return {"configuration": json.loads(self.network.config.to_json_string(use_diff=False)), "pixels": self._pixels}

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Raw losses, 0-d float32, by name, in the order of `loss_names`."""
        batch = self._batching.pictures(images)
        segments = [self._batching.segments(target, self.categories, batch.shape) for target in targets]
        losses, _ = raw_losses(self.network, **self._dialect.training_inputs(batch, segments))
        return losses

    @torch.no_grad()
    def predict(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        """Candidates for each picture, in its original size. The module has to be in evaluation mode."""
        return predict_by_shape(self._predict, images, sizes, [self._batching.shape([image]) for image in images])

    def _predict(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        batch = self._batching.pictures(images)
        classes, masks = self._dialect.logits(self.network(**self._dialect.inference_inputs(batch)))
        return [
            self._candidates.prediction(*queries, padded=batch.shape, resized=resized, size=size)
            for *queries, resized, size in zip(classes, masks, batch.sizes, sizes, strict=True)
        ]

    @property
    def _dialect(self) -> Any:
        # Made anew each time: a copy of this module (a moving average) speaks to its own network.
        return DIALECTS[self.family.model_type](self.network, self.texts)


def _batching(family: Family, configuration: Any, pixels: Mapping[str, list[float]]) -> Batching:
    """How the family's pictures are brought to one size."""
    backbone = getattr(configuration, "backbone_config", None)
    square = configuration.image_size if family.model_type == "eomt" else None
    # Four stages, each half the size of the one before.
    multiple = getattr(backbone, "patch_size", 4) * 8
    return Batching(mean=pixels["image_mean"], std=pixels["image_std"], multiple=multiple, square=square)


def _freeze_unused(network: nn.Module) -> None:
    """Parameters that a backbone has and never uses are not trained: distributed training waits for each gradient."""
    for module in network.modules():
        if type(module).__name__ in ("SwinModel", "MaskFormerSwinModel"):
            module.layernorm.requires_grad_(False)  # the norm after the last stage


def _pixels(folder: Path) -> dict[str, list[float]]:
    """Mean and deviation of pixels that pretrained weights were trained with; ImageNet's where the folder is silent."""
    file = folder / PROCESSOR
    if not file.is_file():
        return IMAGENET
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
        return {key: [float(value) for value in given.get(key, usual)] for key, usual in IMAGENET.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
