"""Worker processes on this machine; states go through files that are mapped into memory, once for all workers."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch

from ada_segment.errors import ConfigError, SearchError
from ada_segment.population.executors.base import Job, Outcome
from ada_segment.population.executors.pool import MAKE_ROOM, Done, Event, Lost, Pool, Ready, RemoteError, Stuck, Unfit
from ada_segment.population.executors.private_folder import PrivateFolder
from ada_segment.population.executors.process_worker import work
from ada_segment.population.executors.settings import ExecutorSettings
from ada_segment.population.executors.training_one import describe
from ada_segment.population.interruption import without_ctrl_c
from ada_segment.population.member import Member
from ada_segment.storage import load_state, save_state

PREFIX = "ada-segment-workers-"
# Seconds between the closing of a worker's connection and its end, so that its exit status can be told.
START_OF_THE_END = 5.0


def process_pool(
    make_member: Callable[[int], Member],
    *,
    seed: int,
    members: int,
    settings: ExecutorSettings,
    say: Callable[[str], None],
) -> Pool:
    """An executor over worker processes. Raises ConfigError when `make_member` cannot be sent to another process."""
    recipe = _recipe(make_member)
    gpus = _gpus() if settings.gpus != 0 else []
    threads = settings.threads or 1
    each = settings.processes_per_member
    possible = len(gpus) // each if gpus else _cores() // (threads * each)
    size = min(settings.workers or max(possible, 1), members)
    crew = ProcessCrew(recipe, seed=seed, size=size, threads=threads, each=each, gpus=gpus)
    try:
        return Pool(crew, settings=settings, say=say)
    except BaseException:
        crew.close()
        raise


@dataclass(slots=True)
class _Worker:
    """The processes that train one member together (one as a rule), in the order of their ranks."""

    processes: list[SpawnProcess]
    connections: list[Connection]
    ready: int = 0
    target: Path | None = None
    said: list[tuple[Outcome, str, bool] | None] | None = None


class ProcessCrew:
    """Workers started by spawn, since forking a process with threads or a GPU is not safe.

    Args:
        recipe: the pickled function that makes a member.
        seed: handed to it.
        size: number of workers.
        threads: of PyTorch, for each process.
        each: processes of one worker.
        gpus: GPUs to share out, as CUDA_VISIBLE_DEVICES names them; worker w has those from w * each on.
    """

    def __init__(self, recipe: bytes, *, seed: int, size: int, threads: int, each: int, gpus: Sequence[str]) -> None:
        self.size = size
        self._recipe, self._seed, self._threads, self._each, self._gpus = recipe, seed, threads, each, list(gpus)
        self._folder = PrivateFolder(PREFIX)
        self._workers: dict[int, _Worker] = {}
        self._files: dict[int, tuple[Any, Path]] = {}  # by the identity of a state: the state, its file
        self._number = 0

    def start(self, place: int) -> None:
        context = multiprocessing.get_context("spawn")
        port = _free_port() if self._each > 1 else 0
        worker = _Worker([], [])
        self._workers[place] = worker
        for rank in range(self._each):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=work,
                args=(theirs, self._recipe),
                kwargs={
                    "seed": self._seed,
                    "threads": self._threads,
                    "folder": self._folder.path,
                    "environment": self._environment(place, rank, port),
                    "speaks": rank == 0,
                },
                name=f"ada-segment worker {place}" + (f", rank {rank}" if self._each > 1 else ""),
            )
            worker.processes.append(process)
            worker.connections.append(ours)
            with without_ctrl_c():  # until it sees to that itself: its imports take seconds
                process.start()
            theirs.close()

    def publish(self, states: Sequence[dict[str, Any]]) -> None:
        """A state that a worker has handed over lies in a file already and is not written again."""
        wanted = {id(state): state for state in states}
        for key in self._files.keys() - wanted.keys():
            self._files.pop(key)[1].unlink(missing_ok=True)
        for key, state in wanted.items():
            if key not in self._files:
                file = self._new_file()
                try:
                    save_state(file, state, durable=False)
                except OSError as error:
                    raise SearchError(f"states cannot be handed to workers ({describe(error)}); {MAKE_ROOM}") from error
                self._files[key] = (state, file)

    def give(self, place: int, job: Job | None) -> None:
        worker = self._workers[place]
        source = self._files[id(job.state)][1] if job is not None else None
        worker.target, worker.said = self._new_file(), [None] * self._each
        bare = replace(job, state={}) if job is not None else None
        for connection in worker.connections:
            with contextlib.suppress(OSError):  # a worker that is gone is found so by `wait`
                connection.send((bare, source, worker.target))

    def wait(self, seconds: float | None) -> list[Event]:
        owners: dict[Any, tuple[int, int]] = {}
        for place, worker in self._workers.items():
            for rank in range(len(worker.processes)):
                owners[worker.connections[rank]] = place, rank
                owners[worker.processes[rank].sentinel] = place, rank
        events: dict[int, Event] = {}
        touched = dict.fromkeys(owners[source] for source in wait(list(owners), seconds))
        for place, rank in touched:
            if place not in events and (event := self._look(place, rank)) is not None:
                events[place] = event
        return list(events.values())

    def stop(self, place: int) -> None:
        worker = self._workers.pop(place, None)
        if worker is None:
            return
        for process in worker.processes:
            if process.pid is not None:
                with contextlib.suppress(OSError):  # its group, with the helpers of a data loader; not one yet at first
                    os.killpg(process.pid, signal.SIGKILL)
                process.kill()
        for process, connection in zip(worker.processes, worker.connections, strict=True):
            if process.pid is not None:
                process.join()
            with contextlib.suppress(ValueError):  # somebody else in this program has waited for it
                process.close()
            connection.close()
        if worker.target is not None:
            worker.target.unlink(missing_ok=True)

    def close(self) -> None:
        try:
            for place in list(self._workers):
                self.stop(place)
        finally:  # a second Ctrl-C may come meanwhile
            self._files.clear()
            self._folder.close()

    def _look(self, place: int, rank: int) -> Event | None:
        """What the process of this rank has to say, or that it is gone."""
        worker = self._workers[place]
        connection, process = worker.connections[rank], worker.processes[rank]
        try:
            message = connection.recv() if connection.poll() else None
        except (EOFError, OSError):
            message = None
        if message is None:
            process.join(START_OF_THE_END)
            why = _cause(process.exitcode)
            self.stop(place)
            return Lost(place, why)
        kind, *content = message
        if kind == "unfit":
            return Unfit(place, *content)
        if kind == "stuck":
            return Stuck(place, *content)
        if kind == "ready":
            worker.ready += 1
            return Ready(place) if worker.ready == len(worker.processes) else None
        assert worker.said is not None
        worker.said[rank] = tuple(content)
        return self._judged(place, worker, content[0])

    def _judged(self, place: int, worker: _Worker, last: Outcome) -> Event | None:
        """Done when all ranks have spoken, or when one has failed: then the others wait for it in vain."""
        assert worker.said is not None
        if last.failure is None and None in worker.said:
            return None
        outcome, trace, spoiled = next(
            said for said in worker.said if said is not None and (last.failure is None or said[0].failure is not None)
        )
        if outcome.failure is not None:
            return Done(place, replace(outcome, error=RemoteError(trace)), spoiled=spoiled or len(worker.processes) > 1)
        assert worker.target is not None
        state = load_state(worker.target)
        self._files[id(state)] = (state, worker.target)
        worker.target = None
        return Done(place, replace(outcome, state=state), spoiled=False)

    def _new_file(self) -> Path:
        self._number += 1
        return self._folder.path / f"state-{self._number}.safetensors"

    def _environment(self, place: int, rank: int, port: int) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._gpus:
            first = place * self._each
            found["CUDA_VISIBLE_DEVICES"] = ",".join(
                self._gpus[(first + other) % len(self._gpus)] for other in range(self._each)
            )
        if self._each > 1:  # what torch.distributed and Fabric read, so that they start no processes of their own
            found |= {
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "LOCAL_RANK": str(rank),
                "RANK": str(rank),
                "NODE_RANK": "0",
                "WORLD_SIZE": str(self._each),
                "LOCAL_WORLD_SIZE": str(self._each),
            }
        return found


def _recipe(make_member: Callable[[int], Member]) -> bytes:
    try:
        return pickle.dumps(make_member)
    except Exception as error:
        raise ConfigError(
            f"make_member ({getattr(make_member, '__qualname__', type(make_member).__name__)}) cannot be sent to a "
            f"worker process ({type(error).__name__}: {error}); make it a class or function at the top of a module, "
            "not a lambda or a function within another one, or use the executor local"
        ) from None


def _gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return named.split(",")[:count] if named else [str(index) for index in range(count)]


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = "; the system does that when memory runs out" if -code == signal.SIGKILL else ""
        return f"ended by {name}{hint}"
    return f"ended with exit status {code}"
