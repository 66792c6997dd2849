"""The project's own strategy: a controller that learns from all rounds, asked by members around its mean."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ada_segment.controller.bayesian import BayesianController
from ada_segment.controller.exploration import directions, step_size
from ada_segment.controller.luck import level_and_surpluses, persistence
from ada_segment.controller.reward_model import BayesianSettings
from ada_segment.controller.space import BOUND, LogWeights, Vector
from ada_segment.controller.stored import FILE_NAME, SHIPPED, load_controller, named
from ada_segment.errors import ConfigError, LossError, RunError
from ada_segment.population.seeds import generator
from ada_segment.population.strategies.base import Plan, Strategy, Task, Trial, Verdict, broadcast
from ada_segment.values import above_zero, switches, whole, within

# What is kept, from round to round, of the slowness that failures have taught.
CAUTION = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaSegmentSettings:
    """The points of the method, each of which can be switched off; defaults are what did best in docs/controller.md.

    Attributes:
        fixed_scale: point 1, the geometric mean of weight / default is 1.
        start_at_defaults: point 2; if not, the search starts at log-weights drawn with `first_step`.
        common_seed: point 3, the members of a round share their seed.
        antithetic: point 4, members in pairs on either side of the mean; if not, each asks in a direction of its own,
            which teaches more: the model knows of curvature, so no mirror is needed to take it off.
        mean_member: point 4, one member trains under the mean itself.
        memory: point 6, number of rounds learned from; None: all.
        tied: point 7, losses of a group share their weight / default at first; if not, each is a group of its own.
        untie_at: point 7, share of the schedule from which tied losses are free after all; 1: never.
        use_state: point 8, the optimum may depend on the learning dynamics.
        first_step, last_step: standard deviation of a member's log-weights around the mean, first and last round.
        trust: how much of what a reward exceeds its prediction is taken as the member's own, when the member to
            broadcast is chosen; 0: the best predicted, 1: the best observed, None: as `persistence` finds it.
        spread: how far from the defaults the best weights are believed to lie before any reward: standard deviation of
            a log-weight.
        bound: of |log-weight|.
        learned: a run folder or a stored controller, or several, in a list or with commas between them, or scenes, the
            controller that comes with the package: what they have learned is where this search begins.
    """

    fixed_scale: bool = True
    start_at_defaults: bool = True
    common_seed: bool = True
    antithetic: bool = False
    mean_member: bool = True
    memory: int | None = None
    tied: bool = True
    untie_at: float = 0.5
    use_state: bool = True
    first_step: float = 1.0
    last_step: float = 0.6
    trust: float | None = None
    spread: float = 0.5
    bound: float = BOUND
    learned: str | None = None

    def __post_init__(self) -> None:
        above_zero(self, "first_step", "last_step", "spread", "bound")
        if self.trust is not None:
            within(self, 0.0, 1.0, "trust")
        within(self, 0.0, 1.0, "untie_at")
        if self.memory is not None:
            object.__setattr__(self, "memory", whole("memory", self.memory, least=1))
        switches(
            self, "fixed_scale", "start_at_defaults", "common_seed", "antithetic", "mean_member", "tied", "use_state"
        )


class AdaSegment(Strategy):
    """Members around the optimum that the controller expects; the controller learns from the differences within rounds.

    With one member there are no differences: it trains under the mean, and nothing is learned.
    """

    name = "ada-segment"

    def __init__(self, **settings: Any) -> None:
        self._settings = AdaSegmentSettings(**{**settings, "learned": _named(settings.get("learned"))})
        self.common_seed = self._settings.common_seed

    def start(self, task: Task) -> None:
        self._begin(task, _stored(self._settings.learned))

    def resume(self, task: Task, state: dict[str, Any]) -> None:
        # What was learned elsewhere is part of the state: where it came from need not be there any more.
        self._begin(task, None)
        self.load_state_dict(state)

    def _begin(self, task: Task, before: BayesianController | None) -> None:
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
            untie_at=settings.untie_at,
            memory=settings.memory,
            spread=settings.spread,
            bound=settings.bound,
            fixed_scale=settings.fixed_scale,
        )
        try:
            self._controller = BayesianController(
                self._space, settings=beliefs, origin=self._space.project(origin), before=before
            )
        except LossError as error:
            raise ConfigError(f"learned = {settings.learned}: {error}") from None
        self._history: list[dict[str, float]] = []
        self._last = self._space.project(origin)
        self._failed = 0.0
        self._levels: list[float] = []
        self._surpluses: list[float] = []

    def plan(self, round: int) -> Plan:
        space = self._controller.space(round=round, rounds=self.task.rounds)
        state = self._state(round)
        mean = self._controller.optimum(state, space)
        # Where members failed, the way to the optimum may lead through weights that do not train: go slower.
        mean = space.project(mean + self._failed * (self._last - mean))
        step = (1 - self._failed) * step_size(
            self._settings.first_step, self._settings.last_step, round / max(self.task.rounds - 1, 1)
        )
        around = directions(
            space,
            generator(self.task.seed, "ada-segment", round),
            self.task.members,
            antithetic=self._settings.antithetic,
            mean_member=self._settings.mean_member,
        )
        weights = [space.to_weights(space.project(mean + step * row)) for row in around]
        notes = {"mean": space.to_weights(mean), "step": step, "doubt": self._controller.doubt(state, space)}
        return Plan(weights, notes)

    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        state = self._state(round)
        x = np.stack([self._space.from_weights(trial.weights) for trial in trials])
        rewards = np.array([trial.reward for trial in trials])
        self._controller.learn(state, x, rewards)
        predicted = self._controller.predict(state, x)
        level, surpluses = level_and_surpluses(rewards - predicted, self._controller.noise)
        trust = self._trust()
        place = int(np.argmax(predicted + trust * surpluses))
        best = trials[place]

        self._levels.append(level)
        self._surpluses.append(float(surpluses[place]))
        self._history.append(dict(best.losses))
        self._last = x[place]
        self._failed = max(1 - len(trials) / self.task.members, CAUTION * self._failed)
        by_index: list[float | None] = [None] * self.task.members
        for trial, value in zip(trials, (predicted + level).tolist(), strict=True):
            by_index[trial.index] = value
        notes = {"predicted": by_index, "noise": self._controller.noise, "trust": trust}
        return broadcast(best.index, self.task.members, notes)

    @property
    def controller(self) -> BayesianController:
        return self._controller

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def state_dict(self) -> dict[str, Any]:
        return {
            "controller": self._controller.state_dict(),
            "history": self._history,
            "last": self._last.tolist(),
            "failed": self._failed,
            "levels": self._levels,
            "surpluses": self._surpluses,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._controller = BayesianController.from_state(state["controller"])
        self._history = [dict(losses) for losses in state["history"]]
        self._last = np.array(state["last"])
        self._failed = float(state["failed"])
        self._levels = list(state["levels"])
        self._surpluses = list(state["surpluses"])

    def _state(self, round: int) -> Vector:
        return self._controller.state(self._history, round=round, rounds=self.task.rounds)

    def _trust(self) -> float:
        if self._settings.trust is not None:
            return self._settings.trust
        return persistence(np.array(self._levels), np.array(self._surpluses))


def _named(learned: object) -> str | None:
    """What the setting `learned` names as text, which can be written down: paths with commas between them.

    Raises:
        ConfigError: it is neither a path nor a list of paths.
    """
    if learned is None or isinstance(learned, str):
        return learned
    paths = [learned] if isinstance(learned, os.PathLike) else learned
    if not isinstance(paths, Sequence) or not all(isinstance(path, str | os.PathLike) for path in paths):
        raise ConfigError(f"learned = {learned!r} is not usable; name a run folder or a controller, or a list of them")
    return ",".join(map(os.fspath, paths))


def _stored(names: str | None) -> BayesianController | None:
    """The controller that the setting `learned` names.

    Raises:
        ConfigError: it is of another kind.
        RunError: as from `load_controller`.
    """
    if names is None:
        return None
    sources = named(names) or (names,)
    for source in sources:
        if source not in SHIPPED and Path(source).is_dir() and not (Path(source) / FILE_NAME).exists():
            raise RunError(
                f"learned = {names}: {source} has learned no controller; name a run of `ada-segment search`, or "
                f"{', '.join(SHIPPED)}"
            )
    controller = load_controller(*sources)
    if not isinstance(controller, BayesianController):
        raise ConfigError(f"learned = {names}: a search can begin with what ada-segment has learned only")
    return controller
