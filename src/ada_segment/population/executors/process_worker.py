"""What runs in a worker process: make a member once, then train it for one job after another."""

import os
import pickle
import shutil
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.executors.training_one import describe, gpu_is_lost, train_one
from ada_segment.population.member import Member
from ada_segment.storage import copy_state, load_state, save_state


def work(
    connection: Connection,
    recipe: bytes,
    *,
    seed: int,
    threads: int,
    folder: Path,
    environment: Mapping[str, str],
    speaks: bool,
) -> None:
    """Serve until the connection closes.

    Args:
        connection: to the search. Gets (job, file of its state, file for the state afterwards).
        recipe: the pickled function that makes a member; from the process that started this one.
        seed: handed to that function.
        threads: of PyTorch.
        folder: the search's private folder, removed here should the search be killed.
        environment: variables that must be set before a GPU is touched.
        speaks: whether this process hands over states; of several that train one member, the first does.
    """
    os.environ.update(environment)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # Ctrl-C on the terminal is for the search alone; helpers of a loader end with this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    torch.set_num_threads(threads)
    try:
        make_member: Callable[[int], Member] = pickle.loads(recipe)
        member = make_member(seed)
    except Exception as error:
        connection.send(("unfit", type(error).__name__, str(error), traceback.format_exc()))
        return
    connection.send(("ready",))
    while True:
        try:
            job, source, target = connection.recv()
        except EOFError:
            return
        connection.send(("done", *_serve(member, job, source, target if speaks else None)))


def _serve(member: Member, job: Job | None, source: Path | None, target: Path | None) -> tuple[Outcome, str, bool]:
    """The outcome without its state, which is in the file `target`; a traceback; whether this process is spoiled."""
    try:
        if job is None:
            outcome = Outcome(index=0, state=copy_state(member.state_dict()))
        else:
            assert source is not None
            outcome = train_one(member, replace(job, state=load_state(source)))
        trace = "" if outcome.error is None else "".join(traceback.format_exception(outcome.error))
        if target is not None and outcome.state is not None:
            save_state(target, outcome.state, durable=False)
    except Exception as error:
        index = 0 if job is None else job.index
        outcome, trace = Outcome(index=index, failure=describe(error)), traceback.format_exc()
    return replace(outcome, state=None, error=None), trace, outcome.failure is not None and gpu_is_lost()


def _end_with_parent(folder: Path) -> None:
    parent: Any = parent_process()
    wait([parent.sentinel])
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
