"""One member in this process, which takes the state of each member of the population in turn."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.member import Member
from ada_segment.storage import copy_state


class LocalExecutor:
    """Holds one model on the device however large the population is; the other states wait in the CPU's memory."""

    def __init__(self, make_member: Callable[[int], Member], *, seed: int) -> None:
        self._member = make_member(seed)

    def initial_state(self) -> dict[str, Any]:
        state: dict[str, Any] = copy_state(self._member.state_dict())
        return state

    def run(self, jobs: Sequence[Job], finished: Callable[[Outcome], None]) -> list[Outcome]:
        outcomes = []
        for job in jobs:
            outcomes.append(self._one(job))
            finished(outcomes[-1])
        return outcomes

    def close(self) -> None:
        pass

    def _one(self, job: Job) -> Outcome:
        started = time.perf_counter()
        try:
            # A copy: a member may keep the tensors that it is given and train on them.
            self._member.load_state_dict(copy_state(job.state))
            losses = dict(self._member.train(dict(job.weights), round=job.round, seed=job.seed))
            reward = self._member.evaluate()
            state = copy_state(self._member.state_dict())
        except Exception as error:
            return Outcome(index=job.index, error=error, seconds=time.perf_counter() - started)
        return Outcome(
            index=job.index, losses=losses, reward=reward, state=state, seconds=time.perf_counter() - started
        )
