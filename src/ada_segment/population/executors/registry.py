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
    """The settings that a name stands for, checked. Raises ConfigError."""
    settings = executor if isinstance(executor, ExecutorSettings) else ExecutorSettings(kind=executor, workers=workers)
    if settings.kind not in EXECUTORS:
        raise ConfigError(f"unknown executor {settings.kind!r}; known: {', '.join(EXECUTORS)}")
    if settings is executor and workers is not None and workers != settings.workers:
        raise ConfigError(f"workers = {workers} contradicts the executor's settings; give it there")
    return settings
