"""One member in this process, which takes the state of each member of the population in turn."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ada_segment.errors import SearchError
from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.executors.settings import ExecutorSettings
from ada_segment.population.executors.training_one import train_one
from ada_segment.population.member import Member
from ada_segment.storage import copy_state


class LocalExecutor:
    """Holds one model on the device however large the population is; the other states wait in the CPU's memory."""

    def __init__(
        self,
        make_member: Callable[[int], Member],
        *,
        seed: int,
        members: int,
        settings: ExecutorSettings,
        say: Callable[[str], None],
    ) -> None:
        self._threads = settings.threads
        with self._own_threads():
            self._member = make_member(seed)

    def initial_state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = copy_state(self._member.state_dict())
        except TypeError as error:
            raise SearchError(f"the state of a fresh member cannot be kept: {error}") from error
        return state

    def run(self, jobs: Sequence[Job], finished: Callable[[Outcome], None]) -> list[Outcome]:
        outcomes = []
        for job in jobs:
            with self._own_threads():
                outcomes.append(train_one(self._member, job))
            finished(outcomes[-1])
        return outcomes

    def close(self) -> None:
        pass

    @contextmanager
    def _own_threads(self) -> Iterator[None]:
        """The number of threads that is asked for; outside, the process keeps its own."""
        before = torch.get_num_threads()
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
