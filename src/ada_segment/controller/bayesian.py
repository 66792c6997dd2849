"""The project's own controller: the weights of the highest reward that a Bayesian model of all rounds expects.

The mathematics is in docs/controller.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np

from ada_segment.controller.base import Controller
from ada_segment.controller.dynamics import FEATURES, dynamics
from ada_segment.controller.reward_model import BayesianSettings, RewardModel, Round
from ada_segment.controller.space import LogWeights, Vector
from ada_segment.errors import LossError


class BayesianController(Controller):
    """Where the reward is expected to be highest, given the state of the training.

    Args:
        space: the losses it answers for.
        settings: beliefs.
        origin: [n], the log-weights around which the optimum is believed to lie; 0, the defaults, when not given.
        before: a controller that has learned elsewhere: what its rounds teach under `settings` is believed at first.

    Raises:
        LossError: `before` has learned about other groups alone.
    """

    kind: ClassVar[str] = "bayesian"

    def __init__(
        self,
        space: LogWeights,
        *,
        settings: BayesianSettings,
        origin: Vector | None = None,
        before: Self | None = None,
    ) -> None:
        self.losses = space.losses
        self.settings = settings
        self._space = space
        self._origin = np.zeros(space.size) if origin is None else origin
        self._before = before if before is None or before.settings == settings else before.under(settings)
        elsewhere = None if self._before is None else self._before._model
        if elsewhere is not None and not set(elsewhere.space.group_names) & set(space.group_names):
            known, here = (", ".join(layout.group_names) for layout in (elsewhere.space, space))
            raise LossError(f"the controller knows the groups {known}, and there are only {here}")
        self._model: RewardModel = RewardModel(space, settings=settings, origin=self._origin, before=elsewhere)

    # -- learning ------------------------------------------------------------------------------------------------------

    def learn(self, state: Vector, x: Vector, rewards: Vector, *, after: float = 1.0) -> None:
        """Learn from a round: state [n, F] before it, log-weights [K, n] tried, rewards [K].

        Args:
            after: how many rounds later than the one learned before it.
        """
        self._model.learn(Round(state, x, rewards, after))

    def state(self, history: Sequence[Mapping[str, float]], *, round: int, rounds: int) -> Vector:
        """The dynamics [n, F] of a training, see `dynamics`; zeros when the state is not used."""
        state = dynamics(history, self._space, round=round, rounds=rounds)
        return state if self.settings.use_state else np.zeros_like(state)

    # -- answering -----------------------------------------------------------------------------------------------------

    def predict(self, state: Vector, x: Vector) -> Vector:
        """Expected rewards [K] of log-weights [K, n] of the losses learned from, up to a constant a round."""
        return self._model.predict(state, x)

    def space(self, *, round: int, rounds: int) -> LogWeights:
        """The coordinates of round `round`: tied, or free once the time for it has come."""
        free = self.settings.untie_at < 1 and round >= self.settings.untie_at * rounds
        return self._space.untied() if free else self._space

    def optimum(self, state: Vector, space: LogWeights | None = None) -> Vector:
        """The log-weights [n] of the highest expected reward, within the bounds and ties of `space`."""
        space = space or self._space
        if space.frozen:
            return np.zeros(space.size)
        slope, curvature = self._model.quadratic(state, self._space)
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

    def doubt(self, state: Vector, space: LogWeights | None = None) -> dict[str, float]:
        """Posterior standard deviation of the optimal log-weight of each loss learned from, ties of `space` held.

        Curvature counts as equal between losses here; its own uncertainty is left out, and so are the bounds.
        """
        space = space or self._space
        if space.frozen:
            return dict.fromkeys(space.names, 0.0)
        index = space.group_index
        directions = (index[:, None] == index[None, :]) / np.bincount(index)[index]
        if space.fixed_scale:
            directions = directions - directions.mean(0)
        return dict(zip(space.names, self._model.deviations(state, directions).tolist(), strict=True))

    def weights(self, history: Sequence[Mapping[str, float]], *, round: int, rounds: int) -> dict[str, float]:
        state = self.state(history, round=round, rounds=rounds)
        return self._space.to_weights(self.optimum(state, self.space(round=round, rounds=rounds)))

    @property
    def noise(self) -> float:
        """Estimated standard deviation of a reward that its weights do not explain."""
        return self._model.noise

    # -- keeping -------------------------------------------------------------------------------------------------------

    def rebound(self, losses: Sequence[str], defaults: Mapping[str, float], groups: Mapping[str, str]) -> Self:
        known = set(self._model.space.group_names)
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
            "rounds_learned": len(self._model.rounds),
            "rounds_learned_before": self._before.about()["rounds_learned"] if self._before else 0,
        }

    def state_dict(self) -> dict[str, Any]:
        learned, served = (
            {"losses": list(space.losses), "defaults": dict(space.defaults), "groups": dict(space.groups)}
            for space in (self._model.space, self._space)
        )
        return {
            "settings": asdict(self.settings),
            "learned": learned,
            "served": served,
            "origin": self._model.origin.tolist(),
            "before": self._before.state_dict() if self._before else None,
            "rounds": [
                {
                    "state": round.state.tolist(),
                    "x": round.x.tolist(),
                    "rewards": round.rewards.tolist(),
                    "after": round.after,
                }
                for round in self._model.rounds
            ],
        }

    def under(self, settings: BayesianSettings) -> Self:
        """One that has learned the same rounds with other beliefs."""
        return self.from_state({**self.state_dict(), "settings": asdict(settings)})

    @classmethod
    def pooled(cls, controllers: Sequence[Self]) -> Self:
        """One controller that has learned from the rounds of several: what one search finds is partly luck.

        Rounds are taken by their share of their search, so that what drifts, drifts with the training.

        Raises:
            LossError: they have learned about other losses, or with other beliefs.
        """
        states = [controller.state_dict() for controller in controllers]
        for key in ("learned", "settings", "origin", "before"):
            if any(_in_order(state[key]) != _in_order(states[0][key]) for state in states):
                what = "other losses, defaults or groups" if key == "learned" else "other settings"
                raise LossError(f"controllers that have learned with {what} cannot be put together")
        rounds = [
            (index / len(state["rounds"]), {**round, "after": round["after"] / len(states)})
            for state in states
            for index, round in enumerate(state["rounds"])
        ]
        rounds.sort(key=lambda pair: pair[0])  # keeps the order of the controllers within a share
        served = states[0]["learned"]
        return cls.from_state({**states[0], "served": served, "rounds": [round for _, round in rounds]})

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        stored: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in state["settings"].items()
        }
        settings = BayesianSettings(**stored)
        space = cls._layout(**state["learned"], settings=settings)
        before = cls.from_state(state["before"]) if state.get("before") else None
        controller = cls(space, settings=settings, origin=np.array(state["origin"]), before=before)
        for round in state["rounds"]:
            x = np.array(round["x"]).reshape(-1, space.size)
            table = np.array(round["state"]).reshape(space.size, len(FEATURES))
            controller.learn(table, x, np.array(round["rewards"]), after=round.get("after", 1.0))
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
        learned = self._model.space
        origin = learned.group_means(self._model.origin)
        self._origin = origin[[learned.group_names.index(space.groups[name]) for name in space.names]]


def _in_order(part: Any) -> Any:
    """Part of a state without the order of its losses, which are learned about by name."""
    return {**part, "losses": sorted(part["losses"])} if isinstance(part, dict) and "losses" in part else part
