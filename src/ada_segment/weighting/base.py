"""The seam between a model's losses and the total that is minimised."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ada_segment.errors import ConfigError, LossError


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


def check_losses(losses: Iterable[str]) -> tuple[str, ...]:
    """The names of the losses, refused unless there are any, each is text and there once, in an order.

    Raises:
        ConfigError: shows what was given, or the names that are there twice.
    """
    # The order of a set is another one in each process; that of a dict's keys is not.
    if isinstance(losses, set | frozenset):
        raise ConfigError(f"losses = {losses!r} has no order; give a list of the losses' names")
    names = tuple(losses or ())
    if isinstance(losses, str) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"losses = {losses!r} is not usable; give the list of the losses' names")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"losses name {', '.join(twice)} twice; give each loss once")
    return names


def check_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights as floats, refused unless each is a number (of Python, NumPy or PyTorch), finite and not negative.

    Raises:
        LossError: names the loss and the value.
    """
    if not isinstance(weights, Mapping):
        raise LossError(f"{weights!r} is not usable; weights are given by the name of their loss")
    numbers = {name: _number(weight) for name, weight in weights.items()}
    for name, number in numbers.items():
        if not math.isfinite(number) or number < 0:
            raise LossError(f"weight {weights[name]!r} of {name} is not usable; weights are finite and at least 0")
    return numbers


def _number(value: Any) -> float:
    """A float from anything that is a number, NaN from what is none."""
    if isinstance(value, bool | str):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last is PyTorch's, of a tensor with a shape
        return math.nan


def check_tensors(losses: Mapping[str, Any]) -> None:
    """Refuse losses that are not 0-d tensors. Raises LossError, which names the first."""
    for name, loss in losses.items():
        if not isinstance(loss, Tensor):
            raise LossError(f"loss {name} is {type(loss).__name__}; give a 0-d tensor")
        if loss.ndim:
            raise LossError(f"loss {name} is {tuple(loss.shape)}, not a 0-d tensor; take its mean or its sum")


def check_not_below_0(values: Mapping[str, float], kind: str) -> None:
    """Refuse losses below 0, of which the method `kind` makes nothing. Raises LossError, which names the first."""
    if bad := [name for name, value in values.items() if value < 0]:
        raise LossError(f"{kind} needs losses of at least 0, {bad[0]} = {values[bad[0]]}; add a constant to it")


def loss_values(losses: Mapping[str, Tensor], average: "Average | None" = None) -> dict[str, float]:
    """The losses as numbers. Costs one device synchronisation.

    Args:
        losses: 0-d, by name.
        average: takes a tensor to its mean over processes. A loss of exactly 0 is absent from a process, and its mean
            is that of the others.

    Raises:
        LossError: a loss is not 0-d, or is NaN or infinite; names those at fault and their values.
    """
    check_tensors(losses)
    names = sorted(losses)  # the same order in every process
    stacked = _stacked([losses[name].detach() for name in names])
    if average is not None:
        total, share = average(torch.stack([stacked, (stacked != 0).to(stacked.dtype)]))
        stacked = torch.where(share > 0, total / share, total)
    values = dict(zip(names, stacked.tolist(), strict=True))
    if bad := [f"{name} = {values[name]}" for name in losses if not math.isfinite(values[name])]:
        raise LossError(
            f"losses are not finite: {', '.join(bad)}; lower the learning rate, clip gradients, or check the data"
        )
    return {name: values[name] for name in losses}


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Sum_i weights[i] * loss_i, 0-d, in at least single precision."""
    stacked = _stacked(list(losses.values()))
    # Losses of weight 0 stay in the sum: every parameter keeps a gradient, which distributed training waits for.
    return (stacked * stacked.new_tensor([weights[name] for name in losses])).sum()


def _stacked(losses: Sequence[Tensor]) -> Tensor:
    """[n]. A loss on the CPU, as one that is 0 for want of anything to learn from, is taken to where the others are."""
    device = next((loss.device for loss in losses if loss.device.type != "cpu"), losses[0].device)
    return torch.stack([_full(loss).to(device) for loss in losses])


def _full(loss: Tensor) -> Tensor:
    """In at least single precision: a weight times a loss, or their sum, may be more than half precision can hold."""
    return loss.float() if loss.dtype in (torch.float16, torch.bfloat16) else loss


Average = Callable[[Tensor], Tensor]
"""Takes a tensor to its mean over the processes that train one model together."""


class Weighting(ABC):
    """A way to choose the weight of each named loss.

    Subclasses give `choose`; the total is the same for all: sum_i weights[i] * loss_i (and a number without gradient,
    if the method has one), so that the weight reported is the effective one, d total / d loss_i.

    A training loop calls `total` for each batch, `learn` after each step of the optimiser (after several batches where
    gradients are accumulated), and `end_epoch` after each epoch. Only these two change what the weighting has learned.
    A total made without gradients (`torch.no_grad`), as in a validation, is not learned from.

    Args:
        losses: names.

    Attributes:
        names: of the losses.
        last: the weights of the last total; empty before the first.
        values: the raw losses of the last total, means over all processes; empty before the first.
        average: set by the training loop where several processes train one model; weights are then chosen from the
            mean losses, and are the same in all processes.

    Raises:
        ConfigError: there are no losses, or one is named twice.
    """

    def __init__(self, losses: Iterable[str]) -> None:
        self.names = check_losses(losses)
        self.last: dict[str, float] = {}
        self.values: dict[str, float] = {}
        self.average: Average | None = None
        self._seen: list[Mapping[str, float]] = []

    @property
    def kind(self) -> str:
        """What the method is called in errors."""
        return type(self).__name__

    @abstractmethod
    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> Mapping[str, float]:
        """The weight of each loss, by name. Must not change what was learned.

        Args:
            values: the losses as finite numbers, means over all processes.
            losses: this process's losses with their graph, for methods that look at gradients. Both are in the order
                of their names, so that processes whose dicts have another order ask one another in the same order.
        """

    def weights(self, losses: Mapping[str, Tensor], factors: Mapping[str, float] | None = None) -> dict[str, float]:
        """The weights that `total` would give now, by this process's losses. Arguments and errors as there."""
        check_names(losses, self.names, "losses and weights")
        return self._weigh(losses, loss_values(losses), factors)[0]

    def total(self, losses: Mapping[str, Tensor], factors: Mapping[str, float] | None = None) -> Tensor:
        """The weighted sum of `losses`, a 0-d tensor that carries gradients. A loss of weight 0 adds nothing.

        Args:
            losses: raw, 0-d, by name.
            factors: by name, what each loss is multiplied by before the method sees it: the default weights of a model,
                say, from which the method then starts. A factor of 0 switches a loss off, whatever the method makes of
                it. The weight reported is factor times the method's weight.

        Raises:
            LossError: names do not fit, a loss is not finite, or so far out of range that its weight is not finite.
        """
        check_names(losses, self.names, "losses and weights")
        values = loss_values(losses, self.average)
        self.last, seen = self._weigh(losses, values, factors)
        self.values = values
        total = weighted_sum(losses, self.last)
        if torch.is_grad_enabled():
            self._seen.append(seen)
        return total + constant if (constant := self.constant()) else total

    def learn(self) -> None:
        """Learn from the totals with gradients since the last call; to be called once a step of the optimiser."""
        if self._seen:
            seen, self._seen = self._seen, []
            self.step(mean_where_present(seen))

    @property
    def within_step(self) -> bool:
        """Whether there are totals that were not yet learned from."""
        return bool(self._seen)

    def forget(self) -> None:
        """Forget the totals that were not yet learned from."""
        self._seen = []

    def constant(self) -> float:
        """What the total has beside the weighted sum."""
        return 0.0

    def step(self, values: Mapping[str, float]) -> None:  # noqa: B027 - most methods do not learn from steps
        """Learn from the mean losses of one step; where batches are accumulated, over those that have the loss."""

    def end_epoch(self, means: Mapping[str, float]) -> None:  # noqa: B027 - most methods do not look at epochs
        """Learn from the mean raw losses of an epoch that has ended; one that is NaN, infinite or 0 says nothing."""

    def state_dict(self) -> dict[str, Any]:
        """What the weighting has learned or counted; empty for those without state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state that `state_dict` gave. What was seen since and not yet learned from is forgotten."""
        self.last, self.values = {}, {}
        self.forget()

    def _weigh(
        self, losses: Mapping[str, Tensor], values: Mapping[str, float], factors: Mapping[str, float] | None
    ) -> tuple[dict[str, float], Mapping[str, float]]:
        """The weights of `losses`, and the values that the method saw."""
        if factors is not None:
            check_names(factors, self.names, "factors and losses")
            values = {name: factors[name] * value for name, value in values.items()}
            losses = {name: factors[name] * loss for name, loss in losses.items()}
        names = sorted(losses)
        chosen = self.choose({name: values[name] for name in names}, {name: losses[name] for name in names})
        weights = {name: float(chosen[name] if factors is None else factors[name] * chosen[name]) for name in losses}
        if bad := [f"{name} = {values[name]:.3g}" for name, weight in weights.items() if not math.isfinite(weight)]:
            raise LossError(f"{self.kind} has no finite weight for {', '.join(bad)}; scale these losses")
        return weights, values


def where_on(means: Mapping[str, float], factors: Mapping[str, float] | None) -> dict[str, float]:
    """The means with 0, as of a loss that is absent, for those that a factor of 0 has switched off."""
    return {name: mean if factors is None or factors[name] else 0.0 for name, mean in means.items()}


def mean_values(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number, by name, of mappings with the same names; at least one."""
    return {name: sum(each[name] for each in values) / len(values) for name in values[0]}


def mean_where_present(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Likewise, but over those mappings where the number is not 0; 0 where it is so in all."""
    present = {name: [each[name] for each in values if each[name] != 0] for name in values[0]}
    return {name: sum(numbers) / max(len(numbers), 1) for name, numbers in present.items()}
