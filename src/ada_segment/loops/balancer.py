"""The weights of a training loop of one's own, in plain PyTorch."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from ada_segment.errors import ConfigError, RunError
from ada_segment.loops.choice import Choice, choose_weighting
from ada_segment.population.journal import Record
from ada_segment.values import whole
from ada_segment.weighting.base import Weighting, check_names, check_tensors, weighted_sum, where_on


class LossBalancer:
    """One total of a dict of named losses, under weights that may move; `total = balancer(losses)`.

    Goes with mixed precision (the total is in single precision at least; give it to `GradScaler.scale`), gradients that
    are accumulated, `torch.compile` (the balancer itself is left out of what is compiled) and `DistributedDataParallel`
    (weights are chosen from the mean of the losses over all ranks, so that all have the same). A loss of weight 0
    stays in the graph with gradient 0.

    Args:
        weighting: a method by name (`weighting.registry.WEIGHTINGS`: fixed, uncertainty, uw-so, dwa, rlw, famo,
            gradnorm, pcgrad, ...); scenes, the controller that comes with the package; the folder of a run with its
            controller, or the controller's file, or several of these with commas between them; a `Controller`, as a
            search returns it; a JSON file of weights or a schedule; weights by name; a list of those, one an epoch; a
            function of the epoch; or a `Weighting`.
        losses: names of the losses; not needed where the weighting has them.
        defaults: what each loss is multiplied by before a method sees it, 1 where not given; the weights reported have
            it in them. 0 switches a loss off. For a controller: the weights that it is relative to, those of its search
            where not given.
        groups: for a controller that is used on other losses: which group each belongs to.
        epochs: length of the training; a controller needs it, a schedule is stretched over it.
        accumulate: batches to one step of the optimiser: the method learns once a step, from their mean losses. A batch
            that was refused is one of them.
        seed: of methods that draw.
        process_group: processes that train one model together; all of them where not given.
        settings: of the method.

    Attributes:
        weighting: the weighting itself.
        accumulate: as given; None where a trainer tells `weighting.learn` that its optimiser has stepped.
        journal: one record an epoch, as in history.jsonl: mean weights and losses, and the metric as its reward.

    Raises:
        ConfigError, LossError, RunError: an argument is not usable.
    """

    def __init__(
        self,
        weighting: Choice = "fixed",
        losses: Sequence[str] | None = None,
        *,
        defaults: Mapping[str, float] | None = None,
        groups: Mapping[str, str] | None = None,
        epochs: int | None = None,
        accumulate: int = 1,
        seed: int = 0,
        process_group: dist.ProcessGroup | None = None,
        **settings: Any,
    ) -> None:
        self.weighting: Weighting
        self.weighting, self._factors = choose_weighting(
            weighting, losses, defaults=defaults, groups=groups, epochs=epochs, seed=seed, settings=settings
        )
        self.weighting.average = self._mean_over_ranks
        self.accumulate: int | None = whole("accumulate", accumulate, least=1)
        self.journal: list[Record] = []
        self._group = process_group
        self.begin_epoch()
        _keep_uncompiled()

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses."""
        return self.weighting.names

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the last total, d total / d loss by name; empty before the first."""
        return dict(self.weighting.last)

    @property
    def weights_now(self) -> dict[str, float]:
        """For an evaluation: the weights of the last total; before the first, those that losses of 1 would get.

        Values of losses are not looked at, so that all batches have the same weights.
        """
        if self.weighting.last:
            return self.weights
        with torch.no_grad():
            return self.weighting.weights({name: torch.ones(()) for name in self.losses}, self._factors)

    @property
    def within_epoch(self) -> bool:
        """Whether there were totals since the last epoch ended."""
        return bool(self._count)

    def __call__(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The total of raw, 0-d losses: a 0-d tensor to call `backward` on.

        Without gradients (`torch.no_grad`), as in a validation, it is the sum under `weights_now`: nothing is learned
        from it, no epoch's mean has it, and losses that are not finite are not refused.

        Raises:
            LossError: names do not fit, or a loss is not finite; nothing has been learned from it then.
        """
        return (_uncompiled or _keep_uncompiled())(self, losses)

    def _total(self, losses: Mapping[str, Tensor]) -> Tensor:
        if not torch.is_grad_enabled():
            check_names(losses, self.losses, "losses and weights")
            check_tensors(losses)
            return weighted_sum(losses, self.weights_now)
        self._calls += 1
        try:
            total = self.weighting.total(losses, self._factors)
            self._count += 1
            for sums, numbers in ((self._weights, self.weighting.last), (self._losses, self.weighting.values)):
                for name, number in numbers.items():
                    sums[name] = sums.get(name, 0.0) + number
        finally:  # the optimiser steps here, though the step's last batch be refused
            if self.accumulate is not None and self._calls % self.accumulate == 0:
                self.weighting.learn()
        return total

    def end_epoch(self, metric: float | None = None) -> Record:
        """Tell the weighting that an epoch has ended; returns the epoch's record, which is added to the journal.

        Args:
            metric: how good the model is now, for the record, which holds None for what is not finite.

        Raises:
            ConfigError: there was no total since the last epoch.
        """
        if not self._count:
            raise ConfigError("an epoch has ended without any losses; call the balancer on each batch's losses")
        self.weighting.learn()  # what is left of an accumulation that the epoch has cut short
        weights, means = (
            {name: sums[name] / self._count for name in self.losses} for sums in (self._weights, self._losses)
        )
        seconds = time.perf_counter() - self._started
        member = {
            "weights": weights,
            "losses": means,
            "reward": as_reward(metric),
            "status": "ok",
            "parent": 0 if self.journal else None,
            "seconds": seconds,
        }
        record: Record = {"round": len(self.journal), "best": 0, "members": [member], "seconds": seconds}
        self.journal.append(record)
        self.weighting.end_epoch(where_on(means, self._factors))
        self.begin_epoch()
        return record

    def state_dict(self) -> dict[str, Any]:
        """What was learned, counted and written down; to be taken between epochs or steps of the optimiser.

        What an unfinished step has seen is not in it: gradients that were accumulated are lost in the same way.
        """
        return {
            "kind": self.weighting.kind,
            "names": list(self.losses),
            "last": self.weights,
            "weighting": self.weighting.state_dict(),
            "journal": list(self.journal),
            **self.epoch_so_far(),
        }

    def epoch_so_far(self) -> dict[str, Any]:
        """That part of the state which each total changes, but for the last weights."""
        return {
            "weights": dict(self._weights),
            "losses": dict(self._losses),
            "count": self._count,
            "calls": self._calls,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state that `state_dict` gave.

        Raises:
            RunError: it is that of another method, or of other losses, or none of a balancer.
        """
        if missing := [key for key in self.state_dict() if key not in state]:
            raise RunError(f"the state has no {', '.join(missing)}; give one that a balancer's state_dict returned")
        kind, names = state["kind"], state["names"]
        if kind != self.weighting.kind or set(names) != set(self.losses):
            raise RunError(
                f"the state is of {kind} over {', '.join(names)}; this balancer has {self.weighting.kind} over "
                f"{', '.join(self.losses)}; make it as the one that the state was taken from"
            )
        self.weighting.load_state_dict(state["weighting"])
        self.weighting.last = dict(state["last"])
        self.journal[:] = state["journal"]
        self.begin_epoch()
        self._weights |= state["weights"]
        self._losses |= state["losses"]
        self._count = state["count"]
        self._calls = state["calls"]

    def begin_epoch(self) -> None:
        """Forget the totals since the last epoch ended: those of one that was broken off. `end_epoch` calls it."""
        self._weights: dict[str, float] = {}
        self._losses: dict[str, float] = {}
        self._count = 0  # of totals
        self._calls = 0  # with those that were refused
        self._started = time.perf_counter()
        self.weighting.forget()

    def _mean_over_ranks(self, values: Tensor) -> Tensor:
        if not dist.is_available() or not dist.is_initialized() or dist.get_world_size(self._group) == 1:
            return values
        summed = values.clone()
        dist.all_reduce(summed, group=self._group)
        return summed / dist.get_world_size(self._group)


def as_reward(metric: float | None) -> float | None:
    """A metric as a journal holds it: None for what is not finite."""
    return None if metric is None or not math.isfinite(metric) else float(metric)


_Total = Callable[[LossBalancer, Mapping[str, Tensor]], Tensor]
_uncompiled: _Total | None = None


def _keep_uncompiled() -> _Total:
    """`LossBalancer._total`, kept out of torch.compile: weights are numbers, and a method may ask the other ranks or
    take gradients. Not done at import, which would take the compiler along and more than a second."""
    global _uncompiled
    if _uncompiled is None:
        _uncompiled = torch.compiler.disable(LossBalancer._total)
    return _uncompiled
