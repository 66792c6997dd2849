"""Where a run's members are trained, from its settings."""

import torch

from ada_segment.config import Settings
from ada_segment.errors import ConfigError
from ada_segment.population.executors.registry import executor_settings
from ada_segment.population.executors.settings import ExecutorSettings

LOCAL = ExecutorSettings().kind


def place_of(settings: Settings) -> ExecutorSettings:
    """The executor that a run's settings ask for. Raises ConfigError when they contradict each other."""
    search, devices = settings.search, settings.training.devices
    on_cpu = settings.training.accelerator == "cpu" or (
        settings.training.accelerator == "auto" and not torch.cuda.is_available()
    )
    place = executor_settings(
        ExecutorSettings(
            kind=search.executor,
            workers=search.workers,
            # One by default wherever members train on a CPU, so that all executors give the same numbers.
            threads=search.threads or (1 if on_cpu else None),
            time_limit=search.time_limit,
            restarts=search.restarts,
            processes_per_member=devices if search.executor == "processes" else 1,
            ray_address=search.ray_address,
            cpus=search.ray_cpus,
            gpus=search.ray_gpus,
        )
    )
    if place.kind == "ray" and devices > 1:
        raise ConfigError(
            f"training.devices = {devices} does not go with search.executor = ray, which gives each member one "
            "process; choose processes, or one device"
        )
    return place
