"""What a Ray actor does: make a member once, then train it for one job after another."""

import pickle
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.executors.training_one import describe, gpu_is_lost, train_one
from ada_segment.population.member import Member
from ada_segment.storage import copy_state, state_from_bytes, state_to_bytes

Bytes = npt.NDArray[np.uint8]


class RayWorker:
    """Trains one member. States come and go as arrays of bytes, which lie in Ray's store once a machine.

    Args:
        threads: of PyTorch.
        path: where the search finds its modules; also looked through here, where they may be in the same places.
    """

    def __init__(self, threads: int, path: Sequence[str]) -> None:
        torch.set_num_threads(threads)
        sys.path += [place for place in path if place not in sys.path]
        self._member: Member | None = None

    def prepare(self, recipe: bytes, seed: int) -> tuple[str, ...]:
        """Make the member by the pickled function; says ready, or unfit with the error's kind, text and traceback."""
        try:
            make_member: Callable[[int], Member] = pickle.loads(recipe)
            self._member = make_member(seed)
        except Exception as error:
            return "unfit", type(error).__name__, str(error), traceback.format_exc()
        return ("ready",)

    def do(self, job: Job | None, state: Bytes | None) -> tuple[tuple[Outcome, str, bool], Bytes | None]:
        """A job from a state; None asks for the member's state.

        Returns:
            The outcome without its state, a traceback, and whether this process has lost its GPU.
            The state afterwards.
        """
        assert self._member is not None
        content: Bytes | None = None
        try:
            if job is None or state is None:
                outcome = Outcome(index=0, state=copy_state(self._member.state_dict()))
            else:
                outcome = train_one(self._member, replace(job, state=from_array(state)))
            trace = "" if outcome.error is None else "".join(traceback.format_exception(outcome.error))
            if outcome.state is not None:
                content = to_array(outcome.state)
        except Exception as error:
            index = 0 if job is None else job.index
            outcome, trace = Outcome(index=index, failure=describe(error)), traceback.format_exc()
        spoiled = outcome.failure is not None and gpu_is_lost()
        return (replace(outcome, state=None, error=None), trace, spoiled), content


def to_array(state: Any) -> Bytes:
    """A nested state as bytes that Ray hands over without a copy."""
    return np.frombuffer(state_to_bytes(state), dtype=np.uint8)


def from_array(content: Bytes) -> Any:
    """The state of `to_array`."""
    return state_from_bytes(content.tobytes())
