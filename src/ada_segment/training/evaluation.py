"""A model's candidates for a whole dataset, and what they are worth."""

from collections.abc import Callable
from typing import Any

import torch

from ada_segment.data.sample import PanopticDataset, Sample
from ada_segment.errors import ConfigError
from ada_segment.panoptic.calibration import SOFT_IOUS, quality, tune_score
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.merge import Thresholds
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.training.loading import evaluation_batches

REWARDS = ("pq", "pq-tuned", "pq-soft")


def predict_all(
    model: Any,
    dataset: PanopticDataset,
    resize: Callable[[Sample], Sample],
    *,
    batch_size: int,
    workers: int = 0,
    device: torch.device | str = "cpu",
) -> tuple[list[Prediction], list[PanopticMap]]:
    """Candidates and truths of all pictures, in their order. `model` is a PanopticModel; its mode is put back."""
    was_training = model.training
    model.eval()
    predictions: list[Prediction] = []
    truths: list[PanopticMap] = []
    try:
        for images, truth in evaluation_batches(dataset, resize, batch_size=batch_size, workers=workers):
            sizes = [(int(t.ids.shape[0]), int(t.ids.shape[1])) for t in truth]
            predictions += model.predict([image.to(device) for image in images], sizes)
            truths += truth
    finally:
        model.train(was_training)
    return predictions, truths


def check_reward(name: str) -> None:
    """Raises ConfigError when there is no reward of that name."""
    if name not in REWARDS:
        raise ConfigError(f"reward {name!r} is unknown; choose one of {', '.join(REWARDS)}")


def reward_of(name: str, predictions: list[Prediction], truths: list[PanopticMap], categories: Categories) -> float:
    """The reward that `name` says (see `TrainingSettings.reward`), in percent. Raises like `check_reward`."""
    check_reward(name)
    usual = Thresholds()
    if name == "pq":
        return 100 * quality(predictions, truths, categories, usual).compute().pq
    ious = SOFT_IOUS if name == "pq-soft" else (0.5,)
    return 100 * tune_score(predictions, truths, categories, usual, ious=ious)[1]
