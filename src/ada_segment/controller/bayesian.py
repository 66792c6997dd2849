"""A Bayesian linear-quadratic model of the reward over log-weights and learning dynamics, from all rounds.

The mathematics is in docs/controller.md.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ada_segment.controller.base import Controller
from ada_segment.controller.dynamics import FEATURES, dynamics
from ada_segment.controller.filter_bank import FilterBank
from ada_segment.controller.space import BOUND, LogWeights, Vector
from ada_segment.errors import LossError


@dataclass(frozen=True, slots=True, kw_only=True)
class BayesianSettings:
    """What is believed of a reward before any was seen. Lists are grids; their entries are weighed by evidence.

    Attributes:
        kappa: curvature of the reward over the noise of one reward.
        spread: standard deviation of an optimal log-weight.
        walk: standard deviation that it moves in a round.
        unequal: relative standard deviation of the curvature between losses.
        steer: standard deviation of what one unit of a dynamics feature moves the optimum; 0: the state is not used.
        use_state: whether the optimum may depend on the learning dynamics (point 8).
        untie_at: share of the schedule from which the losses of a group are free (point 7); 1: never.
        own: standard deviation of an optimal log-weight around that of its group, once free; relative to `spread`.
        memory: how many rounds are learned from, the last ones; None: all (point 6).
        clip: surpluses of a reward over its prediction beyond so many (robust) standard deviations are drawn in.
        bound: of |log-weight|.
        fixed_scale: whether the mean of the log-weights is held at 0 (point 1).
    """

    kappa: tuple[float, ...] = (0.015, 0.04, 0.1, 0.25, 0.6, 1.5, 4.0, 10.0)
    spread: float = 0.5
    walk: tuple[float, ...] = (0.0, 0.1, 0.25)
    unequal: tuple[float, ...] = (0.0, 0.7)
    steer: tuple[float, ...] = (0.0, 0.5)
    use_state: bool = True
    untie_at: float = 0.5
    own: float = 0.5
    memory: int | None = None
    clip: float = 2.5
    bound: float = BOUND
    fixed_scale: bool = True


@dataclass(frozen=True, slots=True)
class Round:
    """What one round taught: the state before it [n, F], log-weights [K, n], rewards [K]."""

    state: Vector
    x: Vector
    rewards: Vector


class BayesianController(Controller):
    """Where the reward is expected to be highest, given the state of the training.

    Args:
        space: the losses it answers for.
        settings: beliefs.
        origin: [n], the log-weights around which the optimum is believed to lie; 0, the defaults, when not given.
    """

    kind: ClassVar[str] = "bayesian"

    def __init__(self, space: LogWeights, *, settings: BayesianSettings, origin: Vector | None = None) -> None:
        self.losses = space.losses
        self.settings = settings
        self._learned = self._space = space
        self._learned_origin = self._origin = np.zeros(space.size) if origin is None else origin
        self._rounds: list[Round] = []
        self._restart()

    # -- learning ------------------------------------------------------------------------------------------------------

    def learn(self, state: Vector, x: Vector, rewards: Vector) -> None:
        """Learn from a round: state [n, F] before it, log-weights [K, n] tried, rewards [K]."""
        self._rounds.append(Round(state, x, rewards))
        memory = self.settings.memory
        if memory is not None and len(self._rounds) > memory:
            self._rounds = self._rounds[-memory:]
            self._restart()
        else:
            self._absorb(self._rounds[-1])

    def state(self, history: Sequence[Mapping[str, float]], *, round: int, rounds: int) -> Vector:
        """The dynamics [n, F] of a training, see `dynamics`; zeros when the state is not used."""
        state = dynamics(history, self._space, round=round, rounds=rounds)
        return state if self.settings.use_state else np.zeros_like(state)

    # -- answering -----------------------------------------------------------------------------------------------------

    def predict(self, state: Vector, x: Vector) -> Vector:
        """Expected rewards [K] of log-weights [K, n], up to a constant a round."""
        slope, curvature = self._quadratic(state)
        x = x - self._origin
        predicted: Vector = x @ slope - (x * x) @ curvature
        return predicted

    def space(self, *, round: int, rounds: int) -> LogWeights:
        """The coordinates of round `round`: tied, or free once the time for it has come."""
        free = self.settings.untie_at < 1 and round >= self.settings.untie_at * rounds
        return self._space.untied() if free else self._space

    def optimum(self, state: Vector, space: LogWeights | None = None) -> Vector:
        """The log-weights [n] of the highest expected reward, within the bounds and ties of `space`."""
        space = space or self._space
        if space.frozen:
            return np.zeros(space.size)
        slope, curvature = self._quadratic(state)
        if not curvature.any():
            return space.project(self._origin)
        # Means over groups, since the coordinates of a group move together.
        slope, curvature = space.group_means(slope), space.group_means(curvature)
        counts = np.bincount(space.group_index)
        # Maximise sum_g counts_g (slope_g z_g - curvature_g z_g^2) with sum_g counts_g z_g = 0.
        shift = 0.0
        if space.fixed_scale:
            shift = float((counts * slope / curvature).sum() / (counts / curvature).sum())
        z = (slope - shift) / (2 * curvature)
        return space.project(self._origin + z[space.group_index])

    def weights(self, history: Sequence[Mapping[str, float]], *, round: int, rounds: int) -> dict[str, float]:
        state = self.state(history, round=round, rounds=rounds)
        return self._space.to_weights(self.optimum(state, self.space(round=round, rounds=rounds)))

    @property
    def noise(self) -> float:
        """Estimated standard deviation of a reward that its weights do not explain."""
        return self._coefficients.noise

    # -- keeping -------------------------------------------------------------------------------------------------------

    def rebound(self, losses: Sequence[str], defaults: Mapping[str, float], groups: Mapping[str, str]) -> Self:
        known = set(self._learned.group_names)
        if unknown := sorted(name for name in losses if defaults[name] > 0 and groups[name] not in known):
            raise LossError(
                f"the controller has learned nothing about {', '.join(unknown)}: it knows the groups "
                f"{', '.join(sorted(known))}; give these losses one of them in `groups`, or search anew"
            )
        controller = self.from_state(self.state_dict())
        controller._serve(self._layout(losses, defaults=defaults, groups=groups, settings=self.settings))
        return controller

    def about(self) -> dict[str, Any]:
        space = self._space
        return {
            "losses": list(space.losses),
            "defaults": dict(space.defaults),
            "groups": dict(space.groups),
            "settings": asdict(self.settings),
            "features": list(FEATURES),
            "rounds_learned": len(self._rounds),
        }

    def state_dict(self) -> dict[str, Any]:
        learned, served = (
            {"losses": list(space.losses), "defaults": dict(space.defaults), "groups": dict(space.groups)}
            for space in (self._learned, self._space)
        )
        return {
            "settings": asdict(self.settings),
            "learned": learned,
            "served": served,
            "origin": self._learned_origin.tolist(),
            "rounds": [
                {"state": round.state.tolist(), "x": round.x.tolist(), "rewards": round.rewards.tolist()}
                for round in self._rounds
            ],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        settings = BayesianSettings(**state["settings"])
        space = cls._layout(**state["learned"], settings=settings)
        controller = cls(space, settings=settings, origin=np.array(state["origin"]))
        for round in state["rounds"]:
            x = np.array(round["x"]).reshape(-1, space.size)
            table = np.array(round["state"]).reshape(space.size, len(FEATURES))
            controller.learn(table, x, np.array(round["rewards"]))
        if state["served"] != state["learned"]:
            controller._serve(cls._layout(**state["served"], settings=settings))
        return controller

    @staticmethod
    def _layout(
        losses: Sequence[str], *, defaults: Mapping[str, float], groups: Mapping[str, str], settings: BayesianSettings
    ) -> LogWeights:
        return LogWeights(
            losses, defaults=defaults, groups=groups, bound=settings.bound, fixed_scale=settings.fixed_scale
        )

    def _serve(self, space: LogWeights) -> None:
        """Answer for the losses of `space` from now on, whose groups are known."""
        self._space = space
        self.losses = space.losses
        # The origin is known by group, as is nearly all that was learned.
        origin = self._learned.group_means(self._learned_origin)
        self._origin = origin[[self._learned.group_names.index(space.groups[name]) for name in space.names]]

    # -- the model -----------------------------------------------------------------------------------------------------

    def _restart(self) -> None:
        settings, groups = self.settings, len(self._learned.group_names)
        steer = settings.steer if settings.use_state else (0.0,)
        grid = np.array(list(itertools.product(settings.kappa, settings.walk, settings.unequal, steer)))
        kappa, walk, unequal, steer_sd = grid.T
        ones = np.ones(len(grid))
        # Of each block of coefficients: how many, what multiplies their features, prior variance, variance of the walk.
        own, losses = settings.own, self._learned.size if self._loosens else 0
        sizes = (groups, len(FEATURES) - 1, groups * len(FEATURES), groups, losses)
        scales = (2 * kappa, 2 * kappa, 2 * kappa, kappa, 2 * kappa)
        priors = (
            settings.spread**2 * ones,
            steer_sd**2,
            (steer_sd / 2) ** 2,
            unequal**2,
            (own * settings.spread) ** 2 * ones,
        )
        walks = (walk**2, 0 * ones, 0 * ones, 0 * ones, (own * walk) ** 2)
        scale, prior, moved = (np.repeat(np.stack(block, 1), sizes, axis=1) for block in (scales, priors, walks))
        self._bank = FilterBank(kappa=kappa, scale=scale, prior=prior, walk=moved)
        self._coefficients = self._bank.coefficients()
        self._surpluses: list[float] = []
        for round in self._rounds:
            self._absorb(round)

    @property
    def _loosens(self) -> bool:
        """Whether there are ties, and a time at which they end."""
        return self.settings.untie_at < 1 and len(self._learned.group_names) < self._learned.size

    def _absorb(self, round: Round) -> None:
        self._bank.advance()
        x = round.x - self._origin
        rewards = self._drawn_in(round)
        self._bank.update(self._features(round.state, x), -(x * x).sum(-1), rewards)
        self._coefficients = self._bank.coefficients()

    def _drawn_in(self, round: Round) -> Vector:
        """The rewards, those that no prediction explains drawn in (Huber): one wild reward must not decide."""
        predicted = self.predict(round.state, round.x)
        surplus = round.rewards - predicted
        surplus = surplus - np.median(surplus)
        self._surpluses.extend(np.abs(surplus).tolist())
        limit = self.settings.clip * 1.4826 * float(np.median(self._surpluses))
        return round.rewards if limit == 0 else predicted + np.clip(surplus, -limit, limit)

    def _features(self, state: Vector, x: Vector) -> Vector:
        """[K, d]: what multiplies b [groups], beta [F - 1], B [groups, F], delta [groups], u [n, where used]."""
        index, count = self._learned.group_index, len(self._learned.group_names)
        member = np.zeros((len(index), count))
        member[np.arange(len(index)), index] = 1.0
        by_state = np.einsum("ki,if,ig->kgf", x, state, member)
        parts = [x @ member, by_state.sum(1)[:, :-1], by_state.reshape(len(x), -1), -(x * x) @ member]
        if self._loosens:
            parts.append(x)
        return np.concatenate(parts, axis=1)

    def _quadratic(self, state: Vector) -> tuple[Vector, Vector]:
        """slope [n] and curvature [n] of the expected reward sum_i slope_i x_i - curvature_i x_i^2."""
        groups, features = len(self._learned.group_names), len(FEATURES)
        sizes = np.cumsum([groups, features - 1, groups * features, groups])
        level, common, steered, curved, own = np.split(self._coefficients.mean, sizes)
        steered = steered.reshape(groups, features)
        index = np.array([self._learned.group_names.index(self._space.groups[name]) for name in self._space.names])
        if not len(index):
            return np.zeros(0), np.zeros(0)
        slope = level[index] + state[:, :-1] @ common + (state * steered[index]).sum(-1)
        if len(own):
            known = dict(zip(self._learned.names, own, strict=True))
            slope = slope + np.array([known.get(name, 0.0) for name in self._space.names])
        # A loss may look flat or even bent upwards by chance; the bound would then decide alone.
        curvature = np.maximum(self._coefficients.base + curved[index], self._coefficients.base / 4)
        return slope, curvature
