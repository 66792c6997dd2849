"""A model's candidates for a whole dataset, and what they are worth."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch

from ada_segment.data.sample import PanopticDataset, Sample
from ada_segment.errors import ConfigError
from ada_segment.panoptic.calibration import SCORES, SOFT_IOUS, quality
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.merge import Thresholds
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.quality import PanopticQuality
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
    rank: int = 0,
    ranks: int = 1,
) -> tuple[list[Prediction], list[PanopticMap]]:
    """Candidates and truths of all pictures, in their order; of every `ranks`-th one from number `rank` on, where
    several share them. `model` is a PanopticModel; its mode is put back."""
    was_training = model.training
    model.eval()
    predictions: list[Prediction] = []
    truths: list[PanopticMap] = []
    try:
        for images, truth in evaluation_batches(
            dataset, resize, batch_size=batch_size, workers=workers, rank=rank, ranks=ranks
        ):
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


def reward_parts(
    name: str, predictions: list[Prediction], truths: list[PanopticMap], categories: Categories
) -> list[PanopticQuality]:
    """The PQ at each of the merge thresholds that the reward `name` is taken over (see `TrainingSettings.reward`).

    Where several ranks have a share of the pictures each, the counts of these are what to add. Raises like
    `check_reward`.
    """
    check_reward(name)
    usual = Thresholds()
    ious = SOFT_IOUS if name == "pq-soft" else (0.5,)
    tried = [usual] if name == "pq" else [replace(usual, score=score) for score in SCORES]
    return [quality(predictions, truths, categories, thresholds, ious=ious) for thresholds in tried]


def reward_of(parts: Iterable[PanopticQuality]) -> float:
    """The reward, in percent, out of what `reward_parts` gives: the highest PQ, averaged over its IoU thresholds."""
    return 100 * max(part.mean_pq() for part in parts)
