"""The reward of log-weights in a state of the training, as far as it is known: a Bayesian linear-quadratic model.

The mathematics is in docs/controller.md.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ada_segment.controller.dynamics import FEATURES
from ada_segment.controller.filter_bank import Beliefs, Coefficients, FilterBank
from ada_segment.controller.space import BOUND, LogWeights, Vector

ELSEWHERE = 0.3
"""Standard deviation between the optimal log-weights of one training and those of another, of other data or model."""
ELSEWHERE_OPEN = 0.1
"""How probable it is that nothing is known there of which filter is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BayesianSettings:
    """What is believed of a reward before any was seen. Lists are grids; their entries are weighed by evidence.

    Attributes:
        kappa: curvature of the reward over the noise of one reward.
        spread: standard deviation of an optimal log-weight.
        walk: standard deviation that it moves in a round.
        unequal: relative standard deviation of the curvature between losses.
        steer: standard deviation of what one unit of a dynamics feature moves the optimum; 0: the state is not used.
        fading: a reward's noise and what weights do to it shrink by exp(-fading) over the training: they are largest
            while the model learns fast.
        use_state: whether the optimum may depend on the learning dynamics (point 8).
        untie_at: share of the schedule from which the losses of a group are free (point 7); 1: never.
        own: standard deviation of an optimal log-weight around that of its group, once free; relative to `spread`.
        memory: how many rounds are learned from, the last ones; None: all (point 6).
        clip: surpluses of a reward over its prediction farther from their round's median than so many (robust) standard
            deviations of that distance are drawn in.
        bound: of |log-weight|.
        fixed_scale: whether the mean of the log-weights is held at 0 (point 1).
    """

    kappa: tuple[float, ...] = (0.015, 0.04, 0.1, 0.25, 0.6, 1.5, 4.0, 10.0)
    spread: float = 0.5
    walk: tuple[float, ...] = (0.0, 0.1)
    unequal: tuple[float, ...] = (0.0, 0.7)
    steer: tuple[float, ...] = (0.0, 0.5)
    fading: tuple[float, ...] = (0.0, 1.5, 3.0)
    use_state: bool = True
    untie_at: float = 0.5
    own: float = 0.25
    memory: int | None = None
    clip: float = 2.5
    bound: float = BOUND
    fixed_scale: bool = True


def are_level(rewards: Vector) -> bool:
    """Whether rewards [K] differ by no more than rounding, so that they say nothing."""
    return bool(rewards.std() <= 1e-9 * np.abs(rewards).max())


@dataclass(frozen=True, slots=True)
class Round:
    """What one round taught: the state before it [n, F], log-weights [K, n], rewards [K].

    `after`: how many rounds later than the one learned before it; less than 1 among those of several searches.
    """

    state: Vector
    x: Vector
    rewards: Vector
    after: float = 1.0


class _Blocks(NamedTuple):
    """Slices of the coefficients: b, beta, B, delta and u of docs/controller.md."""

    level: slice
    common: slice
    steered: slice
    curved: slice
    own: slice


class RewardModel:
    """Learns from rounds; expects sum_i slope_i y_i - curvature_i y_i^2, y = x - origin, up to a constant a round.

    Args:
        space: losses and groups of the rounds it learns from.
        settings: beliefs.
        origin: [n], around which the optimum is believed to lie.
        before: what was learned elsewhere, with the same settings: it is believed of the groups and losses that are
            here too, less surely than it was there (`ELSEWHERE`).
    """

    def __init__(
        self, space: LogWeights, *, settings: BayesianSettings, origin: Vector, before: "RewardModel | None" = None
    ) -> None:
        self.space = space
        self.settings = settings
        self.origin = origin
        self.before = before
        self.rounds: list[Round] = []
        self._restart()

    def learn(self, round: Round) -> None:
        """Learn from a round; what is older than the memory is forgotten."""
        self.rounds.append(round)
        memory = self.settings.memory
        if memory is not None and len(self.rounds) > memory:
            self.rounds = self.rounds[-memory:]
            self._restart()
        else:
            self._absorb(round)

    @property
    def noise(self) -> float:
        """Estimated standard deviation of a reward of the last round that its weights do not explain."""
        return self._coefficients(self.rounds[-1].state).noise if self.rounds else 0.0

    def predict(self, state: Vector, x: Vector) -> Vector:
        """Expected rewards [K] of log-weights x [K, n] in `state` [n, F], up to a constant a round.

        0 before any rewards, since nothing says their unit.
        """
        if self._bank.count == 0:
            return np.zeros(len(x))
        slope, curvature = self.quadratic(state, self.space)
        y = x - self.origin
        predicted: Vector = y @ slope - (y * y) @ curvature
        return predicted

    def quadratic(self, state: Vector, space: LogWeights) -> tuple[Vector, Vector]:
        """slope [m] and curvature [m] for the m losses of `space`, whose groups are known, in `state` [m, F]."""
        known = self._coefficients(state)
        mean = self._bent_down(known, state)
        level, common, steered, curved, own = (mean[part] for part in self._blocks)
        steered = steered.reshape(-1, len(FEATURES))
        index = np.array([self.space.group_names.index(space.groups[name]) for name in space.names])
        if not len(index):
            return np.zeros(0), np.zeros(0)
        slope = level[index] + state[:, :-1] @ common + (state * steered[index]).sum(-1)
        if len(own):
            by_name = dict(zip(self.space.names, own, strict=True))
            slope = slope + np.array([by_name.get(name, 0.0) for name in space.names])
        return slope, known.base + curved[index]

    def deviations(self, state: Vector, directions: Vector) -> Vector:
        """Posterior standard deviation [k] of directions [k, n] . x*, x* the optimum in `state` [n, F]."""
        rows = self._features(state, np.eye(self.space.size))
        rows[:, self._blocks.curved] = 0.0  # delta bends the reward and does not move its top
        return self._bank.deviations(directions @ rows)

    def _restart(self) -> None:
        settings = self.settings
        steer = settings.steer if settings.use_state else (0.0,)
        fading = settings.fading if settings.use_state else (0.0,)  # which is known from the share in the state
        grid = np.array(list(itertools.product(settings.kappa, settings.walk, settings.unequal, steer, fading)))
        kappa, walk, unequal, steer_sd, self._fading = grid.T
        ones = np.ones(len(grid))
        # Of each block of coefficients: what multiplies their features, prior variance, variance of the walk.
        own = settings.own
        scales = (2 * kappa, 2 * kappa, 2 * kappa, kappa, 2 * kappa)
        variances = (
            settings.spread**2 * ones,
            steer_sd**2,
            (steer_sd / 2) ** 2,
            unequal**2,
            (own * settings.spread) ** 2 * ones,
        )
        walks = (walk**2, 0 * ones, 0 * ones, 0 * ones, (own * walk) ** 2)
        sizes = [part.stop - part.start for part in self._blocks]
        scale, variance, moved = (np.repeat(np.stack(block, 1), sizes, axis=1) for block in (scales, variances, walks))
        prior = Beliefs(
            mean=np.zeros_like(variance),
            covariance=np.einsum("md,de->mde", variance, np.eye(variance.shape[1])),
            weights=ones / len(grid),
        )
        if self.before is not None:
            prior = self._from_elsewhere(prior, self.before)
        self._bank = FilterBank(kappa=kappa, scale=scale, prior=prior, walk=moved)
        self._surpluses: list[float] = []
        for round in self.rounds:
            self._absorb(round)

    def _from_elsewhere(self, prior: Beliefs, before: "RewardModel") -> Beliefs:
        """The prior, with what `before` has come to in the place of what it says of the same coefficients."""
        known, there = before._bank.beliefs(), before._names
        pairs = [(i, there.index(name)) for i, name in enumerate(self._names) if name in there]
        here, source = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
        mean, covariance = prior.mean.copy(), prior.covariance.copy()
        mean[:, here] = known.mean[:, source]
        covariance[:, here[:, None], here] = known.covariance[:, source[:, None], source]
        level = np.arange(self._blocks.level.start, self._blocks.level.stop)
        covariance[:, level, level] += ELSEWHERE**2
        # The optimum is where it was; it is told from another origin.
        origins = dict(zip(before.space.group_names, before._group_origin, strict=True))
        for i, (name, origin) in enumerate(zip(self.space.group_names, self._group_origin, strict=True)):
            mean[:, i] += origins.get(name, origin) - origin
        # How strong and how steady effects are may be another here, so no filter is out.
        weights = (1 - ELSEWHERE_OPEN) * known.weights + ELSEWHERE_OPEN * prior.weights
        return Beliefs(mean=mean, covariance=covariance, weights=weights)

    @property
    def _group_origin(self) -> Vector:
        return self.space.group_means(self.origin)

    @property
    def _blocks(self) -> "_Blocks":
        """Where each block of the coefficients lies."""
        groups, features, losses = len(self.space.group_names), len(FEATURES), self.space.size if self._loosens else 0
        ends = np.cumsum([groups, features - 1, groups * features, groups, losses]).tolist()
        return _Blocks(*(slice(start, end) for start, end in itertools.pairwise([0, *ends])))

    @property
    def _names(self) -> list[tuple[str, ...]]:
        """What each coefficient is about, in words that hold for other losses too."""
        groups = self.space.group_names
        names: list[tuple[str, ...]] = [("level", group) for group in groups]
        names += [("common", feature) for feature in FEATURES[:-1]]
        names += [("steered", group, feature) for group in groups for feature in FEATURES]
        names += [("curved", group) for group in groups]
        return names + [("own", name) for name in self.space.names if self._loosens]

    @property
    def _loosens(self) -> bool:
        """Whether there are ties, and a time at which they end."""
        return self.settings.untie_at < 1 and len(self.space.group_names) < self.space.size

    def _absorb(self, round: Round) -> None:
        self._bank.advance(round.after)
        if are_level(round.rewards):  # surpluses of 0 would have the rewards of later rounds drawn in
            return
        y = round.x - self.origin
        rewards = self._drawn_in(round)
        self._bank.update(self._features(round.state, y), -(y * y).sum(-1), rewards, self._unit(round.state))

    def _unit(self, state: Vector) -> Vector:
        """[m], how large the rewards of a round in `state` are by each filter; 1 in the middle of the training."""
        share = state[0, FEATURES.index("share")] if len(state) else 0.0
        unit: Vector = np.exp(-self._fading * share)
        return unit

    def _coefficients(self, state: Vector) -> Coefficients:
        return self._bank.coefficients(self._unit(state))

    def _bent_down(self, known: Coefficients, state: Vector) -> Vector:
        """The mean coefficients [d], given that each group bends the reward down by at least a quarter of the base.

        A loss may look flat or even bent upwards by chance. The slope that was learned with it belongs to a curvature
        that cannot be; what goes with the least curvature is its mean under that condition (of a normal distribution).
        """
        mean, floor = known.mean, -0.75 * known.base
        curved = range(self._blocks.curved.start, self._blocks.curved.stop)
        if all(mean[i] >= floor for i in curved):
            return mean
        covariance = self._bank.covariance(self._unit(state))
        held: list[int] = []
        while below := [i for i in curved if i not in held and mean[i] < floor]:
            held += below
            moved = np.linalg.lstsq(covariance[np.ix_(held, held)], floor - known.mean[held])[0]
            mean = known.mean + covariance[:, held] @ moved
            mean[held] = floor
        return mean

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
        index, count = self.space.group_index, len(self.space.group_names)
        member = np.zeros((len(index), count))
        member[np.arange(len(index)), index] = 1.0
        by_state = np.einsum("ki,if,ig->kgf", x, state, member)
        parts = [x @ member, by_state.sum(1)[:, :-1], by_state.reshape(len(x), -1), -(x * x) @ member]
        if self._loosens:
            parts.append(x)
        return np.concatenate(parts, axis=1)
