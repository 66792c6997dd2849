"""A model's candidates for a whole dataset, and what they are worth."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch

from ada_segment.data.sample import PanopticDataset
from ada_segment.data.transforms import Resize
from ada_segment.errors import ConfigError
from ada_segment.panoptic.calibration import SCORES, SOFT_IOUS, add_to
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.merge import Thresholds
from ada_segment.panoptic.model import PanopticModel
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.quality import PanopticQuality
from ada_segment.training.held import Held
from ada_segment.training.loading import evaluation_batches

REWARDS = ("pq", "pq-tuned", "pq-soft")


def predict_all(
    model: PanopticModel,
    dataset: PanopticDataset,
    resize: Resize,
    *,
    batch_size: int,
    workers: int = 0,
    device: torch.device | str = "cpu",
) -> tuple[Sequence[Prediction], Sequence[PanopticMap]]:
    """Candidates and truths of all pictures, in their order. Arguments as of `predict_each`."""
    predictions: Held[Prediction] = Held()
    truths: Held[PanopticMap] = Held()

    def take(predicted: list[Prediction], true: list[PanopticMap]) -> None:
        predictions.extend(predicted)
        truths.extend(true)

    predict_each(take, model, dataset, resize, batch_size=batch_size, workers=workers, device=device)
    return predictions, truths


def predict_each(
    take: Callable[[list[Prediction], list[PanopticMap]], None],
    model: PanopticModel,
    dataset: PanopticDataset,
    resize: Resize,
    *,
    batch_size: int,
    workers: int = 0,
    device: torch.device | str = "cpu",
    rank: int = 0,
    ranks: int = 1,
) -> None:
    """Give `take` the candidates and truths of one batch after the other; of every `ranks`-th picture from number
    `rank` on, where several share them. The mode of `model` is put back."""
    was_training = model.training
    model.eval()
    try:
        for images, truths in evaluation_batches(
            dataset, resize, batch_size=batch_size, workers=workers, rank=rank, ranks=ranks
        ):
            sizes = [(int(t.ids.shape[0]), int(t.ids.shape[1])) for t in truths]
            take(model.predict([image.to(device) for image in images], sizes), truths)
    finally:
        model.train(was_training)


def check_reward(name: str) -> None:
    """Raises ConfigError when there is no reward of that name."""
    if name not in REWARDS:
        raise ConfigError(f"reward {name!r} is unknown; choose one of {', '.join(REWARDS)}")


class RewardParts:
    """What the reward `name` is taken over, of pictures that come batch by batch (see `TrainingSettings.reward`).

    Attributes:
        parts: the PQ at each of its merge thresholds. Where several ranks have a share of the pictures each, the counts
            of these are what to add.

    Raises:
        ConfigError: there is no reward of that name.
    """

    def __init__(self, name: str, categories: Categories) -> None:
        check_reward(name)
        usual = Thresholds()
        ious = SOFT_IOUS if name == "pq-soft" else (0.5,)
        self._tried = [usual] if name == "pq" else [replace(usual, score=score) for score in SCORES]
        self.parts = [PanopticQuality(categories, thresholds=ious) for _ in self._tried]

    def update(self, predictions: list[Prediction], truths: list[PanopticMap]) -> None:
        """Count a batch."""
        for part, thresholds in zip(self.parts, self._tried, strict=True):
            add_to(part, predictions, truths, thresholds)


def reward_of(parts: Iterable[PanopticQuality]) -> float:
    """The reward, in percent, out of the parts of `RewardParts`: the highest PQ, averaged over its IoU thresholds."""
    return 100 * max(part.mean_pq() for part in parts)
