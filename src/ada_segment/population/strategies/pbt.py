"""Population based training."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ada_segment.controller.space import BOUND, LogWeights
from ada_segment.errors import ConfigError
from ada_segment.population.seeds import generator
from ada_segment.population.strategies.base import Plan, Strategy, Task, Trial, Verdict, observed_best
from ada_segment.values import above_zero, within


@dataclass(frozen=True, slots=True, kw_only=True)
class PBTSettings:
    """quantile: share of the members that is replaced. factor: a copied weight is multiplied or divided by it."""

    quantile: float = 0.25
    factor: float = 1.2
    bound: float = BOUND

    def __post_init__(self) -> None:
        within(self, 0.0, 0.5, "quantile")
        above_zero(self, "factor", "bound")
        if self.factor >= 2:
            raise ConfigError(
                f"factor = {self.factor} is not usable; it lies below 2, since weights are also multiplied by 2 less it"
            )


class PBT(Strategy):
    """Population based training (Jaderberg et al., arXiv:1711.09846), truncation selection and perturbation.

    After each round the worst quarter (at least one member, of two or more) takes over state and weights of a random
    member of the best quarter, each weight multiplied by 1.2 or 0.8 at random; weights stay within `bound` of the
    defaults, in logarithms. All members start from the defaults, perturbed in the same way. The others keep both, and
    go on from what they were trained under where the search has repeated a round with smaller steps.
    """

    name = "pbt"

    def __init__(self, **settings: Any) -> None:
        self._settings = PBTSettings(**settings)

    def start(self, task: Task) -> None:
        super().start(task)
        self._space = LogWeights(
            task.losses, defaults=task.defaults, groups=task.groups, bound=self._settings.bound, fixed_scale=False
        )
        zero = np.zeros(self._space.size)
        self._x = np.stack([self._perturbed(zero, generator(task.seed, "pbt", k)) for k in range(task.members)])

    def plan(self, round: int) -> Plan:
        return Plan([self._space.to_weights(x) for x in self._x])

    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        for trial in trials:
            # Where the search has repeated the round with smaller steps, what was tried is what goes on.
            if trial.weights != self._space.to_weights(self._x[trial.index]):
                self._x[trial.index] = self._space.from_weights(trial.weights)
        best = observed_best(trials).index
        ranked = [trial.index for trial in sorted(trials, key=lambda trial: -trial.reward)]
        count = min(max(1, math.floor(len(ranked) * self._settings.quantile)), len(ranked) // 2)
        well = set(ranked)
        parents = [k if k in well else best for k in range(self.task.members)]
        for k in ranked[len(ranked) - count :]:
            parents[k] = ranked[int(generator(self.task.seed, "pbt parent", round, k).integers(count))]
        moved = [
            x if parents[k] == k else self._perturbed(self._x[parents[k]], generator(self.task.seed, "pbt", round, k))
            for k, x in enumerate(self._x)
        ]
        self._x = np.stack(moved)
        return Verdict(best=best, parents=tuple(parents))

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def state_dict(self) -> dict[str, Any]:
        return {"x": self._x.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._x = np.array(state["x"]).reshape(self.task.members, self._space.size)

    def _perturbed(self, x: np.ndarray, random: np.random.Generator) -> np.ndarray:
        up = random.random(len(self._space.group_names)) < 0.5
        step = np.where(up, math.log(self._settings.factor), math.log(2.0 - self._settings.factor))
        return self._space.project(x + step[self._space.group_index])
