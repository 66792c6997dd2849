"""Optimiser and learning rate."""

import math

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from ada_segment.errors import ConfigError
from ada_segment.training.settings import TrainingSettings


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> Optimizer:
    """SGD or AdamW over the parameters that are trained; no decay on those with one dimension (norms, biases).

    Raises:
        ConfigError: the optimiser is unknown.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return SGD(groups, lr=settings.lr, momentum=settings.momentum)
    if settings.optimizer == "adamw":
        return AdamW(groups, lr=settings.lr)
    raise ConfigError(f"optimizer {settings.optimizer!r} is unknown; choose sgd or adamw")


def learning_rate(step: int, steps: int, settings: TrainingSettings) -> float:
    """Learning rate of step `step` (from 0) of `steps`.

    Raises:
        ConfigError: the schedule is unknown.
    """
    warmup = min(settings.warmup_steps, steps // 10)
    if step < warmup:
        return settings.lr * (step + 1) / (warmup + 1)
    if settings.schedule == "cosine":
        return settings.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))
    if settings.schedule == "steps":
        return settings.lr * 0.1 ** sum(step >= share * steps for share in settings.steps_at)
    raise ConfigError(f"schedule {settings.schedule!r} is unknown; choose steps or cosine")
