"""Workers as Ray actors, on this machine or on any number of them; states go through Ray's object store."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ada_segment.errors import ConfigError, SearchError
from ada_segment.population.executors.base import Job
from ada_segment.population.executors.pool import Done, Event, Lost, Pool, Ready, RemoteError, Unfit
from ada_segment.population.executors.private_folder import PrivateFolder
from ada_segment.population.executors.ray_worker import RayWorker, from_array, to_array
from ada_segment.population.executors.settings import ExecutorSettings
from ada_segment.population.member import Member

PREFIX = "ada-ray-"
# Ray puts sockets below its folder for temporary files; their names may have 107 characters, of which it needs 70.
LONGEST_PLACE = 20


def ray_pool(
    make_member: Callable[[int], Member],
    *,
    seed: int,
    members: int,
    settings: ExecutorSettings,
    say: Callable[[str], None],
) -> Pool:
    """An executor over Ray actors. Raises ConfigError without Ray, or when there is no cluster at the address."""
    cluster = RayCluster(settings, members)
    try:
        crew = RayCrew(cluster, make_member, seed=seed, settings=settings, members=members)
        return Pool(crew, settings=settings, say=say)
    except BaseException:
        cluster.close()
        raise


class RayCluster:
    """The connection to Ray: to one that this program uses already, to a running cluster, or to one of our own here.

    Ours ends with `close`, and its files with it.
    """

    def __init__(self, settings: ExecutorSettings, members: int) -> None:
        # Ray reads it when it is imported: nothing is told to its makers unless somebody has said so.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Actors without GPUs shall keep what they see; Ray is about to do so by default, and says it at length.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise ConfigError("executor ray needs Ray: pip install 'ada-segment[ray]'") from None
        self._folder: PrivateFolder | None = None
        self._joined = not ray.is_initialized()
        if not self._joined:
            return
        quiet: dict[str, Any] = {"include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": True}
        if settings.ray_address is None:
            place = Path(tempfile.gettempdir())
            self._folder = PrivateFolder(PREFIX, place=place if len(str(place)) <= LONGEST_PLACE else Path("/tmp"))
            wanted = int(settings.cpus * min(settings.workers or 1, members)) or 1
            # Not one that somebody else has running here, which Ray would join by itself.
            quiet |= {"address": "local"}
            quiet |= {"num_cpus": max(os.cpu_count() or 1, wanted), "_temp_dir": str(self._folder.path)}
        else:
            quiet = {"address": settings.ray_address, "logging_level": logging.ERROR}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Ray's own making
                ray.init(**quiet)
        except Exception as error:  # of many kinds, Ray's own among them
            self.close()
            where = settings.ray_address or "this machine"
            raise ConfigError(
                f"Ray cannot be had at {where}: {error}; start it with `ray start --head`, or name its address"
            ) from None

    def close(self) -> None:
        """Leave the cluster; end it when it is ours."""
        import ray

        if self._joined:
            self._joined = False
            ray.shutdown()
        if self._folder is not None:
            self._folder.close()


class RayCrew:
    """Actors that Ray places where there is room. One that is lost (with its machine, say) is started elsewhere.

    Args:
        cluster: closed with this crew.
        make_member: sent to the actors as cloudpickle does, so it may be a lambda.
        seed: handed to it.
        settings: resources of an actor.
        members: no more actors than these.
    """

    def __init__(
        self,
        cluster: RayCluster,
        make_member: Callable[[int], Member],
        *,
        seed: int,
        settings: ExecutorSettings,
        members: int,
    ) -> None:
        import ray

        self._cluster, self._seed = cluster, seed
        resources = ray.cluster_resources()
        gpus = settings.gpus if settings.gpus is not None else float(resources.get("GPU", 0) > 0)
        counts = [resources.get("GPU", 0) / gpus] if gpus else []
        counts += [resources.get("CPU", 0) / settings.cpus] if settings.cpus else []
        possible = int(min(counts, default=1))
        self.size = min(settings.workers or max(possible, 1), members)
        if possible < 1:
            raise ConfigError(
                f"the Ray cluster has {resources.get('CPU', 0):g} cores and {resources.get('GPU', 0):g} GPUs; a worker "
                f"asks for {settings.cpus:g} and {gpus:g}; ask for less, or add machines"
            )
        self._actor = ray.remote(num_cpus=settings.cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0)(RayWorker)
        self._threads = settings.threads or 1
        self._recipe = ray.put(ray.cloudpickle.dumps(make_member))
        self._actors: dict[int, Any] = {}
        # What an actor is at: the promise of its answer; for a job, also that of the state afterwards.
        self._answers: dict[Any, tuple[int, Any]] = {}
        self._stored: dict[int, tuple[Any, Any]] = {}  # by the identity of a state: the state, its place in the store

    def start(self, place: int) -> None:
        actor: Any = self._actor.remote(self._threads, sys.path)
        self._actors[place] = actor
        self._answers[actor.prepare.remote(self._recipe, self._seed)] = place, None

    def publish(self, states: Sequence[dict[str, Any]]) -> None:
        """A state that an actor has handed over is in the store already."""
        import ray

        wanted = {id(state): state for state in states}
        for key in self._stored.keys() - wanted.keys():
            del self._stored[key]
        for key, state in wanted.items():
            if key not in self._stored:
                self._stored[key] = state, ray.put(to_array(state))

    def give(self, place: int, job: Job | None) -> None:
        stored = self._stored[id(job.state)][1] if job is not None else None
        bare = replace(job, state={}) if job is not None else None
        answer, state = self._actors[place].do.options(num_returns=2).remote(bare, stored)
        self._answers[answer] = place, state

    def wait(self, seconds: float | None) -> list[Event]:
        import ray

        done, _ = ray.wait(list(self._answers), num_returns=1, timeout=seconds)
        return [event for answer in done if (event := self._heard(answer)) is not None]

    def stop(self, place: int) -> None:
        import ray

        for answer in [answer for answer, (other, _) in self._answers.items() if other == place]:
            del self._answers[answer]
        actor = self._actors.pop(place, None)
        if actor is not None:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(actor, no_restart=True)

    def close(self) -> None:
        for place in list(self._actors):
            self.stop(place)
        self._stored.clear()
        self._cluster.close()

    def _heard(self, answer: Any) -> Event | None:
        import ray

        place, state = self._answers.pop(answer)
        try:
            said = ray.get(answer)
            content = None if state is None else ray.get(state)
        except ray.exceptions.RayTaskError as error:
            # Workers catch what members raise; this is Ray's own business, such as a module that is not there.
            raise SearchError(f"a Ray worker cannot work: {error.cause or error}") from error
        except ray.exceptions.RayError as error:
            self.stop(place)
            return Lost(place, " ".join(str(error).split())[:300])
        if said[0] == "ready":
            return Ready(place)
        if said[0] == "unfit":
            return Unfit(place, *said[1:])
        outcome, trace, spoiled = said
        if content is None:
            return Done(place, replace(outcome, error=RemoteError(trace)), spoiled=spoiled)
        nested = from_array(content)
        self._stored[id(nested)] = nested, state
        return Done(place, replace(outcome, state=nested), spoiled=spoiled)
