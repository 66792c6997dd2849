"""What runs in a worker process: make a member once, then train it for one job after another."""

import os
import pickle
import shutil
import signal
import threading
from collections.abc import Mapping
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from ada_segment.population.executors.training_one import describe, made, served
from ada_segment.storage import load_state, save_state


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
    os.setpgid(0, 0)  # Ctrl-C on the terminal is for the search alone; helpers of a loader end with this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by the search, lest it end the imports
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    torch.set_num_threads(threads)
    member, said = made(lambda: pickle.loads(recipe)(seed))
    connection.send(said)
    if member is None:
        return
    while True:
        try:
            job, source, target = connection.recv()
        except EOFError:
            return
        save = partial(save_state, target, durable=False) if speaks else lambda state: None
        try:
            answer, _ = served(member, job, source, load_state, save)
        except Exception as error:  # of the files of states; those of the member are in the answer
            connection.send(("stuck", describe(error)))
        else:
            connection.send(("done", *answer))


def _end_with_parent(folder: Path) -> None:
    parent: Any = parent_process()
    wait([parent.sentinel])
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)
