"""Jobs dealt out to workers that may be killed, hang or leave: each is done once, whatever happens to its worker."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ada_segment.errors import AdaSegmentError, SearchError
from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.executors.settings import ExecutorSettings

# With a time limit, a worker gets at least so many seconds to start: libraries, data and GPUs take their time.
START_SECONDS = 300.0
# The way out when states cannot be handed over by files.
MAKE_ROOM = (
    "make room there, or name another place by the variable TMPDIR, and go on with resume (--resume); the executor "
    "local needs no such files"
)


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker at `place` has made its member and takes a job."""

    place: int


@dataclass(frozen=True, slots=True)
class Done:
    """The worker at `place` has done its job. It cannot take another where `spoiled` is set."""

    place: int
    outcome: Outcome
    spoiled: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker at `place` is gone."""

    place: int
    why: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """The worker at `place` could not make its member: kind and text of the error, and its traceback."""

    place: int
    kind: str
    text: str
    trace: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """The worker at `place` cannot read or write the files that hold states: a matter of the place, not of its job."""

    place: int
    why: str


Event = Ready | Done | Lost | Unfit | Stuck


class Crew(Protocol):
    """Workers of one kind, by their place from 0. What becomes of them is told by `wait`."""

    size: int

    def start(self, place: int) -> None:
        """Start a worker; it is Ready, Unfit or Lost later."""
        ...

    def publish(self, states: Sequence[dict[str, Any]]) -> None:
        """Make these states, and no others, available to all workers."""
        ...

    def give(self, place: int, job: Job | None) -> None:
        """Hand a job, whose state was published, to a worker that is ready; None asks for the member's state."""
        ...

    def wait(self, seconds: float | None) -> list[Event]:
        """What has happened; empty when nothing has within `seconds`."""
        ...

    def stop(self, place: int) -> None:
        """End a worker at once, whatever it does. No event follows."""
        ...

    def close(self) -> None:
        """End all workers at once and leave nothing behind."""
        ...


class Pool:
    """An `Executor` over a crew. Members beyond the number of workers take turns.

    A job whose worker is lost is repeated by another one, at most `restarts` times; one that takes longer than
    `time_limit` has failed. Both cost that member alone: workers are started anew. A place where none can start (on a
    cluster without room for it, say) is given up, as long as there are others.
    """

    def __init__(self, crew: Crew, *, settings: ExecutorSettings, say: Callable[[str], None]) -> None:
        self._crew, self._settings, self._say = crew, settings, say
        self._ready: set[int] = set()
        self._starting: dict[int, float] = {}
        self._lost_starts: Counter[int] = Counter()
        self._could: set[int] = set()  # places whose worker has made a member before
        for place in range(crew.size):
            self._start(place)

    def initial_state(self) -> dict[str, Any]:
        (outcome,) = self._do([None], lambda outcome: None)
        if outcome.state is None:
            raise SearchError(f"no worker could give the state of a fresh member: {outcome.failure}") from outcome.error
        return outcome.state

    def run(self, jobs: Sequence[Job], finished: Callable[[Outcome], None]) -> list[Outcome]:
        self._crew.publish(_distinct([job.state for job in jobs]))
        return self._do(jobs, finished)

    def close(self) -> None:
        self._crew.close()

    def _start(self, place: int) -> None:
        self._ready.discard(place)
        self._starting[place] = time.monotonic()
        self._crew.start(place)

    def _do(self, jobs: Sequence[Job | None], finished: Callable[[Outcome], None]) -> list[Outcome]:
        waiting = deque(range(len(jobs)))
        running: dict[int, int] = {}  # which job is at which place
        began: dict[int, float] = {}
        losses: Counter[int] = Counter()
        outcomes: dict[int, Outcome] = {}

        def end(number: int, outcome: Outcome) -> None:
            outcomes[number] = outcome
            finished(outcome)

        while len(outcomes) < len(jobs):
            for place in sorted(self._ready - running.keys()):
                if waiting:
                    running[place] = waiting.popleft()
                    began[place] = time.monotonic()
                    self._crew.give(place, jobs[running[place]])
            events = self._crew.wait(self._patience([began[place] for place in running]))
            for event in events:
                place = event.place
                if isinstance(event, Ready):
                    self._starting.pop(place, None)
                    self._lost_starts[place] = 0
                    self._ready.add(place)
                    self._could.add(place)
                elif isinstance(event, Unfit):
                    if place not in self._could:
                        raise _cannot_make(event)
                    self._crew.stop(place)
                    self._mourn(Lost(place, f"it could not make its member: {event.kind}: {event.text}"), None)
                elif isinstance(event, Stuck):
                    raise SearchError(f"worker {place} cannot hand states over ({event.why}); {MAKE_ROOM}")
                elif isinstance(event, Done):
                    if event.spoiled:
                        self._crew.stop(place)
                        self._start(place)
                    end(running.pop(place), event.outcome)
                else:
                    number = running.pop(place, None)
                    self._mourn(event, None if number is None else jobs[number])
                    if number is None:
                        continue
                    losses[number] += 1
                    if losses[number] <= self._settings.restarts:
                        waiting.appendleft(number)
                    else:
                        text = f"WorkerLost: {losses[number]} workers were lost in training it; the last: {event.why}"
                        end(number, _failed(jobs[number], text, began[place]))
            # After events no member is judged: writing their states may have taken its time, in which others have ended
            # that are not heard yet. The next turn does not wait for what is late.
            for place, number in list(running.items()) if not events else ():
                if self._is_late(began[place]):
                    del running[place]
                    self._crew.stop(place)
                    self._start(place)
                    text = f"TimeLimit: took longer than time_limit = {self._settings.time_limit:g} s"
                    end(number, _failed(jobs[number], text, began[place]))
            for place, since in list(self._starting.items()):
                if self._is_late(since, START_SECONDS):
                    self._crew.stop(place)
                    self._mourn(Lost(place, "it took too long to start"), None)
        return [outcomes[number] for number in range(len(jobs))]

    def _mourn(self, event: Lost, job: Job | None) -> None:
        """Start a worker anew in the place of one that was lost, unless none can live there.

        Raises:
            SearchError: none can live anywhere.
        """
        place = event.place
        if place in self._starting:
            self._lost_starts[place] += 1
            if self._lost_starts[place] > self._settings.restarts:
                del self._starting[place]
                if self._ready or self._starting:
                    self._say(
                        f"worker {place} was lost {self._lost_starts[place]} times before it had made its member "
                        f"({event.why}); the others go on without it"
                    )
                    return
                raise SearchError(
                    f"worker {place} was lost {self._lost_starts[place]} times before it had made its member; the last "
                    f"time: {event.why}. What it printed says more; a script that starts a search needs its call "
                    'under `if __name__ == "__main__":`'
                )
        doing = (
            f" while it trained member {job.index} in round {job.round}, which is repeated" if job is not None else ""
        )
        self._say(f"worker {place} was lost{doing} ({event.why}); it is started again")
        self._start(place)

    def _is_late(self, since: float, least: float = 0.0) -> bool:
        limit = self._settings.time_limit
        return limit is not None and time.monotonic() - since > max(limit, least)

    def _patience(self, began: Sequence[float]) -> float | None:
        """Seconds until something can be late; None without a limit."""
        if self._settings.time_limit is None:
            return None
        limits = [since + self._settings.time_limit for since in began]
        limits += [since + max(self._settings.time_limit, START_SECONDS) for since in self._starting.values()]
        return max(min(limits) - time.monotonic(), 0.0) + 0.01 if limits else None


def _distinct(states: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({id(state): state for state in states}.values())


def _failed(job: Job | None, text: str, began: float) -> Outcome:
    return Outcome(index=0 if job is None else job.index, failure=text, seconds=time.monotonic() - began)


def _cannot_make(event: Unfit) -> AdaSegmentError:
    """The error of making a member, as it would be in this process."""
    ours = {kind.__name__: kind for kind in AdaSegmentError.__subclasses__()}
    error: AdaSegmentError
    if event.kind in ours:
        error = ours[event.kind](event.text)
    else:
        error = SearchError(f"a worker cannot make its member: {event.kind}: {event.text}")
    error.__cause__ = RemoteError(event.trace)
    return error


class RemoteError(Exception):
    """An error of a worker; its text is the traceback there."""
