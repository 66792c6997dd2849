"""Random search over fixed weightings."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ada_segment.controller.space import BOUND, LogWeights
from ada_segment.population.seeds import generator
from ada_segment.population.strategies.base import Plan, Strategy, Task, Trial, Verdict, separate
from ada_segment.values import above_zero


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomWeightsSettings:
    """sigma: standard deviation of a log-weight, before the common scale is taken off. bound: of |log-weight|."""

    sigma: float = 0.5
    bound: float = BOUND

    def __post_init__(self) -> None:
        above_zero(self, "sigma", "bound")


class RandomWeights(Strategy):
    """Each member draws its weights once, keeps them, its own state and its own seed to the end.

    A round that the search repeats with smaller steps is an exception for that round alone.
    """

    name = "random"

    def __init__(self, **settings: Any) -> None:
        self._settings = RandomWeightsSettings(**settings)

    def start(self, task: Task) -> None:
        super().start(task)
        space = LogWeights(task.losses, defaults=task.defaults, groups=task.groups, bound=self._settings.bound)
        draws = [space.draw(generator(task.seed, "random", k)) for k in range(task.members)]
        self._weights = [space.to_weights(space.project(self._settings.sigma * draw)) for draw in draws]

    def plan(self, round: int) -> Plan:
        return Plan([dict(weights) for weights in self._weights])

    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        return separate(trials, self.task.members)

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)
