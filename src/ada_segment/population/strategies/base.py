"""A strategy: which weights the members of a round try, and whose state goes on."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ada_segment.controller.base import Controller


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is searched.

    Attributes:
        losses: names, in the order of the journal.
        defaults: the default weight of each loss; 0 keeps a loss switched off throughout.
        groups: group of each loss; losses of one group share their weight / default. One group a loss when untied.
        rounds: T.
        members: K.
        seed: of everything random.
    """

    losses: tuple[str, ...]
    defaults: dict[str, float]
    groups: dict[str, str]
    rounds: int
    members: int
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The weights that the members of a round try, and what the journal shall say of how they were chosen."""

    weights: list[dict[str, float]]
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One member's round. `losses` and `reward` are finite; a member that failed makes no trial."""

    index: int
    weights: Mapping[str, float]
    losses: Mapping[str, float]
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whose state goes on.

    Attributes:
        best: index of the member that stands for the round (the one broadcast, where there is a broadcast).
        parents: for each member of the next round, the index of the member whose state it starts from.
        notes: what the journal shall say of the decision.
    """

    best: int
    parents: tuple[int, ...]
    notes: dict[str, Any] = field(default_factory=dict)


class Strategy(ABC):
    """Chooses weights for K members, round after round.

    A strategy is started or resumed once, then asked in turn to `plan` and to `judge` a round. Everything random in it
    comes from `population.seeds`, so that its state is what it has learned and nothing else.

    Attributes:
        name: in the journal and on the command line.
        common_seed: whether the members of a round share their seed (common random numbers), so that they differ by
            their weights alone.
    """

    name: ClassVar[str]
    common_seed: bool = False

    def start(self, task: Task) -> None:
        """Begin anew on `task`.

        Raises:
            AdaSegmentError: the strategy does not fit the task.
        """
        self.task = task

    def resume(self, task: Task, state: dict[str, Any]) -> None:
        """Go on with `task` from a state that `state_dict` gave, in place of `start`."""
        self.start(task)
        self.load_state_dict(state)

    @abstractmethod
    def plan(self, round: int) -> Plan:
        """The weights of round `round`. Asked again after a resume or a failed round: the answer is the same."""

    @abstractmethod
    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        """Learn from the members that ended well (at least one) and say whose state goes on."""

    @property
    def controller(self) -> Controller | None:
        """What was learned, to be stored and applied elsewhere; None for strategies that learn nothing."""
        return None

    def settings(self) -> dict[str, Any]:
        """The settings, as JSON has them; a search is resumed under the same settings only. Asked before `start`."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What was learned so far."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 - most strategies have no state
        """Return to a state that `state_dict` gave, after `start`."""


def observed_best(trials: Sequence[Trial]) -> Trial:
    """The trial of the highest reward; the first of them when several are level."""
    return max(trials, key=lambda trial: trial.reward)


def broadcast(best: int, members: int, notes: dict[str, Any] | None = None) -> Verdict:
    """All members go on from member `best`."""
    return Verdict(best=best, parents=(best,) * members, notes=notes or {})


def separate(trials: Sequence[Trial], members: int) -> Verdict:
    """Each member goes on from its own state; one that failed takes over the best."""
    best = observed_best(trials).index
    well = {trial.index for trial in trials}
    return Verdict(best=best, parents=tuple(k if k in well else best for k in range(members)))
