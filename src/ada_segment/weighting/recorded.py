"""Weights epoch by epoch that were recorded before."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ada_segment.errors import ConfigError
from ada_segment.weighting.base import Weighting, check_names, check_weights


def entry_at(time: int, schedule: Sequence[dict[str, float]], *, length: int | None) -> dict[str, float]:
    """The weights of epoch or round `time`.

    Args:
        time: from 0.
        schedule: S entries, at least one.
        length: T of the training. With it, entry floor((t + 1/2) S / T) is that of t, so that a longer training passes
            through the same weights at the same share of its length; entry t when S = T. Without, entry t, and the last
            one once they are used up.
    """
    index = time if length is None else (2 * time + 1) * len(schedule) // (2 * length)
    return schedule[min(index, len(schedule) - 1)]


class RecordedWeighting(Weighting):
    """A schedule, as a search or somebody's notes gave it.

    Cost: none. When: to repeat a training, to hand the schedule found by a search to another model, or to write down by
    hand when a loss shall come in.

    Args:
        schedule: weights by name, one mapping an epoch.
        epochs: length of the training, over which the schedule is stretched as in `entry_at`; None: not at all.

    Raises:
        ConfigError: the schedule is empty, an entry is no mapping, or there is no epoch.
        LossError: a weight is negative or not finite, or names differ between entries.
    """

    def __init__(self, schedule: Sequence[Mapping[str, float]], *, epochs: int | None = None) -> None:
        if not schedule or (epochs is not None and epochs < 1):
            raise ConfigError(
                f"a schedule of {len(schedule)} entries over {epochs} epochs is not usable; both are >= 1"
            )
        for index, entry in enumerate(schedule):
            if not isinstance(entry, Mapping):
                raise ConfigError(f"entry {index} of the schedule is {entry!r}; an entry gives weights by name")
        super().__init__(schedule[0])
        self.schedule = [check_weights(entry) for entry in schedule]
        for entry in self.schedule:
            check_names(entry, self.names, "entries of the schedule")
        self.epochs = epochs
        self._epoch = 0

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        return entry_at(self._epoch, self.schedule, length=self.epochs)

    def end_epoch(self, means: Mapping[str, float]) -> None:
        self._epoch += 1

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self._epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._epoch = state["epoch"]
