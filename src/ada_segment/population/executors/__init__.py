"""Ways to train the members of a round."""

from collections.abc import Callable

from ada_segment.population.executors.base import Executor
from ada_segment.population.executors.local import LocalExecutor

EXECUTORS: dict[str, Callable[..., Executor]] = {"local": LocalExecutor}
