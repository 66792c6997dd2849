"""The strategy as published, with the log-probability that its public implementation lacks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ada_segment.controller.policy_gradient import PolicyGradientController
from ada_segment.controller.reward_model import are_level
from ada_segment.population.seeds import derive_seed, generator
from ada_segment.population.strategies.base import Plan, Strategy, Task, Trial, Verdict, broadcast, observed_best
from ada_segment.values import above_zero, whole, within


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSettings:
    """sigma: of the drawn ratio weight / default. limit: ratios lie in [1 / limit, limit].

    hidden: units of the controller's hidden layer; 0: no network, one number a loss. Others: of Adam.
    """

    sigma: float = 0.2
    limit: float = 16.0
    hidden: int = 16
    learning_rate: float = 0.05
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        above_zero(self, "sigma", "limit", "learning_rate")
        within(self, 0, 1024, "hidden")
        object.__setattr__(self, "hidden", whole("hidden", self.hidden, least=0))
        within(self, 0, 1, "weight_decay")


class Published(Strategy):
    """Zhang et al. 2021: ratios of member k ~ N(mu, sigma^2); round 0 with the default weights; best broadcast.

    Rewards of round t: r_k = (t/T) [(P_k - mean P) / std P + (P_k - P*_{t-1}) / std P], P* the best P so far. They are
    0, and nothing is learned, where all P are equal or there is one member, which then trains under the mean.
    """

    name = "published"

    def __init__(self, **settings: Any) -> None:
        self._settings = PublishedSettings(**settings)

    def start(self, task: Task) -> None:
        super().start(task)
        self._controller = PolicyGradientController(
            {name: task.defaults[name] for name in task.losses},
            hidden=self._settings.hidden,
            limit=self._settings.limit,
            learning_rate=self._settings.learning_rate,
            weight_decay=self._settings.weight_decay,
            seed=derive_seed(task.seed, "published"),
        )
        self._seen: dict[str, float] | None = None
        self._peak: float | None = None

    def plan(self, round: int) -> Plan:
        ratios = self._draw(round)
        return Plan([self._controller.to_weights(row) for row in ratios], self._notes())

    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        best = observed_best(trials)
        scores = np.array([trial.reward for trial in trials])
        if self._seen is not None and self._peak is not None and not are_level(scores):
            drawn = self._draw(round)
            planned = [self._controller.to_weights(row) for row in drawn]
            # What was drawn, before the limits; but what was tried, where the search took smaller steps.
            ratios = torch.stack(
                [
                    drawn[trial.index] if planned[trial.index] == trial.weights else self._ratios(trial)
                    for trial in trials
                ]
            )
            rewards = published_rewards(scores, peak=self._peak, share=round / self.task.rounds)
            self._controller.step(self._seen, ratios, torch.from_numpy(rewards), sigma=self._settings.sigma)
        if self._seen is None:
            self._controller.calibrate(best.losses)
        self._seen = dict(best.losses)
        self._peak = best.reward if self._peak is None else max(self._peak, best.reward)
        return broadcast(best.index, self.task.members)

    @property
    def controller(self) -> PolicyGradientController:
        return self._controller

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def state_dict(self) -> dict[str, Any]:
        return {"controller": self._controller.state_dict(), "seen": self._seen, "peak": self._peak}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._controller = PolicyGradientController.from_state(state["controller"])
        self._seen, self._peak = state["seen"], state["peak"]

    def _mean(self) -> Tensor:
        if self._seen is None:
            return torch.ones(len(self._controller.names), dtype=torch.float64)
        with torch.no_grad():
            return self._controller.means(self._seen)

    def _draw(self, round: int) -> Tensor:
        mean = self._mean()
        sigma = 0.0 if self._seen is None or self.task.members == 1 else self._settings.sigma
        noise = generator(self.task.seed, "published", round).standard_normal((self.task.members, len(mean)))
        return mean + sigma * torch.from_numpy(noise)

    def _ratios(self, trial: Trial) -> Tensor:
        ratios = [trial.weights[name] / self.task.defaults[name] for name in self._controller.names]
        return torch.tensor(ratios, dtype=torch.float64)

    def _notes(self) -> dict[str, Any]:
        return {"mean": self._controller.to_weights(self._mean()), "sigma": self._settings.sigma}


def published_rewards(scores: np.ndarray, *, peak: float, share: float) -> np.ndarray:
    """The published rewards [K] from PQ [K], the best PQ before, and t/T; 0 where the scores do not differ."""
    if are_level(scores):
        return np.zeros_like(scores)
    rewards: np.ndarray = share * ((scores - scores.mean()) + (scores - peak)) / scores.std()
    return rewards
