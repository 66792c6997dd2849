"""What a Ray actor does: make a member once, then train it for one job after another."""

import pickle
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.executors.training_one import made, served
from ada_segment.population.member import Member
from ada_segment.storage import state_from_bytes, state_to_bytes

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
        self._member, said = made(lambda: pickle.loads(recipe)(seed))
        return said

    def do(self, job: Job | None, state: Bytes | None) -> tuple[tuple[Outcome, str, bool], Bytes | None]:
        """A job from a state; None asks for the member's state.

        Returns:
            The outcome without its state, a traceback, and whether this process has lost its GPU.
            The state afterwards.
        """
        assert self._member is not None
        return served(self._member, job, state, from_array, to_array)


def to_array(state: Any) -> Bytes:
    """A nested state as bytes that Ray hands over without a copy."""
    return np.frombuffer(state_to_bytes(state), dtype=np.uint8)


def from_array(content: Bytes) -> Any:
    """The state of `to_array`."""
    return state_from_bytes(content.tobytes())
