"""Log-weights: bounds, fixed scale, ties, and independence of the order of names."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ada_segment.controller.exploration import directions, step_size
from ada_segment.controller.space import LogWeights

floats = st.floats(-1e6, 1e6)
any_floats = st.floats(allow_nan=True, allow_infinity=True)


def space_of(groups: list[int], *, bound: float = math.log(4), fixed_scale: bool = True) -> LogWeights:
    names = [f"loss {i}" for i in range(len(groups))]
    defaults = {name: 0.5 + i for i, name in enumerate(names)}
    tied = {name: f"group {group}" for name, group in zip(names, groups, strict=True)}
    return LogWeights(names, defaults=defaults, groups=tied, bound=bound, fixed_scale=fixed_scale)


groupings = st.lists(st.integers(0, 4), min_size=1, max_size=30)


@given(groupings, st.data())
def test_projection_is_within_bounds_tied_and_of_mean_zero(groups: list[int], data: st.DataObject) -> None:
    space = space_of(groups)
    x = np.array(data.draw(st.lists(any_floats, min_size=space.size, max_size=space.size)))
    kept = space.project(x)
    assert np.abs(kept).max() <= space.bound
    assert abs(kept.sum()) < 1e-9
    for group in range(len(space.group_names)):
        assert np.ptp(kept[space.group_index == group]) == 0
    assert space.project(kept) == pytest.approx(kept, abs=1e-9)
    weights = space.to_weights(kept)
    assert all(math.isfinite(weight) and weight > 0 for weight in weights.values())
    factors = [weights[name] / space.defaults[name] for name in space.names]
    assert math.exp(np.mean(np.log(factors))) == pytest.approx(1)


@given(st.lists(floats, min_size=2, max_size=8), st.integers(0, 2**32 - 1))
def test_no_point_of_the_set_is_nearer_than_the_projection(values: list[float], seed: int) -> None:
    space = space_of(list(range(len(values))))
    x = np.array(values) / 1e5
    kept = space.project(x)
    others = np.random.default_rng(seed).uniform(-2, 2, (20, len(values)))
    for other in map(space.project, others):
        # The angle at the nearest point of a convex set is never acute.
        assert (x - kept) @ (other - kept) <= 1e-9


def test_free_scale_is_only_bounded() -> None:
    space = space_of([0, 1, 2], fixed_scale=False)
    assert space.project(np.array([1.0, 0.5, 9.0])) == pytest.approx([1.0, 0.5, math.log(4)])


@given(groupings, st.integers(0, 2**31))
def test_weights_and_coordinates_invert_each_other(groups: list[int], seed: int) -> None:
    space = space_of(groups)
    x = space.project(np.random.default_rng(seed).normal(0, 1, space.size))
    assert space.from_weights(space.to_weights(x)) == pytest.approx(x, abs=1e-12)


def test_a_default_of_zero_has_no_coordinate() -> None:
    space = LogWeights(["a", "b"], defaults={"a": 2.0, "b": 0.0}, groups={"a": "a", "b": "b"})
    assert space.size == 1
    assert space.to_weights(np.zeros(1)) == {"a": 2.0, "b": 0.0}
    everything_off = LogWeights(["b"], defaults={"b": 0.0}, groups={"b": "b"})
    assert everything_off.project(np.zeros(0)).shape == (0,)
    assert everything_off.to_weights(np.zeros(0)) == {"b": 0.0}


@given(groupings, st.integers(1, 12), st.integers(0, 2**31), st.booleans())
def test_directions(groups: list[int], members: int, seed: int, mean_member: bool) -> None:
    space = space_of(groups)
    found = directions(space, np.random.default_rng(seed), members, antithetic=True, mean_member=mean_member)
    assert found.shape == (members, space.size)
    if members == 1 or space.frozen:
        assert not found.any()
        return
    start, dimensions = int(mean_member), len(space.group_names) - 1
    assert not found[:start].any()
    asked = found[start::2]
    mirrored = found[start + 1 :: 2]
    assert np.array_equal(mirrored, -asked[: len(mirrored)])
    alone = directions(space, np.random.default_rng(seed), members, antithetic=False, mean_member=mean_member)[start:]
    assert np.array_equal(
        alone[dimensions : 2 * dimensions], -alone[: max(0, min(dimensions, len(alone) - dimensions))]
    )
    for rows in (found[start:], alone):
        assert rows.sum(1) == pytest.approx(np.zeros(len(rows)), abs=1e-9)
        if dimensions > 1:
            assert np.sqrt((rows**2).mean(1)) == pytest.approx(np.ones(len(rows)))
        apart = np.abs(rows[:, None] - rows[None]).max(-1) + np.eye(len(rows))
        assert apart.min() > 1e-6  # nobody asks what another one asks
    for block in (asked[:dimensions], alone[:dimensions]):
        assert block @ block.T == pytest.approx(space.size * np.eye(len(block)), abs=1e-8)


@pytest.mark.parametrize("groups", [[0, 1], [0, 1, 2], [0, 0, 1, 2, 3, 4]])
@pytest.mark.parametrize("antithetic", [False, True])
def test_directions_favour_no_side(groups: list[int], antithetic: bool) -> None:
    """Over many rounds a member raises a weight as often as it lowers it."""
    space, random = space_of(groups), np.random.default_rng(0)
    rows = np.stack([directions(space, random, 3, antithetic=antithetic, mean_member=True) for _ in range(400)])
    raised = (rows[:, 1:] > 0).mean(0)
    assert np.abs(raised - 0.5).max() < 0.12


def test_step_size_runs_from_first_to_last() -> None:
    assert [step_size(0.8, 0.2, share) for share in (0.0, 0.5, 1.0)] == pytest.approx([0.8, 0.4, 0.2])
