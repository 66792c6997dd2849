"""The published controller: a true policy gradient, and weights that are usable whatever the losses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ada_segment.controller.policy_gradient import PolicyGradientController
from ada_segment.errors import LossError
from ada_segment.population.strategies.base import Task, Trial
from ada_segment.population.strategies.published import Published, published_rewards

NAMES = ("a", "b", "c")
ONES = dict.fromkeys(NAMES, 1.0)


def controller(**options: float) -> PolicyGradientController:
    made = PolicyGradientController(ONES, seed=1, **options)  # type: ignore[arg-type]
    made.calibrate({"a": 2.0, "b": 0.5, "c": 1.0})
    return made


@pytest.mark.parametrize("hidden", [0, 16])
def test_it_starts_at_the_defaults(hidden: int) -> None:
    made = controller(hidden=hidden)
    assert made.weights([], round=0, rounds=9) == ONES
    assert made.means({"a": 2.0, "b": 0.5, "c": 1.0}).tolist() == [1.0, 1.0, 1.0]


@given(st.integers(0, 2**31), st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_gradient_is_the_analytic_policy_gradient(seed: int, members: int) -> None:
    made, losses, sigma = controller(), {"a": 0.7, "b": 1.3, "c": 0.2}, 0.2
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in made.net.parameters():
            parameter += torch.from_numpy(random.normal(0, 0.1, parameter.shape))
    mean = made.means(losses)
    ratios = mean.detach() + sigma * torch.from_numpy(random.standard_normal((members, 3)))
    rewards = torch.from_numpy(random.standard_normal(members))
    made.surrogate(losses, ratios, rewards, sigma=sigma).backward()
    # (1/K) sum_k r_k (lambda_k - mu) / sigma^2 . d mu / d phi
    score = (rewards[:, None] * (ratios - mean.detach())).mean(0) / sigma**2
    expected = torch.autograd.grad(made.means(losses), list(made.net.parameters()), grad_outputs=score)
    for parameter, gradient in zip(made.net.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("hidden", [0, 16])
def test_steps_raise_what_was_rewarded_and_gradients_do_not_pile_up(hidden: int) -> None:
    made, losses = controller(weight_decay=0.0, hidden=hidden), {"a": 2.0, "b": 0.5, "c": 1.0}
    ratios = torch.tensor([[1.2, 1.0, 1.0], [0.8, 1.0, 1.0]], dtype=torch.float64)
    rewards = torch.tensor([1.0, -1.0], dtype=torch.float64)
    for _ in range(3):
        before = made.means(losses).detach()
        expected = torch.autograd.grad(-made.surrogate(losses, ratios, rewards, sigma=0.2), list(made.net.parameters()))
        made.step(losses, ratios, rewards, sigma=0.2)
        assert made.means(losses).detach()[0] > before[0]
        for parameter, gradient in zip(made.net.parameters(), expected, strict=True):
            assert parameter.grad is not None
            assert torch.equal(parameter.grad, gradient)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8), st.floats(0, 100))
def test_rewards_are_those_of_the_table(scores: list[float], peak: float) -> None:
    p = np.array(scores)
    found = published_rewards(p, peak=peak, share=0.25)
    if p.std() <= 1e-9 * p.max():
        assert not found.any()
    else:
        assert found == pytest.approx(0.25 * ((p - p.mean()) / p.std() + (p - peak) / p.std()))


@given(st.lists(st.sampled_from([0.0, 1e-12, 1e12, math.nan, math.inf, 1.0]), min_size=3, max_size=3))
def test_weights_are_usable_for_any_losses(values: list[float]) -> None:
    losses = dict(zip(NAMES, values, strict=True))
    made = PolicyGradientController(ONES, seed=2)
    made.calibrate(losses)
    for seen in (losses, ONES, {"a": 1e12, "b": 0.0, "c": 3.0}):
        made.step(seen, torch.ones(2, 3, dtype=torch.float64), torch.tensor([1.0, 0.5]).double(), sigma=0.2)
        weights = made.weights([seen], round=1, rounds=2)
        assert all(1 / made.limit <= weight <= made.limit for weight in weights.values())


def published(rewards: list[float], *, round: int = 1) -> Published:
    strategy = Published()
    groups = {name: name for name in NAMES}
    task = Task(losses=NAMES, defaults=ONES, groups=groups, rounds=4, members=len(rewards), seed=0)
    strategy.start(task)
    for t in range(round + 1):
        values = rewards if t == round else [0.0] * len(rewards)
        weights = strategy.plan(t).weights
        strategy.judge(
            t,
            [Trial(index=k, weights=weights[k], losses=ONES, reward=reward) for k, reward in enumerate(values)],
        )
    return strategy


def mean_of(strategy: Published) -> np.ndarray:
    return strategy.controller.means(ONES).detach().numpy()


@given(st.floats(-100, 100), st.integers(1, 8), st.floats(0, 100))
def test_equal_scores_are_rewarded_by_0(score: float, members: int, peak: float) -> None:
    """Their standard deviation is that of rounding: 1.4e-17 for three times 0.1."""
    assert not published_rewards(np.full(members, score), peak=peak, share=0.25).any()


def test_equal_rewards_and_the_first_round_teach_nothing() -> None:
    assert mean_of(published([3.0, 3.0, 3.0])).tolist() == [1.0, 1.0, 1.0]
    assert mean_of(published([0.1, 0.1, 0.1])).tolist() == [1.0, 1.0, 1.0]
    assert mean_of(published([3.0, 1.0, 2.0], round=0)).tolist() == [1.0, 1.0, 1.0]
    assert mean_of(published([3.0])).tolist() == [1.0, 1.0, 1.0]


def test_permuted_rewards_teach_something_else() -> None:
    assert not np.allclose(mean_of(published([3.0, 1.0, 2.0])), mean_of(published([1.0, 3.0, 2.0])))


@pytest.mark.parametrize("k", [0, 1, 2])
def test_a_higher_reward_makes_its_weights_more_probable(k: int) -> None:
    tried = torch.tensor(list(published([0.0] * 3, round=0).plan(1).weights[k].values()), dtype=torch.float64)

    def log_density(rewards: list[float]) -> float:
        mean = torch.from_numpy(mean_of(published(rewards)))
        return float(torch.distributions.Normal(mean, 0.2).log_prob(tried).sum())

    rewards = [0.5, 0.4, 0.6]
    higher = [*rewards[:k], 5.0, *rewards[k + 1 :]]
    assert log_density(higher) > log_density(rewards)


def test_it_serves_no_other_losses() -> None:
    made = controller()
    with pytest.raises(LossError, match="missing: c"):
        made.rebound(("a", "b"), {"a": 1.0, "b": 1.0}, {"a": "a", "b": "b"})
    with pytest.raises(LossError, match="switched off"):
        made.rebound(NAMES, {**ONES, "b": 0.0}, {name: name for name in NAMES})
    other = made.rebound(NAMES[::-1], {"a": 1.0, "b": 4.0, "c": 1.0}, {name: name for name in NAMES})
    assert other.weights([ONES], round=1, rounds=2)["b"] == pytest.approx(
        4 * made.weights([ONES], round=1, rounds=2)["b"]
    )
