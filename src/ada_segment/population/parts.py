"""Members that have ended while their round has not: kept on the disk in long rounds and when a search is stopped."""

import time
from dataclasses import dataclass, field, fields
from typing import Any

from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.journal import Record
from ada_segment.population.run_folder import RunFolder


@dataclass(slots=True, kw_only=True)
class Part:
    """A member that has ended well: its job (without the state), what the journal will say, its state afterwards."""

    round: int
    attempt: int
    index: int
    seed: int
    weights: dict[str, float]
    record: Record
    state: dict[str, Any] = field(repr=False)


PART = tuple(one.name for one in fields(Part))


class Parts:
    """The finished members of the round that is under way.

    Args:
        folder: where they are kept; None keeps nothing.
        minutes: a member that ends later than this after the last writing is written at once; None: only when the
            search is stopped.
        writes: whether this process may write to the folder.
    """

    def __init__(self, folder: RunFolder | None, *, minutes: float | None, writes: bool = True) -> None:
        self._folder, self._minutes, self._writes = folder, minutes, writes
        self._unwritten: list[Part] = []
        self._known: dict[tuple[int, int, int], Part] = {}
        self.written()

    def written(self) -> None:
        """Everything is in a checkpoint now."""
        self._unwritten.clear()
        self._known.clear()
        self._since = time.monotonic()

    def load(self, round: int) -> int:
        """Take up those that an interrupted run has left of this round; how many."""
        if self._folder is not None:
            for content in self._folder.load_parts(round):
                part = Part(**content)
                self._known[part.round, part.attempt, part.index] = part
        return len(self._known)

    def of(self, job: Job, attempt: int) -> tuple[Outcome, Record] | None:
        """The outcome of a job that was done before the interruption, if it is the same job."""
        part = self._known.get((job.round, attempt, job.index))
        if part is None or part.seed != job.seed or part.weights != dict(job.weights):
            return None
        return Outcome(index=job.index, state=part.state, seconds=part.record["seconds"]), part.record

    def add(self, job: Job, attempt: int, outcome: Outcome, record: Record) -> None:
        """Keep a member that has ended well; on the disk when the last writing is long ago."""
        assert outcome.state is not None
        self._unwritten.append(
            Part(
                round=job.round,
                attempt=attempt,
                index=job.index,
                seed=job.seed,
                weights=dict(job.weights),
                record=record,
                state=outcome.state,
            )
        )
        if self._minutes is not None and time.monotonic() - self._since >= 60 * self._minutes:
            self.write()

    def write(self) -> None:
        """Bring all to the disk."""
        while self._unwritten and self._writes and self._folder is not None:
            part = self._unwritten[0]
            # Not asdict of the whole: it would copy the tensors.
            self._folder.save_part({name: getattr(part, name) for name in PART})
            del self._unwritten[0]
        self._since = time.monotonic()
