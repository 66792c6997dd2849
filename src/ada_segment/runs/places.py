"""Where a run's members are trained, from its settings."""

import torch

from ada_segment.config import SearchSettings, Settings
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
    for key in ("ray_address", "ray_cpus", "ray_gpus"):
        if search.executor != "ray" and (value := getattr(search, key)) != getattr(SearchSettings, key):
            raise ConfigError(
                f"search.{key} = {value} does not go with search.executor = {search.executor}; choose ray, or leave it "
                "out"
            )
    # Not where the accelerator is found out: a machine of the cluster may have another one than this one.
    gpus, cpus_only = search.ray_gpus, search.executor != LOCAL and settings.training.accelerator == "cpu"
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
            gpus=0 if gpus is None and cpus_only else gpus,
        )
    )
    if place.kind == "ray" and devices > 1:
        raise ConfigError(
            f"training.devices = {devices} does not go with search.executor = ray, which gives each member one "
            "process; choose processes, or one device"
        )
    return place
