"""The executors by name. Those with workers are imported when they are asked for."""

from collections.abc import Callable
from typing import Any

from ada_segment.errors import ConfigError
from ada_segment.population.executors.base import Executor
from ada_segment.population.executors.local import LocalExecutor
from ada_segment.population.executors.settings import ExecutorSettings


def _processes(*arguments: Any, **settings: Any) -> Executor:
    from ada_segment.population.executors.processes import process_pool

    return process_pool(*arguments, **settings)


def _ray(*arguments: Any, **settings: Any) -> Executor:
    from ada_segment.population.executors.ray_cluster import ray_pool

    return ray_pool(*arguments, **settings)


EXECUTORS: dict[str, Callable[..., Executor]] = {"local": LocalExecutor, "processes": _processes, "ray": _ray}


def executor_settings(executor: str | ExecutorSettings, workers: int | None = None) -> ExecutorSettings:
    """The settings that a name stands for, checked.

    Raises:
        ConfigError: the executor is unknown, or a setting would be of no use to it.
    """
    settings = executor if isinstance(executor, ExecutorSettings) else ExecutorSettings(kind=executor, workers=workers)
    if settings.kind not in EXECUTORS:
        raise ConfigError(f"unknown executor {settings.kind!r}; known: {', '.join(EXECUTORS)}")
    if settings is executor and workers is not None and workers != settings.workers:
        raise ConfigError(f"workers = {workers} contradicts the executor's settings; give it there")
    _refuse_useless(settings)
    return settings


def _refuse_useless(settings: ExecutorSettings) -> None:
    kind = settings.kind
    if kind == "local" and settings.workers not in (None, 1):
        raise ConfigError(
            f"workers = {settings.workers} does not go with executor local, which trains one member at a time; "
            "choose processes or ray"
        )
    if kind == "local" and settings.time_limit is not None:
        raise ConfigError(
            "time_limit does not go with executor local, which cannot stop what hangs in its own process; choose "
            "processes, with workers = 1 if one is enough"
        )
    if kind != "processes" and settings.processes_per_member > 1:
        raise ConfigError(
            f"processes_per_member = {settings.processes_per_member} does not go with executor {kind}, where one "
            "process trains a member; choose processes, or leave it out"
        )
    ours = ExecutorSettings()
    useless = ["ray_address", "cpus"] if kind != "ray" else []
    # 0 says the same everywhere: members train on CPUs.
    useless += ["gpus"] if settings.gpus and kind != "ray" else []
    for name in useless:
        if getattr(settings, name) != getattr(ours, name):
            raise ConfigError(
                f"{name} = {getattr(settings, name)} does not go with executor {kind}; choose ray, or leave it out"
            )
