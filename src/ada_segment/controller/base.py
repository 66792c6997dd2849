"""What every learned rule for weights offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self


class Controller(ABC):
    """From the losses seen so far in a training to the weights of its next round.

    Attributes:
        kind: the name under which its class is stored.
        losses: the losses it answers for.
    """

    kind: ClassVar[str]
    losses: tuple[str, ...]

    @abstractmethod
    def weights(self, history: Sequence[Mapping[str, float]], *, round: int, rounds: int) -> dict[str, float]:
        """The weights of round `round` of `rounds`, without noise.

        Args:
            history: mean raw losses of rounds 0 .. round - 1 of the model at hand, by name; values that are not finite
                are taken as not seen.

        Returns:
            Positive, finite weights, by name (0 for a loss whose default is 0).
        """

    @abstractmethod
    def rebound(self, losses: Sequence[str], defaults: Mapping[str, float], groups: Mapping[str, str]) -> Self:
        """The same controller for a task with these losses, defaults and groups.

        Raises:
            LossError: what was learned says nothing about some of these losses; the text says which and why.
        """

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What it is, for the JSON file beside the stored state: losses, defaults, groups, settings."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that `from_state` needs."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The controller whose `state_dict` this is."""
