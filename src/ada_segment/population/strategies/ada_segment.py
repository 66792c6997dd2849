"""The project's own strategy: a controller that learns from all rounds, asked by antithetic members."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ada_segment.controller.bayesian import BayesianController, BayesianSettings, exploration_scale
from ada_segment.controller.space import BOUND, LogWeights, Vector
from ada_segment.population.seeds import generator
from ada_segment.population.strategies.base import Plan, Strategy, Task, Trial, Verdict, broadcast
from ada_segment.population.strategies.checks import above_zero, within


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaSegmentSettings:
    """The points of the method, each of which can be switched off.

    Attributes:
        fixed_scale: point 1, the geometric mean of weight / default is 1.
        start_at_defaults: point 2; if not, the search starts at log-weights drawn with `first_step`.
        common_seed: point 3, the members of a round share their seed.
        antithetic: point 4, members in pairs on either side of the mean; if not, each is drawn on its own.
        mean_member: point 4, one member (of three or more) trains under the mean itself.
        memory: point 6, number of rounds learned from; None: all.
        tied: point 7, losses of a group share their weight; if not, each loss is a group of its own.
        use_state: point 8, the optimum may depend on the learning dynamics.
        first_step, last_step: standard deviation of a member's log-weights around the mean, first and last round.
        trust: how much of what a reward exceeds its prediction is taken as the member's own, when the member to
            broadcast is chosen; 0: the best predicted, 1: the best observed.
        bound: of |log-weight|.
    """

    fixed_scale: bool = True
    start_at_defaults: bool = True
    common_seed: bool = True
    antithetic: bool = True
    mean_member: bool = True
    memory: int | None = None
    tied: bool = True
    use_state: bool = True
    first_step: float = 0.5
    last_step: float = 0.15
    trust: float = 0.25
    bound: float = BOUND

    def __post_init__(self) -> None:
        above_zero(self, "first_step", "last_step", "bound")
        within(self, 0.0, 1.0, "trust")
        if self.memory is not None:
            within(self, 1, float("inf"), "memory")


class AdaSegment(Strategy):
    """Members around the optimum that the controller expects; the controller learns from the differences within rounds.

    With one member there are no differences: it trains under the mean, and nothing is learned.
    """

    name = "ada-segment"

    def __init__(self, **settings: Any) -> None:
        self._settings = AdaSegmentSettings(**settings)
        self.common_seed = self._settings.common_seed

    def start(self, task: Task) -> None:
        super().start(task)
        settings = self._settings
        self._space = LogWeights(
            task.losses,
            defaults=task.defaults,
            groups=task.groups if settings.tied else {name: name for name in task.losses},
            bound=settings.bound,
            fixed_scale=settings.fixed_scale,
        )
        origin = np.zeros(self._space.size)
        if not settings.start_at_defaults:
            origin = settings.first_step * self._space.draw(generator(task.seed, "origin"))
        beliefs = BayesianSettings(
            use_state=settings.use_state,
            memory=settings.memory,
            bound=settings.bound,
            fixed_scale=settings.fixed_scale,
        )
        self._controller = BayesianController(self._space, settings=beliefs, origin=self._space.project(origin))
        self._history: list[dict[str, float]] = []

    def plan(self, round: int) -> Plan:
        mean = self._controller.optimum(self._state(round))
        step = self._step(round)
        x = mean + step * self._directions(round)
        weights = [self._space.to_weights(self._space.project(row)) for row in x]
        return Plan(weights, {"mean": self._space.to_weights(mean), "step": step})

    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        state = self._state(round)
        x = np.stack([self._space.from_weights(trial.weights) for trial in trials])
        rewards = np.array([trial.reward for trial in trials])
        self._controller.learn(state, x, rewards)
        predicted = self._controller.predict(state, x)
        predicted += rewards.mean() - predicted.mean()
        scores = predicted + self._settings.trust * (rewards - predicted)
        best = trials[int(np.argmax(scores))]
        self._history.append(dict(best.losses))
        by_index: list[float | None] = [None] * self.task.members
        for trial, value in zip(trials, predicted.tolist(), strict=True):
            by_index[trial.index] = value
        notes = {"predicted": by_index, "noise": self._controller.noise}
        return broadcast(best.index, self.task.members, notes)

    @property
    def controller(self) -> BayesianController:
        return self._controller

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def state_dict(self) -> dict[str, Any]:
        return {"controller": self._controller.state_dict(), "history": self._history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._controller = BayesianController.from_state(state["controller"])
        self._history = [dict(losses) for losses in state["history"]]

    def _state(self, round: int) -> Vector:
        return self._controller.state(self._history, round=round, rounds=self.task.rounds)

    def _step(self, round: int) -> float:
        share = round / max(self.task.rounds - 1, 1)
        return exploration_scale(self._settings.first_step, self._settings.last_step, share)

    def _directions(self, round: int) -> Vector:
        """[K, n] around 0: the mean itself first, then antithetic pairs, then one alone if K asks for it."""
        members = self.task.members
        if members == 1:
            return np.zeros((1, self._space.size))
        draws = self._space.draw(generator(self.task.seed, "ada-segment", round), (members,))
        if self._settings.antithetic:
            first = 1 if self._settings.mean_member and members > 2 else 0
            draws[first + 1 :: 2] = -draws[first : members - 1 : 2]
        if self._settings.mean_member and members > 2:
            draws[0] = 0.0
        return draws
