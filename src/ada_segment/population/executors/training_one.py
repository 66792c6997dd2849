"""One job done with one member: the same steps in this process, in a worker process and on another machine."""

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.member import Member, effective_weights
from ada_segment.storage import copy_state


def train_one(member: Member, job: Job) -> Outcome:
    """Bring `member` to the job's state, train and evaluate it. Whatever it raises as an Exception is a failure."""
    started = time.perf_counter()
    try:
        # A copy: a member may keep the tensors that it is given and train on them.
        member.load_state_dict(copy_state(job.state))
        reported: Any = member.train(dict(job.weights), round=job.round, seed=job.seed)
        # What is no mapping is the member's mistake, not a failure that a repeat could mend; the search refuses it.
        fits = isinstance(reported, Mapping)
        losses = {name: _number(value) for name, value in reported.items()} if fits else None
        weights = effective_weights(member)
        reward = _number(member.evaluate())
        state = copy_state(member.state_dict())
    except Exception as error:
        # What the frames hold (activations, on a GPU that was too small) must not stay while others train.
        traceback.clear_frames(error.__traceback__)
        return Outcome(index=job.index, failure=describe(error), error=error, seconds=time.perf_counter() - started)
    seconds = time.perf_counter() - started
    return Outcome(index=job.index, losses=losses, reward=reward, weights=weights, state=state, seconds=seconds)


def made(make: Callable[[], Member]) -> tuple[Member | None, tuple[str, ...]]:
    """A worker's member, and what the worker says of it: ready, or unfit with the error's kind, text and traceback."""
    try:
        return make(), ("ready",)
    except Exception as error:
        return None, ("unfit", type(error).__name__, str(error), traceback.format_exc())


def served(
    member: Member, job: Job | None, state: Any, load: Callable[[Any], Any], save: Callable[[Any], Any]
) -> tuple[tuple[Outcome, str, bool], Any]:
    """A worker's answer to a job, whose state `load` gets from `state`; None asks for the member's state.

    Returns:
        The outcome without its state, a traceback, and whether this process has lost its GPU.
        What `save` made of the state afterwards; None without one.

    Raises:
        Exception: of `load` and `save`. That a state cannot be handed over is no failure of the member.
    """
    outcome = _as_made(member) if job is None else train_one(member, replace(job, state=load(state)))
    trace = "" if outcome.error is None else "".join(traceback.format_exception(outcome.error))
    saved = None if outcome.state is None else save(outcome.state)
    spoiled = outcome.failure is not None and gpu_is_lost()
    return (replace(outcome, state=None, error=None), trace, spoiled), saved


def _as_made(member: Member) -> Outcome:
    """The state of a member that has not trained yet."""
    try:
        return Outcome(index=0, state=copy_state(member.state_dict()))
    except Exception as error:
        return Outcome(index=0, failure=describe(error), error=error)


def describe(error: BaseException) -> str:
    """Kind and text of an error in one line, as the journal has it."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def gpu_is_lost() -> bool:
    """Whether an error has left this process unable to use its GPU, as a failed assertion in a kernel does."""
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.empty_cache()
        torch.zeros(1, device="cuda").item()
    except Exception:
        return True
    return False


def _number(value: Any) -> Any:
    """A float of anything that is a number (a 0-d tensor, say), so that executors agree; of other things their text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
