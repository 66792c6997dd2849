"""Weights that are known beforehand: a recorded schedule, or a stored controller. One member is enough."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from ada_segment.controller.base import Controller
from ada_segment.controller.stored import KINDS
from ada_segment.errors import ConfigError, LossError
from ada_segment.population.schedule import check_schedule, load_schedule
from ada_segment.population.strategies.base import Plan, Task, Trial, Verdict
from ada_segment.population.strategies.constant import SelectOnly
from ada_segment.storage import fingerprint
from ada_segment.weighting.base import check_names
from ada_segment.weighting.recorded import entry_at


class Replay(SelectOnly):
    """Replays a schedule; with several members, which then differ by their seed, the best observed is broadcast.

    Args:
        schedule: weights round by round, or fixed weights. The names must be those of the task.
        stretch: a schedule of S entries over T rounds gives entry floor((t + 1/2) S / T) to round t, so that a longer
            training passes through the same weights at the same share of its length; entry t when S = T. If not, round
            t has entry t, and the last one once they are used up.
        source: where it comes from, for errors.
    """

    name = "replay"

    def __init__(
        self,
        schedule: Sequence[Mapping[str, float]] | Mapping[str, float],
        *,
        stretch: bool = True,
        source: str = "the schedule",
    ) -> None:
        if isinstance(schedule, str | Path):
            raise ConfigError(f"{schedule} is a path, no schedule; Replay.load reads it")
        entries = [schedule] if isinstance(schedule, Mapping) else schedule
        self.schedule = check_schedule(entries, what=source)
        self.stretch = stretch
        self._source = source

    @classmethod
    def load(cls, path: str | Path, *, stretch: bool = True) -> Self:
        """Replay a schedule.json, a run folder's, or a JSON object of fixed weights. Errors as `load_schedule`."""
        return cls(load_schedule(path), stretch=stretch, source=str(path))

    def start(self, task: Task) -> None:
        super().start(task)
        try:
            check_names(self.schedule[0], task.losses, "its losses and the model's")
        except LossError as error:
            raise LossError(f"{self._source}: {error}") from None

    def plan(self, round: int) -> Plan:
        entry = entry_at(round, self.schedule, length=self.task.rounds if self.stretch else None)
        return Plan([{name: entry[name] for name in self.task.losses} for _ in range(self.task.members)])

    def settings(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "stretch": self.stretch}

    def state_dict(self) -> dict[str, Any]:
        # All that it was made of: where it came from need not be there any more when the search goes on.
        return self.settings()


class Transfer(SelectOnly):
    """A stored controller, frozen, steers by the losses it sees; no noise. Several members differ by their seed.

    Args:
        controller: from `load_controller`. It is fitted to the task's losses when the search starts.
    """

    name = "transfer"

    def __init__(self, controller: Controller) -> None:
        if not isinstance(controller, Controller):
            raise ConfigError(f"{controller!r} is no controller; load_controller reads that of a run")
        self._given = controller
        self._bound = controller
        self._history: list[dict[str, float]] = []

    def start(self, task: Task) -> None:
        super().start(task)
        self._bound = self._given.rebound(task.losses, task.defaults, task.groups)
        self._history = []

    def plan(self, round: int) -> Plan:
        weights = self._bound.weights(self._history, round=round, rounds=self.task.rounds)
        return Plan([dict(weights) for _ in range(self.task.members)])

    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        verdict = super().judge(round, trials)
        self._history.append(dict(next(trial for trial in trials if trial.index == verdict.best).losses))
        return verdict

    @property
    def controller(self) -> Controller:
        return self._bound

    def settings(self) -> dict[str, Any]:
        # What it is about is the same for all searches of a kind; what it has learned is not.
        return {"controller": self._given.about(), "learned": fingerprint(self._given.state_dict())}

    def state_dict(self) -> dict[str, Any]:
        return {"history": self._history, "kind": self._given.kind, "controller": self._given.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._history = [dict(losses) for losses in state["history"]]


def known_beforehand(state: Mapping[str, Any]) -> Replay | Transfer | None:
    """The strategy that a search was started with, as its `state_dict` keeps it; None if the state is of another one.

    Checkpoints of earlier versions keep none; and in one that is damaged, which its search finds out, it may not fit.
    """
    with suppress(ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, LossError):
        if "schedule" in state and "stretch" in state:
            return Replay(state["schedule"], stretch=state["stretch"])
        if "controller" in state and state.get("kind") in KINDS:
            return Transfer(KINDS[state["kind"]].from_state(state["controller"]))
    return None
