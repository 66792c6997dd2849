"""The Bayesian controller: exactness of its filters, and the properties that rewards and names must have."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ada_segment.controller.bayesian import BayesianController
from ada_segment.controller.dynamics import FEATURES, LIMIT, dynamics
from ada_segment.controller.filter_bank import Beliefs, FilterBank, _contrasts
from ada_segment.controller.luck import PRIOR_MEAN, level_and_surpluses, persistence
from ada_segment.controller.reward_model import BayesianSettings
from ada_segment.controller.space import LogWeights
from ada_segment.errors import LossError

NAMES = ("a", "b", "c", "d")
QUICK = BayesianSettings(kappa=(0.1, 1.0, 5.0), walk=(0.0, 0.2))


def space_of(names: tuple[str, ...] = NAMES, **how: object) -> LogWeights:
    how = {"defaults": dict.fromkeys(names, 1.0), "groups": {name: name for name in names}, **how}
    return LogWeights(names, **how)  # type: ignore[arg-type]


def taught(
    rewards: np.ndarray, x: np.ndarray, *, space: LogWeights | None = None, beliefs: BayesianSettings = QUICK
) -> BayesianController:
    """A controller after rounds of log-weights x [T, K, n] and rewards [T, K], dynamics unchanged throughout."""
    controller = BayesianController(space or space_of(), settings=beliefs)
    for tried, got in zip(x, rewards, strict=True):
        controller.learn(np.zeros((x.shape[2], len(FEATURES))), tried, got)
    return controller


def still(controller: BayesianController) -> np.ndarray:
    return controller.optimum(np.zeros((len(controller.losses), len(FEATURES))))


def rounds_of(seed: int, *, rounds: int = 6, members: int = 5, n: int = 4) -> np.ndarray:
    space = space_of(tuple(NAMES[:n]))
    draws = 0.5 * space.draw(np.random.default_rng(seed), (rounds, members))
    return np.apply_along_axis(space.project, -1, draws)


def test_the_filter_is_bayesian_linear_regression() -> None:
    """Against the closed form, two rounds of unlike units, no walk, one filter: mean and evidence given sigma."""
    bank, rounds = filtered()
    scale, prior, mean, kappa = bank.scale, np.array([[0.5, 1.0, 2.0]]), np.array([0.3, -0.2, 0.1]), bank.kappa
    sigma = 1.7
    centre = np.eye(5) - 1 / 5
    design = np.concatenate([centre @ f for f, _, _, _ in rounds]) * scale
    target = np.concatenate([centre @ (r / (sigma * unit) - kappa * q) for _, q, r, unit in rounds])
    expected = np.linalg.solve(design.T @ design + np.diag(1 / prior[0]), design.T @ target + mean / prior[0])
    assert bank.by_reward[0] / sigma + bank.by_base[0] == pytest.approx(expected)
    basis = np.kron(np.eye(2), _contrasts(5))
    free = basis @ np.concatenate([f for f, _, _, _ in rounds]) * scale
    covariance = free @ np.diag(prior[0]) @ free.T + np.eye(8)
    residual = basis @ np.concatenate([r / (sigma * unit) - kappa * q for _, q, r, unit in rounds]) - free @ mean
    quadratic = bank.rr / sigma**2 + 2 * bank.rb / sigma + bank.bb
    assert quadratic[0] == pytest.approx(residual @ np.linalg.solve(covariance, residual))
    units = np.repeat([unit for _, _, _, unit in rounds], 4)
    assert bank.log_det[0] == pytest.approx(np.linalg.slogdet(covariance)[1] + 2 * np.log(units).sum())


def test_the_covariance_is_that_of_the_coefficients() -> None:
    """Against a sum over sigmas, one by one."""
    bank, _ = filtered()
    unit = np.array([0.3])
    joint, sigmas = bank._joint()
    means = [bank.scale[0] * 0.3 * (bank.by_reward[0] + sigma * bank.by_base[0]) for sigma in sigmas[0]]
    mean = sum(p * m for p, m in zip(joint[0], means, strict=True))
    expected = np.zeros((3, 3))
    for p, sigma, m in zip(joint[0], sigmas[0], means, strict=True):
        own = (0.3 * sigma) ** 2 * np.outer(bank.scale[0], bank.scale[0]) * bank.covariances[0]
        expected += p * (own + np.outer(m - mean, m - mean))
    assert bank.coefficients(unit).mean == pytest.approx(mean)
    assert bank.covariance(unit) == pytest.approx(expected)


def filtered() -> tuple[FilterBank, list[tuple[np.ndarray, np.ndarray, np.ndarray, float]]]:
    """One filter over three features, and the two rounds that it has learned from."""
    random = np.random.default_rng(0)
    rounds = [(random.normal(size=(5, 3)), random.normal(size=5), random.normal(size=5), unit) for unit in (1.0, 0.4)]
    scale, kappa = np.array([[1.0, 0.3, 2.0]]), np.array([0.7])
    prior = Beliefs(mean=np.array([[0.3, -0.2, 0.1]]), covariance=np.diag([0.5, 1.0, 2.0])[None], weights=np.ones(1))
    bank = FilterBank(kappa=kappa, scale=scale, prior=prior, walk=np.zeros((1, 3)))
    for features, known, rewards, unit in rounds:
        bank.advance(1.0)
        bank.update(features, known, rewards, np.array([unit]))
    return bank, rounds


@given(st.integers(2, 9))
def test_contrasts_are_orthonormal_and_take_the_level_off(count: int) -> None:
    matrix = _contrasts(count)
    assert matrix @ matrix.T == pytest.approx(np.eye(count - 1), abs=1e-12)
    assert matrix.sum(1) == pytest.approx(np.zeros(count - 1), abs=1e-12)


def test_it_finds_the_optimum_of_a_quadratic() -> None:
    target = np.array([0.6, -0.5, 0.2, -0.3])
    x = rounds_of(1, rounds=20, members=6)
    random = np.random.default_rng(2)
    rewards = -((x - target) ** 2).sum(-1) + 0.1 * random.standard_normal(x.shape[:2])
    assert still(taught(rewards, x)) == pytest.approx(target, abs=0.12)


@given(st.floats(-0.3, 0.5), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_a_reward_bent_upwards_is_followed_where_it_was_seen(bottom: float, seed: int) -> None:
    """All that was tried lies where more is better; the slope at the origin, where nothing was, may point back."""
    more = np.random.default_rng(seed).uniform(0.5, 1.3, (10, 4, 1))
    x = more * np.array([1.0, -1.0, 0.0, 0.0])
    assert still(taught((more[..., 0] - bottom) ** 2, x))[0] > 0.5


@given(st.floats(1.5, 3.0), st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_rewards_that_fade_are_known_to(fading: float, seed: int) -> None:
    """Effects and noise shrink over the training alike: differences are expected as large as the time makes them."""
    x, random = rounds_of(seed, rounds=14, members=4), np.random.default_rng(seed)
    controller = BayesianController(space_of(), settings=BayesianSettings(walk=(0.0,)))
    share = (np.arange(14) + 0.5) / 14 - 0.5
    target = np.array([0.6, -0.5, 0.2, -0.3])
    states = np.zeros((14, 4, len(FEATURES)))
    states[:, :, FEATURES.index("share")] = share[:, None]
    rewards = np.exp(-fading * share)[:, None] * (
        0.2 * random.standard_normal(x.shape[:2]) - ((x - target) ** 2).sum(-1)
    )
    for state, tried, got in zip(states, x, rewards, strict=True):
        controller.learn(state, tried, got)
    first, last = (np.ptp(controller.predict(state, x[0])) for state in (states[0], states[-1]))
    assert first > 2 * last
    assert controller.optimum(states[-1]) == pytest.approx(target, abs=0.3)


@given(st.integers(0, 1000), st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
@settings(max_examples=15, deadline=None)
def test_neither_unit_nor_level_of_the_reward_matters(seed: int, unit: float, level: float) -> None:
    x = rounds_of(seed)
    rewards = np.random.default_rng(seed).standard_normal(x.shape[:2])
    assert still(taught(unit * (rewards + level), x)) == pytest.approx(still(taught(rewards, x)), abs=1e-5)


@given(st.floats(-100, 100), st.integers(1, 5), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_equal_rewards_teach_nothing(level: float, members: int, seed: int) -> None:
    x = rounds_of(seed, members=members)
    assert not still(taught(np.full(x.shape[:2], level), x)).any()


@given(st.integers(0, 1000), st.integers(0, 3), st.floats(-100, 100), st.sampled_from([0.0, 1e-15]))
@settings(max_examples=15, deadline=None)
def test_a_round_of_equal_rewards_changes_nothing_later(seed: int, place: int, level: float, rounding: float) -> None:
    """Neither does it say what is wild: its surpluses of 0 would have later rewards drawn in to nearly nothing."""
    x = rounds_of(seed, rounds=4)
    rewards = np.random.default_rng(seed).standard_normal(x.shape[:2])
    flat = level * (1 + rounding * np.arange(x.shape[1]))
    beliefs = dataclasses.replace(QUICK, walk=(0.0,))  # no time need pass
    with_it = taught(np.insert(rewards, place, flat, 0), np.insert(x, place, x[-1], 0), beliefs=beliefs)
    assert still(with_it) == pytest.approx(still(taught(rewards, x, beliefs=beliefs)), abs=1e-12)


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_permuted_rewards_teach_something_else(seed: int) -> None:
    x = rounds_of(seed, rounds=2)
    rewards = np.random.default_rng(seed).standard_normal(x.shape[:2])
    assert not np.allclose(still(taught(rewards, x)), still(taught(rewards[:, [1, 0, 2, 3, 4]], x)), atol=1e-6)


@given(st.integers(0, 1000), st.integers(0, 4))
@settings(max_examples=15, deadline=None)
def test_a_higher_reward_draws_the_mean_to_its_weights(seed: int, member: int) -> None:
    """Members are drawn around the mean: it comes nearer to one, its weights become more probable."""
    x = rounds_of(seed, rounds=1)
    rewards = 0.1 * np.random.default_rng(seed).standard_normal(x.shape[:2])
    higher = rewards.copy()
    higher[0, member] += 1.0
    direction = x[0, member] - x[0].mean(0)
    beliefs = dataclasses.replace(QUICK, unequal=(0.0,), kappa=(0.5,), walk=(0.0,))
    low, high = (still(taught(r, x, beliefs=beliefs)) for r in (rewards, higher))
    assert (high - low) @ direction > 0


def test_weights_without_effect_cause_no_drift() -> None:
    """Over many searches of pure noise the mean log-weights average to 0, and stay small."""
    finals = []
    for seed in range(60):
        x = rounds_of(seed, rounds=8)
        finals.append(still(taught(np.random.default_rng([seed, 1]).standard_normal(x.shape[:2]), x)))
    means, errors = np.mean(finals, 0), np.std(finals, 0) / math.sqrt(len(finals))
    assert np.all(np.abs(means) < 4 * errors)
    assert np.sqrt(np.mean(np.square(finals))) < 0.3


def test_one_wild_reward_does_not_decide() -> None:
    target = np.array([0.6, -0.5, 0.2, -0.3])
    x = rounds_of(5, rounds=12, members=6)
    rewards = -((x - target) ** 2).sum(-1) + 0.05 * np.random.default_rng(0).standard_normal(x.shape[:2])
    rewards[6, 2] += 50.0
    assert still(taught(rewards, x)) == pytest.approx(target, abs=0.25)
    plain = still(taught(rewards, x, beliefs=dataclasses.replace(QUICK, clip=1e9)))
    assert np.abs(plain - target).max() > np.abs(still(taught(rewards, x)) - target).max()


def test_order_of_names_does_not_matter() -> None:
    forward, back = space_of(NAMES), space_of(NAMES[::-1])
    x = rounds_of(3)
    rewards = np.random.default_rng(3).standard_normal(x.shape[:2])
    one, other = (
        taught(rewards, x, space=space).weights([dict.fromkeys(NAMES, 1.0)], round=1, rounds=3)
        for space in (forward, back)
    )
    assert list(one) == list(NAMES)
    assert list(other) == list(NAMES[::-1])
    assert one == other


def test_memory_forgets_the_rounds_before() -> None:
    x = rounds_of(4)
    rewards = np.random.default_rng(4).standard_normal(x.shape[:2])
    short = taught(rewards, x, beliefs=dataclasses.replace(QUICK, memory=2))
    assert still(short) == pytest.approx(still(taught(rewards[-2:], x[-2:])), abs=1e-12)


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 1e-12, 1e12, math.nan, math.inf, -1.0, 2.0]), min_size=4, max_size=4),
        max_size=5,
    )
)
@settings(max_examples=30, deadline=None)
def test_weights_are_usable_for_any_losses(values: list[list[float]]) -> None:
    history = [dict(zip(NAMES, row, strict=True)) for row in values]
    x = rounds_of(6, rounds=3)
    controller = BayesianController(space_of(), settings=QUICK)
    for tried in x:
        state = controller.state(history, round=1, rounds=4)
        assert np.isfinite(state).all()
        assert np.abs(state).max() <= LIMIT
        controller.learn(state, tried, np.arange(5.0))
    weights = controller.weights(history, round=3, rounds=4)
    assert all(0.25 - 1e-9 <= weight <= 4 + 1e-9 for weight in weights.values())
    assert sum(math.log(weight) for weight in weights.values()) == pytest.approx(0, abs=1e-9)


@given(st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_dynamics_know_no_loss_scale(scales: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    history = [dict(zip(NAMES, random.uniform(0.1, 2, 4).tolist(), strict=True)) for _ in range(4)]
    scaled = [{name: s * row[name] for name, s in zip(NAMES, scales, strict=True)} for row in history]
    space = space_of()
    assert dynamics(scaled, space, round=4, rounds=9) == pytest.approx(dynamics(history, space, round=4, rounds=9))
    shown = dynamics(history, space, round=4, rounds=9)
    logs = np.log([[row[name] for name in NAMES] for row in history])
    progress = logs[-1] - logs[0]
    assert shown[:, 0] == pytest.approx(np.clip(progress - progress.mean(), -LIMIT, LIMIT))
    assert shown[:, 2] == pytest.approx(np.zeros(4))


def test_a_stored_controller_answers_alike() -> None:
    x = rounds_of(7)
    controller = taught(np.random.default_rng(7).standard_normal(x.shape[:2]), x)
    again = BayesianController.from_state(controller.state_dict())
    history = [{"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}, {"a": 0.5, "b": 1.5, "c": 3.0, "d": 1.0}]
    assert again.weights(history, round=2, rounds=5) == controller.weights(history, round=2, rounds=5)


def test_what_was_learned_by_group_serves_more_losses() -> None:
    groups = {"a": "rpn", "b": "box", "c": "box", "d": "mask"}
    space = space_of(groups=groups)
    target = np.array([0.8, -0.4, -0.4, 0.0])
    draws = 0.5 * space.draw(np.random.default_rng(0), (15, 6))
    rewards = -((draws - target) ** 2).sum(-1)
    controller = taught(rewards, draws, space=space)
    ten = ("a0", "a1", "b0", "b1", "b2", "b3", "d0")
    known = {"a": "rpn", "b": "box", "d": "mask"}
    groups = {name: known[name[0]] for name in ten}
    other = controller.rebound(ten, dict.fromkeys(ten, 2.0), groups)
    weights = other.weights([], round=0, rounds=3)
    assert weights["a0"] == weights["a1"] > weights["d0"] > weights["b0"] == weights["b3"]
    assert sum(math.log(weight / 2) for weight in weights.values()) == pytest.approx(0, abs=1e-9)
    with pytest.raises(LossError, match=r"nothing about z: it knows the groups box, mask, rpn"):
        controller.rebound(("a", "z"), {"a": 1.0, "z": 1.0}, {"a": "rpn", "z": "depth"})
    off = controller.rebound(("a", "z"), {"a": 1.0, "z": 0.0}, {"a": "rpn", "z": "depth"})
    assert off.weights([], round=0, rounds=1) == {"a": 1.0, "z": 0.0}


def test_what_losses_have_on_their_own_is_learned_once_they_are_free() -> None:
    groups = {"a": "g", "b": "g", "c": "h", "d": "h"}
    space = space_of(groups=groups)
    target = np.array([0.7, 0.1, -0.2, -0.6])
    x = rounds_of(8, rounds=20, members=6)
    rewards = -((x - target) ** 2).sum(-1) + 0.05 * np.random.default_rng(1).standard_normal(x.shape[:2])
    controller = taught(rewards, x, space=space)
    state = np.zeros((4, len(FEATURES)))
    tied = controller.optimum(state, controller.space(round=0, rounds=20))
    free = controller.optimum(state, controller.space(round=19, rounds=20))
    assert tied == pytest.approx([0.4, 0.4, -0.4, -0.4], abs=0.1)
    assert free == pytest.approx(target, abs=0.1)


def test_a_controller_that_serves_other_losses_is_stored_as_such() -> None:
    controller = taught(np.random.default_rng(9).standard_normal((6, 5)), rounds_of(9))
    other = controller.rebound(("x", "y", "z"), dict.fromkeys("xyz", 3.0), {"x": "a", "y": "b", "z": "a"})
    again = BayesianController.from_state(other.state_dict())
    history = [{"x": 1.0, "y": 2.0, "z": 3.0}, {"x": 0.5, "y": 1.5, "z": 3.0}]
    assert again.losses == ("x", "y", "z")
    assert again.weights(history, round=2, rounds=5) == other.weights(history, round=2, rounds=5)
    back = again.rebound(NAMES, dict.fromkeys(NAMES, 1.0), {name: name for name in NAMES})
    assert back.weights([], round=0, rounds=5) == controller.weights([], round=0, rounds=5)


@given(st.floats(0, 1), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_luck_that_stays_is_told_from_luck_that_passes(phi: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    surpluses = random.standard_normal(60)
    trend = 5 - 20 / np.arange(1, 61)
    levels = trend + np.concatenate([[0.0], np.cumsum(phi * surpluses[:-1] + 0.2)]) + 0.1 * random.standard_normal(60)
    assert persistence(levels, surpluses) == pytest.approx(phi, abs=0.2)
    assert persistence(levels[:3], surpluses[:3]) == PRIOR_MEAN
    assert persistence(1e6 * levels, 1e6 * surpluses) == pytest.approx(persistence(levels, surpluses), abs=1e-6)


@given(arrays(float, 5, elements=st.floats(-1, 1)), st.integers(0, 4), st.floats(5, 1e170))
def test_an_accident_is_nobody_s_luck(surprises: np.ndarray, place: int, drop: float) -> None:
    """Where there is none the level is the mean; where there is one it does not matter how far a reward has fallen."""
    level, surpluses = level_and_surpluses(surprises, 1.0)
    assert level == pytest.approx(surprises.mean(), abs=1e-12)
    assert surpluses == pytest.approx(surprises - level, abs=1e-12)
    fallen = [level_and_surpluses(np.where(np.arange(5) == place, -by, surprises), 1.0) for by in (5.0, drop)]
    assert fallen[0][0] == fallen[1][0]
    assert np.array_equal(fallen[0][1], fallen[1][1])
    assert fallen[0][1].min() == -2.5


def test_what_has_no_square_is_no_luck() -> None:
    levels = np.array([0.0, 1.0, -1e173, 2.0, 3.0, 1.0])
    assert 0 <= persistence(levels, 1e173 * np.ones(6) * np.arange(6)) <= 1


def test_controllers_are_put_together_whatever_the_order_of_their_losses() -> None:
    x, rewards = rounds_of(3), np.random.default_rng(3).standard_normal((6, 5))
    one, other = (taught(rewards, x, space=space_of(names)) for names in (NAMES, NAMES[::-1]))
    state = np.zeros((4, len(FEATURES)))
    alike, mixed = BayesianController.pooled([one, one]), BayesianController.pooled([one, other])
    assert mixed.optimum(state) == pytest.approx(alike.optimum(state))


def test_doubt_before_any_reward_is_the_prior() -> None:
    doubt = BayesianController(space_of(), settings=QUICK).doubt(np.zeros((4, len(FEATURES))))
    assert doubt == pytest.approx(dict.fromkeys(NAMES, QUICK.spread * math.sqrt(3 / 4)))
    tied = space_of(groups={"a": "one", "b": "one", "c": "two", "d": "two"})
    doubt = BayesianController(tied, settings=dataclasses.replace(QUICK, untie_at=1.0)).doubt(
        np.zeros((4, len(FEATURES)))
    )
    # Two groups whose levels differ by N(0, 2 tau^2), half of it on either side.
    assert doubt == pytest.approx(dict.fromkeys(NAMES, QUICK.spread * math.sqrt(1 / 2)))


@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 20))
def test_doubt_has_no_unit_and_falls(factor: float, seed: int) -> None:
    x = rounds_of(seed)
    rewards = -((x - 0.2) ** 2).sum(-1) + 0.05 * np.random.default_rng(seed).normal(size=x.shape[:2])
    state = np.zeros((4, len(FEATURES)))
    one, other = (taught(scale * rewards, x).doubt(state) for scale in (1.0, factor))
    assert one == pytest.approx(other, rel=1e-6)
    first = taught(rewards[:1], x[:1]).doubt(state)
    assert (
        sum(one.values())
        < sum(first.values())
        < sum(BayesianController(space_of(), settings=QUICK).doubt(state).values())
    )


def test_doubt_is_as_large_as_the_errors() -> None:
    """Optima drawn from the prior, rewards from the model: errors in units of the doubt have a deviation of about 1."""
    random, state, ratios = np.random.default_rng(0), np.zeros((4, len(FEATURES))), []
    beliefs = dataclasses.replace(QUICK, walk=(0.0,), unequal=(0.0,), use_state=False)
    for trial in range(60):
        truth = QUICK.spread * random.normal(size=4)
        truth -= truth.mean()
        x = rounds_of(trial, rounds=5)
        rewards = (2 * x * truth - x * x).sum(-1) + random.normal(size=x.shape[:2])
        controller = taught(rewards, x, beliefs=beliefs)
        slope, curvature = controller._model.quadratic(state, space_of())
        # Without the bounds, of which the doubt knows nothing.
        ratios.append((slope / (2 * curvature) - truth) / np.array(list(controller.doubt(state).values())))
    assert 0.8 < np.sqrt(np.mean(np.square(ratios))) < 1.25


def settled(target: np.ndarray, *, noise: float = 0.1, seed: int = 0, **how: object) -> BayesianController:
    """A controller that has learned where a quadratic has its top."""
    x = rounds_of(seed, rounds=20, members=6)
    rewards = -((x - target) ** 2).sum(-1) + noise * np.random.default_rng(seed).standard_normal(x.shape[:2])
    return taught(rewards, x, **how)  # type: ignore[arg-type]


TOP = np.array([0.6, -0.5, 0.2, -0.3])


def test_a_search_begins_where_another_has_ended() -> None:
    before = settled(TOP)
    begun = BayesianController(space_of(), settings=QUICK, before=before)
    assert still(begun) == pytest.approx(still(before), abs=0.05)
    fresh = BayesianController(space_of(), settings=QUICK)
    state = np.zeros((4, len(FEATURES)))
    for name in NAMES:
        assert before.doubt(state)[name] < begun.doubt(state)[name] < fresh.doubt(state)[name]


@given(st.integers(0, 100), st.floats(1e-3, 1e3))
@settings(max_examples=10, deadline=None)
def test_what_was_learned_elsewhere_gives_way(seed: int, unit: float) -> None:
    """On data whose rewards have another unit and another optimum, the rewards seen there decide in the end."""
    begun = BayesianController(space_of(), settings=QUICK, before=settled(TOP))
    x = rounds_of(seed, rounds=30, members=6)
    noise = 0.1 * np.random.default_rng(seed).standard_normal(x.shape[:2])
    for tried, got in zip(x, unit * (noise - ((x + TOP) ** 2).sum(-1)), strict=True):
        begun.learn(np.zeros((4, len(FEATURES))), tried, got)
    assert still(begun) == pytest.approx(-TOP, abs=0.15)


def test_what_was_learned_elsewhere_goes_by_group_and_is_stored() -> None:
    """Losses of known groups begin as theirs did, others at the origin; another origin changes little."""
    before = settled(TOP)
    names = ("mine", "other", "new")
    space = LogWeights(
        names, defaults=dict.fromkeys(names, 1.0), groups={"mine": "a", "other": "b", "new": "z"}, fixed_scale=False
    )
    beliefs = dataclasses.replace(QUICK, fixed_scale=False)
    begun = BayesianController(space, settings=beliefs, before=before)
    zeros = np.zeros((3, len(FEATURES)))
    mine, new, other = begun.optimum(zeros)  # in the order of the names
    assert (mine, new, other) == pytest.approx((TOP[0], 0.0, TOP[1]), abs=0.15)
    elsewhere = BayesianController(space, settings=beliefs, before=before, origin=np.array([0.3, 0.3, 0.0]))
    assert elsewhere.optimum(zeros) == pytest.approx(begun.optimum(zeros) + np.array([0, 0.3, 0]), abs=0.2)
    begun.learn(zeros, np.random.default_rng(0).normal(size=(4, 3)), np.arange(4.0))
    again = BayesianController.from_state(begun.state_dict())
    assert again.optimum(zeros) == pytest.approx(begun.optimum(zeros))
    assert again.about()["rounds_learned_before"] == 20
    with pytest.raises(LossError, match="knows the groups a, b, c, d"):
        BayesianController(space_of(("x", "y")), settings=QUICK, before=before)
