"""Where the members of a round are trained: the seam for one process, several, or several machines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One member's interval: continue from `state` under `weights`.

    Attributes:
        index: which member of the population.
        round: index of the interval, from 0.
        seed: handed to `Member.train`.
        weights: by loss name.
        state: what `Member.state_dict` gave; shared by several jobs, so never written to.
    """

    index: int
    round: int
    seed: int
    weights: Mapping[str, float]
    state: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job came to. `failure` is set, and the rest empty, when the member raised or its worker was lost.

    Attributes:
        losses: what `Member.train` returned; None also where that was no mapping.
        weights: the member's `effective_weights`, where it says that they were others than the job's.
        reward: what `Member.evaluate` returned.
        state: the member's state afterwards, on the CPU, sharing no memory with the member.
        failure: what went wrong, as the journal says it: kind of the error and its text.
        error: the error itself, for a traceback.
        seconds: wall time.
    """

    index: int
    losses: Mapping[str, float] | None = None
    weights: Mapping[str, float] | None = None
    reward: float | None = None
    state: dict[str, Any] | None = None
    failure: str | None = None
    error: Exception | None = None
    seconds: float = 0.0


class Executor(Protocol):
    """Trains members. An exception of a member is an outcome; KeyboardInterrupt and its like pass through.

    Made by a call with `make_member`, and by name `seed`, `members` (the size of the population), `settings` and `say`
    (told of what a person should know). All executors give the same outcomes for the same jobs, apart from the seconds,
    where members train with the same number of threads on the same kind of device.
    """

    def initial_state(self) -> dict[str, Any]:
        """The state of a fresh member, from which all start."""
        ...

    def run(self, jobs: Sequence[Job], finished: Callable[[Outcome], None]) -> list[Outcome]:
        """Do all jobs; call `finished` as each ends, in any order; return the outcomes in the order of the jobs."""
        ...

    def close(self) -> None:
        """Give back processes, memory and devices."""
        ...
