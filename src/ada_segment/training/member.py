"""Panoptic training as a member of a population: one model, its optimiser, its pictures."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ada_segment.data.sample import PanopticDataset
from ada_segment.data.transforms import Resize, TrainTransform
from ada_segment.errors import ConfigError
from ada_segment.panoptic.model import PanopticModel
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.registry import build_model
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.training.evaluation import RewardParts, check_reward, predict_all, predict_each, reward_of
from ada_segment.training.fabric import Fabric
from ada_segment.training.loading import steps_per_epoch, training_batches
from ada_segment.training.memory import memory_advised
from ada_segment.training.optimisation import build_optimizer, learning_rate
from ada_segment.training.ranks import ended_with_it, mean, raised_alike, share_buffers, summed
from ada_segment.training.settings import AugmentationSettings, TrainingSettings
from ada_segment.training.warm_start import Start, start_from
from ada_segment.weighting.base import (
    Weighting,
    check_names,
    check_weights,
    mean_values,
    mean_where_present,
    where_on,
)
from ada_segment.weighting.registry import equal

_T = TypeVar("_T")
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


class PanopticMember:
    """Trains one panoptic model, a round at a time, under weights given from outside. A `Member`.

    Args:
        model: what to build.
        training: how to train it.
        augmentation: what happens to its pictures.
        train: pictures to learn from.
        reward: pictures that `evaluate` scores; disjoint from `train` and from any test pictures.
        rounds: rounds until the learning rate schedule ends.
        weighting: moves the weights within a round: it multiplies those given to `train`. None leaves them as given.
        seed: seeds the initial parameters.
        start: a trained model to start from, in place of fresh parameters.
        fabric: device and precision; made from `training` when not given.

    Attributes:
        fresh: with `start`, names of the parameters and buffers that it could not give.
        effective_weights: with a weighting, mean weights of the last round, d total / d loss; None without.

    Raises:
        ConfigError: a setting is unknown or out of bounds.
    """

    def __init__(
        self,
        *,
        model: ModelSettings,
        training: TrainingSettings,
        augmentation: AugmentationSettings,
        train: PanopticDataset,
        reward: PanopticDataset,
        rounds: int,
        seed: int,
        weighting: Weighting | None = None,
        start: Start | None = None,
        fabric: Fabric | None = None,
    ) -> None:
        self.settings = training
        self.train_set, self.reward_set = train, reward
        self.transform = TrainTransform(
            sizes=augmentation.train_sizes or augmentation.size,
            max_size=augmentation.max_size,
            flip=augmentation.flip,
            scale=augmentation.scale,
            crop=augmentation.crop,
            colour=augmentation.colour,
        )
        self.resize = Resize(augmentation.size, augmentation.max_size)
        steps = steps_per_epoch(len(train), training.batch_size)
        self.total_steps = rounds * training.epochs_per_round * steps
        # What is unknown is refused here, before any work.
        learning_rate(self.total_steps, self.total_steps, training)
        check_reward(training.reward)
        self.step = 0

        self.fabric = fabric or build_fabric(training)
        shares = self.fabric.world_size * training.accumulate
        if shares > (least := min(training.batch_size, len(train))):
            raise ConfigError(
                f"training.devices = {self.fabric.world_size} and training.accumulate = {training.accumulate} cannot "
                f"share a batch of {least} pictures; take less of either, or more than training.batch_size = "
                f"{training.batch_size} and {len(train)} training pictures"
            )
        torch.manual_seed(seed)
        network = build_model(model, train.categories)
        self.fresh = start_from(start, network, settings=model, categories=train.categories) if start else []
        self.loss_names = network.loss_names
        self.model, self.optimizer = self.fabric.setup(network, build_optimizer(network, training))
        self.effective_weights: dict[str, float] | None = None
        self._moves = weighting is not None
        self.weighting = weighting or equal(self.loss_names)
        if self.fabric.world_size > 1:
            self.weighting.average = partial(mean, self.fabric)
        self.ema: AveragedModel | None = None
        if training.ema_decay is not None:
            self.ema = AveragedModel(self.network, multi_avg_fn=_moving_mean(training.ema_decay), use_buffers=True)

    @property
    def network(self) -> PanopticModel:
        """The model itself, without what Fabric wraps around it."""
        network: PanopticModel = self.model.module
        return network

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        """One round: `epochs_per_round` epochs over the training pictures. Returns the mean raw losses."""
        check_names(weights, self.loss_names, "weights and losses")
        factors, accumulate = check_weights(weights), self.settings.accumulate
        torch.manual_seed(seed)  # the heads draw their samples from the global generator
        self.model.train()
        self.optimizer.zero_grad()  # what a step that was broken off has left
        epochs: list[dict[str, float]] = []
        used: list[dict[str, float]] = []
        for epoch in range(self.settings.epochs_per_round):
            seen: list[dict[str, float]] = []
            with ended_with_it(self.fabric), memory_advised(self.settings):
                for number, (images, targets) in enumerate(self._batches(seed + epoch), start=1):
                    steps = number % accumulate == 0
                    with self.fabric.no_backward_sync(self.model, enabled=not steps):
                        losses: dict[str, Tensor] = self.model(images, targets)
                        self.fabric.backward(self.weighting.total(losses, factors) / accumulate)
                    used.append(self.weighting.last)
                    seen.append(self.weighting.values)
                    if steps:
                        self._step()
                        self.weighting.learn()
                        seen[-accumulate:] = [mean_where_present(seen[-accumulate:])]
            epochs.append(mean_values(seen))
            self.weighting.end_epoch(where_on(epochs[-1], factors))
        if self._moves:
            self.effective_weights = mean_values(used)
        return mean_values(epochs)

    def _batches(self, seed: int) -> Any:
        for images, targets in training_batches(
            self.train_set,
            self.transform,
            batch_size=self.settings.batch_size,
            accumulate=self.settings.accumulate,
            seed=seed,
            workers=self.settings.workers,
            rank=self.fabric.global_rank,
            ranks=self.fabric.world_size,
        ):
            device = self.fabric.device
            yield (
                [image.to(device) for image in images],
                [{name: value.to(device) for name, value in target.items()} for target in targets],  # type: ignore[attr-defined]
            )

    def _step(self) -> None:
        rate = learning_rate(self.step, self.total_steps, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.settings.clip_norm is not None:
            self.fabric.clip_gradients(
                self.model, self.optimizer, max_norm=self.settings.clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        if self.ema is not None:
            self.ema.update_parameters(self.network)

    def evaluate(self) -> float:
        """The reward on the reward split, in percent. Of several ranks each predicts and scores a share of it.

        Batch by batch, since all predictions of a large split do not fit in memory.
        """
        rank, ranks = self.fabric.global_rank, self.fabric.world_size
        share_buffers(self.fabric, self._predicting)
        with raised_alike(self.fabric):
            reward = RewardParts(self.settings.reward, self.reward_set.categories)
            share = partial(predict_each, reward.update, rank=rank, ranks=ranks)
            self._by(share, self.reward_set)
        for part in reward.parts:
            part.counts = summed(self.fabric, part.counts)
        return reward_of(reward.parts)

    def predict(self, dataset: PanopticDataset) -> tuple[Sequence[Prediction], Sequence[PanopticMap]]:
        """Candidates and truths of a dataset's pictures, by the moving average of the model where there is one.

        Whichever rank calls it, it predicts all of them and does not wait for the others.
        """
        return self._by(predict_all, dataset)

    def _by(self, predict: Callable[..., _T], dataset: PanopticDataset) -> _T:
        """`predict_all` or `predict_each` by this member."""
        with self.fabric.autocast(), memory_advised(self.settings):
            return predict(
                self._predicting,
                dataset,
                self.resize,
                batch_size=self.settings.at_once,
                workers=self.settings.workers,
                device=self.fabric.device,
            )

    @property
    def _predicting(self) -> nn.Module:
        """Without Fabric's wrapper, which would wait for the other ranks."""
        if self.ema is None:
            return self.network
        average: nn.Module = self.ema.module
        return average

    def state_dict(self) -> dict[str, Any]:
        """Model, optimiser, steps done, moving average, loss scale, what the weighting has learned."""
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "ema": None if self.ema is None else self.ema.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "weighting": self.weighting.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state that `state_dict` gave."""
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        if self.ema is not None and state["ema"] is not None:
            self.ema.load_state_dict(state["ema"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.weighting.load_state_dict(state.get("weighting", {}))  # runs of before weightings had a state have none


def _moving_mean(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """Moves tensors of one dtype towards the present ones; those that count or name take over the present ones.

    The mean of a whole number and itself is cut off to the one below where rounding falls short: with a decay of 0.95
    class 13 became class 12.
    """
    moved = get_ema_multi_avg_fn(decay)

    def average(averaged: Sequence[Tensor], present: Sequence[Tensor], count: Any) -> None:
        if averaged[0].is_floating_point():
            moved(averaged, present, count)
        else:
            for mine, theirs in zip(averaged, present, strict=True):
                mine.copy_(theirs)

    return average


def network_state(state: dict[str, Any]) -> dict[str, Any]:
    """The parameters and buffers to use a model by, out of a member's state: the moving average where there is one."""
    if state["ema"] is None:
        network: dict[str, Any] = state["model"]
        return network
    prefix = "module."
    return {key.removeprefix(prefix): value for key, value in state["ema"].items() if key.startswith(prefix)}


def build_fabric(settings: TrainingSettings) -> Fabric:
    """Lightning Fabric for the device, the number of devices and the precision that `settings` name.

    Raises:
        ConfigError: the precision is unknown, or there is no such device here.
    """
    if settings.precision not in PRECISIONS:
        raise ConfigError(f"precision {settings.precision!r} is unknown; choose one of {', '.join(PRECISIONS)}")
    try:
        fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]  # typed as a Literal
        )
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"accelerator {settings.accelerator!r}, devices {settings.devices}: {error}") from None
    fabric.launch()
    return fabric
