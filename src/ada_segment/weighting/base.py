"""The seam between a model's losses and the total that is minimised."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ada_segment.errors import LossError


def check_names(given: Iterable[str], expected: Iterable[str], what: str) -> None:
    """Refuse names that are missing or unknown.

    Raises:
        LossError: names `what` and lists what is missing and what is unknown.
    """
    given, expected = set(given), set(expected)
    if given != expected:
        parts = []
        if missing := sorted(expected - given):
            parts.append(f"missing: {', '.join(missing)}")
        if unknown := sorted(given - expected):
            parts.append(f"unknown: {', '.join(unknown)} (known: {', '.join(sorted(expected))})")
        raise LossError(f"{what} do not fit: {'; '.join(parts)}")


def check_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights as floats, refused unless each is finite and not negative.

    Raises:
        LossError: names the loss and the value.
    """
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0:
            raise LossError(f"weight {weight!r} of {name} is not usable; weights are finite and at least 0")
    return {name: float(weight) for name, weight in weights.items()}


def check_losses(losses: Mapping[str, Tensor]) -> None:
    """Refuse losses of which one is NaN or infinite. Costs one device synchronisation.

    Raises:
        LossError: names the losses at fault and their values.
    """
    finite = torch.isfinite(torch.stack([loss.detach().float() for loss in losses.values()]))
    if not bool(finite.all()):
        bad = [
            f"{name} = {losses[name].item()}" for name, good in zip(losses, finite.tolist(), strict=True) if not good
        ]
        raise LossError(
            f"losses are not finite: {', '.join(bad)}; lower the learning rate, clip gradients, or check the data"
        )


class Weighting(ABC):
    """A way to choose the weight of each named loss.

    Subclasses give `weights`; the total is the same for all: sum_i weights[i] * loss_i, so that the weight reported
    is the effective one, d total / d loss_i.
    """

    @abstractmethod
    def weights(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """The weight of each loss in `losses` (raw, 0-d), by name."""

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of `losses`, a 0-d tensor that carries gradients. A loss of weight 0 adds nothing.

        Raises:
            LossError: names do not fit the weights, or a loss is not finite.
        """
        weights = self.weights(losses)
        check_names(losses, weights, "losses and weights")
        check_losses(losses)
        # Losses of weight 0 stay in the sum: every parameter keeps a gradient, which distributed training waits for.
        return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()

    def state_dict(self) -> dict[str, Any]:
        """What the weighting has learned or counted; empty for those without state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 - most methods have no state
        """Return to a state that `state_dict` gave."""
