"""Ways to train the members of a round."""

from ada_segment.population.executors.registry import EXECUTORS
from ada_segment.population.executors.settings import ExecutorSettings

__all__ = ["EXECUTORS", "ExecutorSettings"]
