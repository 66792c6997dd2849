"""All weightings: what is reported is d total / d loss; values by hand from the papers; states; losses out of range."""

import copy
import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_losses import NAMES, losses_of, model, pictures
from torch import Tensor

from ada_segment.errors import ConfigError, LossError
from ada_segment.loops.controlled import ControlledWeighting
from ada_segment.storage import load_state, save_state
from ada_segment.weighting.base import Weighting, check_weights, weighted_sum
from ada_segment.weighting.by_epoch import EpochFunction
from ada_segment.weighting.dwa import DynamicWeightAveraging
from ada_segment.weighting.famo import FAMO
from ada_segment.weighting.fixed import FixedWeighting
from ada_segment.weighting.gradnorm import GradNorm
from ada_segment.weighting.recorded import RecordedWeighting
from ada_segment.weighting.registry import WEIGHTINGS, make_weighting
from ada_segment.weighting.rlw import RandomLossWeighting
from ada_segment.weighting.soft_optimal import SoftOptimalWeighting
from ada_segment.weighting.uncertainty import UncertaintyWeighting

SCHEDULE = [{"mask": 1.0, "box": 0.5, "class": 0.0}, {"mask": 0.25, "box": 2.0, "class": 3.0}]


class Share:
    """A rule like a controller's: what fell least has most weight."""

    losses = NAMES

    def weights(self, history: list[Mapping[str, float]], *, round: int, rounds: int) -> dict[str, float]:
        if not history:
            return dict.fromkeys(NAMES, 1.0)
        fallen = {name: (history[-1][name] + 1e-3) / (history[0][name] + 1e-3) for name in NAMES}
        return {name: math.sqrt(fallen[name]) * (1 + round / rounds) for name in NAMES}


MAKERS: dict[str, Callable[[], Weighting]] = {
    "weights": lambda: FixedWeighting({"mask": 1.0, "box": 0.25, "class": 0.0}),
    "recorded": lambda: RecordedWeighting(SCHEDULE),
    "controller": lambda: ControlledWeighting(Share(), epochs=4),
    "function": lambda: EpochFunction(NAMES, lambda epoch: {"mask": 1.0, "box": 0.5**epoch, "class": float(epoch)}),
    **{name: lambda name=name: make_weighting(name, NAMES) for name in WEIGHTINGS},
}
BY_GRADIENTS = ["gradnorm", "pcgrad", "cagrad", "nash-mtl", "mgda", "imtl-g", "aligned-mtl", "upgrad"]
BY_VALUES = [name for name in MAKERS if name not in BY_GRADIENTS]
# Where the state of each method that learns numbers has them.
LEARNED = {"famo": "xi", "uncertainty": "s", "gradnorm": "w"}


def leaves(*values: float) -> dict[str, Tensor]:
    return {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for name, value in zip(NAMES, values, strict=True)
    }


def train(weighting: Weighting, *, steps: int = 6, skip: int = 0, network: Any = None, lr: float = 0.05) -> list[Any]:
    """Plain gradient descent, an epoch of three steps; the weights and the total of each step."""
    network = model() if network is None else network
    seen, log = [], []
    for step, batch in enumerate(pictures(skip + steps)[skip:], start=skip):
        losses = losses_of(network, batch)
        total = weighting.total(losses)
        network.zero_grad()
        total.backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= lr * parameter.grad
        weighting.learn()
        log.append((dict(weighting.last), total.item()))
        seen.append({name: loss.item() for name, loss in losses.items()})
        if step % 3 == 2:
            weighting.end_epoch({name: sum(each[name] for each in seen) / len(seen) for name in NAMES})
            seen = []
    return log


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("factors", [None, {"mask": 2.0, "box": 0.5, "class": 0.0}], ids=["", "factors"])
def test_the_weight_reported_is_the_derivative_of_the_total(name: str, factors: Any) -> None:
    weighting, network = MAKERS[name](), model()
    for step, batch in enumerate(pictures(7)):
        losses = losses_of(network, batch)
        foretold = weighting.weights(losses, factors)
        total = weighting.total(losses, factors)
        slopes = torch.autograd.grad(total, list(losses.values()))
        assert (
            weighting.last == foretold == pytest.approx(dict(zip(losses, map(float, slopes), strict=True)), abs=1e-12)
        )
        assert total.ndim == 0
        weighting.learn()
        if step % 2:
            weighting.end_epoch({key: loss.item() / (step + 1) for key, loss in losses.items()})
    if factors:
        assert weighting.last["class"] == 0


@pytest.mark.parametrize("name", MAKERS)
def test_a_state_comes_back_whole_through_a_file(name: str, tmp_path: Path) -> None:
    weighting, network = MAKERS[name](), model()
    train(weighting, steps=4, network=network)
    save_state(tmp_path / "state.safetensors", weighting.state_dict())
    parameters = {key: value.clone() for key, value in network.state_dict().items()}
    expected = train(weighting, steps=5, skip=4, network=network)
    other = MAKERS[name]()
    train(other, steps=2)  # whatever it was doing before
    other.load_state_dict(load_state(tmp_path / "state.safetensors"))
    network.load_state_dict(parameters)
    # The epoch under way when the state was taken is told from its rest alone in both.
    found = train(other, steps=5, skip=4, network=network)
    for (weights, total), (same_weights, same_total) in zip(expected, found, strict=True):
        assert same_weights == pytest.approx(weights, rel=1e-9)
        assert same_total == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("name", MAKERS)
def test_a_state_is_not_what_goes_on(name: str) -> None:
    """Kept in memory, to go back to: neither training on nor training on from it changes it."""
    weighting, network = MAKERS[name](), model()
    train(weighting, steps=4, network=network)
    state = weighting.state_dict()
    kept = copy.deepcopy(state)
    for _ in range(2):
        train(weighting, steps=5, skip=4, network=network)
        assert repr(state) == repr(kept)
        weighting.load_state_dict(state)


@pytest.mark.parametrize("name", LEARNED)
def test_what_a_weighting_has_learned_of_a_loss_stays_while_it_is_absent(name: str) -> None:
    weighting, network = MAKERS[name](), model()
    train(weighting, steps=6, network=network)
    one = weighting.state_dict()[LEARNED[name]]["values"]["mask"]
    for batch in pictures(5):
        losses = losses_of(network, batch)
        weighting.total({**losses, "mask": 0 * losses["mask"]})
        weighting.learn()
    later = weighting.state_dict()[LEARNED[name]]["values"]
    assert later["mask"] == one
    if name == "gradnorm":
        assert sum(later.values()) == pytest.approx(len(NAMES))


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("weights", "recorded", "function", "fixed")])
def test_what_moves_does_move(name: str) -> None:
    log = train(MAKERS[name](), steps=9)
    assert log[0][0] != pytest.approx(log[-1][0], rel=1e-6)


@pytest.mark.parametrize("name", LEARNED)
def test_what_adam_remembers_goes_with_the_name(name: str) -> None:
    """Taken up by a weighting with the losses in another order."""
    weighting, again, network = MAKERS[name](), make_weighting(name, NAMES[::-1]), model()
    train(weighting, steps=4, network=network)
    again.load_state_dict(weighting.state_dict())
    other = model()
    other.load_state_dict(network.state_dict())
    for (weights, _), (same, _) in zip(
        train(weighting, steps=3, skip=4, network=network), train(again, steps=3, skip=4, network=other), strict=True
    ):
        assert same == pytest.approx(weights, rel=1e-12)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("steps", [0, 4])
def test_nothing_is_learned_from_a_total_without_gradients(name: str, steps: int) -> None:
    weighting, network = MAKERS[name](), model()
    train(weighting, steps=steps, network=network)
    before = repr(weighting.state_dict())
    with torch.no_grad():
        assert not weighting.total(losses_of(network, pictures(1)[0])).requires_grad
    weighting.learn()
    assert repr(weighting.state_dict()) == before


# --- values by hand, from the papers' formulas


def test_uncertainty_by_hand() -> None:
    weighting = UncertaintyWeighting(NAMES, lr=0.1)
    losses = leaves(4.0, 0.5, 0.1)
    # s = 0: exp(0) L + 0 / 2.
    assert weighting.total(losses).item() == pytest.approx(4.6)
    weighting.learn()
    # d/ds = 1/2 - L: -3.5, 0, 0.4. Adam's first step is lr against its sign: s = 0.1, 0, -0.1.
    expected = {"mask": math.exp(-0.1), "box": 1.0, "class": math.exp(0.1)}
    assert weighting.weights(losses) == pytest.approx(expected)
    # The s_i / 2 are part of the total: (0.1 + 0 - 0.1) / 2 = 0 here, and of two losses alone 0.05.
    total = 4.0 * math.exp(-0.1) + 0.5 + 0.1 * math.exp(0.1)
    assert weighting.total(losses).item() == pytest.approx(total)
    pair = UncertaintyWeighting(["mask", "box"], lr=0.1)
    two = {"mask": torch.tensor(4.0), "box": torch.tensor(0.5)}
    pair.total(two), pair.learn()
    assert pair.total(two).item() == pytest.approx(4.0 * math.exp(-0.1) + 0.5 + 0.05)


def test_uncertainty_settles_at_one_over_twice_the_loss() -> None:
    weighting = UncertaintyWeighting(NAMES, lr=0.05)
    losses = leaves(4.0, 0.5, 0.1)
    for _ in range(600):
        weighting.total(losses), weighting.learn()
    assert weighting.last == pytest.approx({"mask": 1 / 8, "box": 1.0, "class": 5.0}, rel=1e-3)


def test_soft_optimal_by_hand() -> None:
    # 1 / L = 1, 2, 4 and T = 2: exponents 1/2, 1, 2.
    powers = [math.exp(0.5), math.exp(1.0), math.exp(2.0)]
    expected = {name: 3 * power / sum(powers) for name, power in zip(NAMES, powers, strict=True)}
    assert SoftOptimalWeighting(NAMES, temperature=2.0).weights(leaves(1.0, 0.5, 0.25)) == pytest.approx(expected)


def test_dwa_by_hand() -> None:
    weighting = DynamicWeightAveraging(NAMES)
    losses = leaves(1.0, 1.0, 1.0)
    weighting.end_epoch({"mask": 2.0, "box": 1.0, "class": 4.0})
    assert weighting.weights(losses) == dict.fromkeys(NAMES, 1.0)  # one epoch is no ratio yet
    weighting.end_epoch({"mask": 1.0, "box": 1.0, "class": 8.0})
    # Ratios 1/2, 1, 2 and T = 2: exponents 1/4, 1/2, 1.
    powers = [math.exp(0.25), math.exp(0.5), math.exp(1.0)]
    expected = {name: 3 * power / sum(powers) for name, power in zip(NAMES, powers, strict=True)}
    assert weighting.weights(losses) == pytest.approx(expected)


def test_a_loss_that_is_absent_for_an_epoch_is_none_of_those_that_dwa_shares_out() -> None:
    weighting = DynamicWeightAveraging(NAMES)
    weighting.end_epoch({"mask": 2.0, "box": 1.0, "class": 4.0})
    weighting.end_epoch({"mask": 1.0, "box": 0.0, "class": 8.0})
    powers = {"mask": math.exp(0.25), "class": math.exp(1.0)}
    expected = {name: 2 * power / sum(powers.values()) for name, power in powers.items()}
    assert weighting.weights(leaves(1.0, 0.0, 1.0)) == pytest.approx({**expected, "box": 1.0})


def test_rlw_is_a_softmax_of_normal_numbers() -> None:
    weighting = RandomLossWeighting(NAMES, seed=3)
    logs = []
    for _ in range(4000):
        weighting.total(leaves(1.0, 1.0, 1.0)), weighting.learn()
        assert sum(weighting.last.values()) == pytest.approx(3.0)
        logs.append([math.log(weighting.last[name]) for name in NAMES])
    drawn = torch.tensor(logs)
    # log w_i - log w_j = z_i - z_j has mean 0 and variance 2.
    gaps = drawn[:, 0] - drawn[:, 1]
    assert gaps.mean().item() == pytest.approx(0.0, abs=0.1)
    assert gaps.var().item() == pytest.approx(2.0, rel=0.1)
    assert drawn.exp().mean(0).tolist() == pytest.approx([1.0] * 3, rel=0.05)


def test_famo_by_hand() -> None:
    weighting = FAMO(NAMES, lr=0.1, gamma=0.0)
    # z = 1/3 each: weights are 1 / L_i over their sum, times 3: 1, 2, 4 over 7.
    first = leaves(1.0, 0.5, 0.25)
    assert weighting.total(first).item() == pytest.approx(9 / 7, rel=1e-6)
    assert weighting.last == pytest.approx({"mask": 3 / 7, "box": 6 / 7, "class": 12 / 7}, rel=1e-6)
    weighting.learn()
    # Mask halves, box stays, class stays: log-falls log 2, 0, 0, mean log 2 / 3. Gradient z (fall - mean): mask above
    # 0, the others below, so that Adam's first step takes xi to -0.1, 0.1, 0.1.
    second = leaves(0.5, 0.5, 0.25)
    weighting.total(second), weighting.learn()
    shares = [math.exp(-0.1) / 0.5, math.exp(0.1) / 0.5, math.exp(0.1) / 0.25]
    expected = {name: 3 * share / sum(shares) for name, share in zip(NAMES, shares, strict=True)}
    assert weighting.weights(second) == pytest.approx(expected, rel=1e-6)


def test_gradnorm_by_hand() -> None:
    weighting = GradNorm(["mask", "box"], alpha=1.0, lr=0.1)
    x = torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)

    def losses(mask: float, box: float) -> dict[str, Tensor]:
        # Gradients of norms 3 and 1; values as told.
        return {"mask": 3 * x[0] + mask - 3, "box": x[1] * 1.0 + x[0] * 0 + box - 1}

    assert weighting.total(losses(2.0, 2.0)).item() == pytest.approx(4.0)
    weighting.learn()
    # r = 1 for both: targets are the mean norm 2. Mask, 3, is above it and goes down; box, 1, goes up: 0.9 and 1.1.
    assert weighting.weights(losses(2.0, 2.0)) == pytest.approx({"mask": 0.9, "box": 1.1}, rel=1e-6)


@pytest.mark.parametrize("stored", [False, True])
def test_gradnorm_goes_by_the_first_value_other_than_0(stored: bool) -> None:
    """A batch without masks comes first: from then on as if it had not been, as far as ratios go."""
    x = torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)

    def losses(mask: float, box: float) -> dict[str, Tensor]:
        return {"mask": (x * x).sum() - 2 + mask, "box": (x * x).sum() - 2 + box}

    found = []
    for first in (0.0, 4.0):
        weighting = GradNorm(["mask", "box"], alpha=1.0, lr=0.1)
        for mask in (first, 4.0, 1.0):
            weighting.total(losses(mask, 2.0)), weighting.learn()
            if stored:
                weighting.load_state_dict(weighting.state_dict())
        found.append(weighting.weights(losses(1.0, 2.0)))
    assert found[0] == pytest.approx(found[1])
    assert found[0]["mask"] < 1 < found[0]["box"]  # mask has fallen to a quarter, box is where it was


def test_gradnorm_goes_by_the_gradients_of_all_batches_of_a_step() -> None:
    x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)

    def weights(*norms: float, look: bool = False) -> dict[str, float]:
        weighting = GradNorm(["mask", "box"], alpha=0.0, lr=0.1)
        for norm in norms:
            weighting.total({"mask": norm * x[0], "box": 2 * x[0]})
        if look:  # which teaches nothing
            weighting.weights({"mask": 9 * x[0], "box": 2 * x[0]})
        weighting.learn()
        return weighting.weights({"mask": x[0], "box": x[0]})

    # Means 3, 1 and 2 against 2: down, up, and no step.
    assert weights(5.0, 1.0) == weights(1.0, 5.0) == weights(3.0) == pytest.approx({"mask": 0.9, "box": 1.1})
    assert weights(0.5, 1.5) == weights(1.5, 0.5, look=True) == pytest.approx({"mask": 1.1, "box": 0.9})


def test_a_schedule_is_stretched_over_the_training() -> None:
    for epochs, expected in ((None, [0, 1, 1, 1]), (4, [0, 0, 1, 1]), (2, [0, 1, 1, 1])):
        weighting = RecordedWeighting(SCHEDULE, epochs=epochs)
        for index in expected:
            assert weighting.weights(leaves(1.0, 1.0, 1.0)) == SCHEDULE[index]
            weighting.end_epoch(dict.fromkeys(NAMES, 1.0))


def test_a_function_is_asked_once_an_epoch() -> None:
    asked = []

    def function(epoch: int) -> dict[str, float]:
        asked.append(epoch)
        return {"mask": 1.0, "box": float(epoch), "class": 0.0}

    weighting = EpochFunction(NAMES, function)
    for epoch in range(3):
        for _ in range(2):
            assert weighting.weights(leaves(1.0, 1.0, 1.0)) == {"mask": 1.0, "box": float(epoch), "class": 0.0}
        weighting.end_epoch(dict.fromkeys(NAMES, math.nan))
    assert asked == [0, 1, 2]


def test_a_function_need_not_know_an_epoch_after_the_last() -> None:
    plan = [{"mask": 1.0, "box": 2.0, "class": 0.0}]
    weighting = EpochFunction(NAMES, lambda epoch: plan[epoch])
    weighting.end_epoch(dict.fromkeys(NAMES, 1.0))
    again = EpochFunction(NAMES, lambda epoch: plan[epoch])
    again.load_state_dict(weighting.state_dict())
    assert again.state_dict() == {"epoch": 1}


# --- properties

SIZE = st.floats(1e-3, 1e3)
MIDDLE = st.floats(0.1, 10)  # where the 1e-8 that FAMO adds is far away


@pytest.mark.parametrize("name", [*(n for n in BY_VALUES), "gradnorm"])
@settings(max_examples=10)
@given(seed=st.integers(0, 5))
def test_the_order_of_the_losses_does_not_matter(name: str, seed: int) -> None:
    batch = pictures(1, seed=seed)[0]
    for order in permutations(NAMES):
        weighting, network = MAKERS[name](), model(seed)
        reference, losses = MAKERS[name](), losses_of(network, batch)
        for _ in range(3):
            reference.total(losses), reference.learn()
            weighting.total({key: losses[key] for key in order}), weighting.learn()
            assert weighting.last == pytest.approx(reference.last, rel=1e-9)
        assert list(weighting.last) == list(order)


@pytest.mark.parametrize("name", ["mgda", "imtl-g", "aligned-mtl", "upgrad", "cagrad"])
def test_the_order_of_the_losses_does_not_matter_to_solvers(name: str) -> None:
    losses = losses_of(model(), pictures(1)[0])
    expected = MAKERS[name]().weights(losses)
    for order in permutations(NAMES):
        found = MAKERS[name]().weights({key: losses[key] for key in order})
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-3)


@given(first=st.lists(SIZE, min_size=3, max_size=3), second=st.lists(SIZE, min_size=3, max_size=3), scale=SIZE)
def test_the_scale_of_a_loss_does_not_matter_to_dwa(first: list[float], second: list[float], scale: float) -> None:
    found = []
    for factor in (1.0, scale):
        weighting = DynamicWeightAveraging(NAMES)
        for values in (first, second):
            weighting.end_epoch({"mask": factor * values[0], "box": values[1], "class": values[2]})
        found.append(weighting.weights(leaves(1.0, 1.0, 1.0)))
    assert found[0] == pytest.approx(found[1], rel=1e-9)


@settings(max_examples=30)
@given(values=st.lists(st.lists(MIDDLE, min_size=3, max_size=3), min_size=2, max_size=4), scale=MIDDLE)
def test_what_a_scaled_loss_adds_to_the_total_of_famo_stays(values: list[list[float]], scale: float) -> None:
    parts = []
    for factor in (1.0, scale):
        weighting = FAMO(NAMES)
        for mask, box, kind in values:
            losses = leaves(factor * mask, box, kind)
            weighting.total(losses), weighting.learn()
        raw = {name: weighting.last[name] * losses[name].item() for name in NAMES}
        parts.append({name: part / sum(raw.values()) for name, part in raw.items()})
    assert parts[0] == pytest.approx(parts[1], rel=1e-5)


@given(values=st.lists(SIZE, min_size=3, max_size=3), scale=st.floats(0.1, 10))
def test_scaling_all_losses_and_the_temperature_leaves_uw_so(values: list[float], scale: float) -> None:
    plain = SoftOptimalWeighting(NAMES, temperature=2.0).weights(leaves(*values))
    scaled = SoftOptimalWeighting(NAMES, temperature=2.0 / scale).weights(leaves(*(scale * v for v in values)))
    assert plain == pytest.approx(scaled, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ["uw-so", "dwa", "rlw", "famo", "gradnorm", "mgda", "imtl-g"])
def test_weights_sum_to_the_number_of_losses(name: str) -> None:
    for weights, _ in train(MAKERS[name](), steps=6):
        assert sum(weights.values()) == pytest.approx(3.0)


# --- losses out of range


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_named_and_nothing_is_learned_from_it(name: str, bad: float) -> None:
    weighting, network = MAKERS[name](), model()
    train(weighting, steps=3)
    before = str(weighting.state_dict())
    losses = losses_of(network, pictures(1)[0])
    losses["box"] = losses["box"] * bad
    with pytest.raises(LossError, match=r"not finite: box = (nan|-?inf)"):
        weighting.total(losses)
    weighting.learn()
    assert str(weighting.state_dict()) == before


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e30])
def test_tiny_and_huge_losses_have_finite_weights_or_a_named_error(name: str, size: float) -> None:
    weighting, network = MAKERS[name](), model()
    for batch in pictures(4):
        losses = losses_of(network, batch)
        losses["box"] = losses["box"] * size
        try:
            total = weighting.total(losses)
        except LossError as error:
            assert name in ("nash-mtl", "imtl-g"), error  # noqa: PT017
            assert "box" in str(error) or "no finite weight" in str(error)  # noqa: PT017
            continue
        assert all(math.isfinite(weight) for weight in weighting.last.values())
        assert math.isfinite(total.item())
        weighting.learn()
        weighting.end_epoch({key: loss.item() for key, loss in losses.items()})


@pytest.mark.parametrize(
    "name", ["uw-so", "rlw", "famo", "pcgrad", "mgda", "upgrad", "imtl-g", "aligned-mtl", "cagrad"]
)
def test_a_loss_of_exactly_0_has_weight_0_and_the_others_share(name: str) -> None:
    losses = losses_of(model(), pictures(1)[0])
    losses["box"] = losses["box"] * 0
    weights = MAKERS[name]().weights(losses)
    assert weights["box"] == 0
    pair = make_weighting(name, ["mask", "class"]).weights({key: losses[key] for key in ("mask", "class")})
    if name != "rlw":  # whose draws go by all names
        assert {key: weights[key] for key in pair} == pytest.approx(pair)
    else:
        assert sum(weights.values()) == pytest.approx(2.0)


@pytest.mark.parametrize("name", [name for name in WEIGHTINGS if name not in BY_GRADIENTS])
def test_all_losses_0_are_no_error(name: str) -> None:
    weighting = MAKERS[name]()
    for _ in range(3):
        total = weighting.total(leaves(0.0, 0.0, 0.0))
        total.backward()
        weighting.learn()
        weighting.end_epoch(dict.fromkeys(NAMES, 0.0))
        assert math.isfinite(total.item())


def test_uw_so_gives_all_to_a_loss_near_0() -> None:
    assert SoftOptimalWeighting(NAMES).weights(leaves(1.0, 1e-30, 1.0)) == {"mask": 0.0, "box": 3.0, "class": 0.0}


@pytest.mark.parametrize("kind", [FAMO, UncertaintyWeighting])
def test_losses_below_0_are_refused_where_they_have_no_weight(kind: type[Weighting]) -> None:
    with pytest.raises(LossError, match=rf"{kind.__name__} needs losses of at least 0, box = -0\.5; add a constant"):
        kind(NAMES).total(leaves(1.0, -0.5, 1.0))


def test_an_epoch_whose_means_say_nothing_leaves_dwa_as_it_was() -> None:
    weighting = DynamicWeightAveraging(NAMES)
    for values in (dict.fromkeys(NAMES, 1.0), dict.fromkeys(NAMES, math.nan)):
        weighting.end_epoch(values)
    assert weighting.weights(leaves(1.0, 1.0, 1.0)) == pytest.approx(dict.fromkeys(NAMES, 1.0))


# --- what does not fit


@pytest.mark.parametrize("name", MAKERS)
def test_names_that_do_not_fit_are_refused(name: str) -> None:
    losses = losses_of(model(), pictures(1)[0])
    with pytest.raises(LossError, match="missing: class"):
        MAKERS[name]().total({key: losses[key] for key in ("mask", "box")})
    with pytest.raises(LossError, match="unknown: extra"):
        MAKERS[name]().total({**losses, "extra": losses["mask"]})
    with pytest.raises(LossError, match="factors and losses do not fit: missing: box"):
        MAKERS[name]().total(losses, {"mask": 1.0, "class": 1.0})


@pytest.mark.parametrize("two", [np.float32(2), np.int64(2), torch.tensor(2.0), torch.tensor(2), Fraction(2)])
def test_a_weight_is_anything_that_is_a_number(two: Any) -> None:
    (weight,) = check_weights({"a": two}).values()
    assert (type(weight), weight) == (float, 2.0)


@pytest.mark.parametrize(
    "bad", [True, "2.0", None, [2.0], 1j, 10**400, -1.0, math.inf, np.float32("nan"), torch.ones(2), np.ones(2)]
)
def test_a_weight_that_is_not_usable_is_named(bad: Any) -> None:
    with pytest.raises(LossError, match=re.escape(f"weight {bad!r} of a is not usable")):
        check_weights({"a": bad})


def test_a_loss_with_a_shape_is_refused() -> None:
    losses: dict[str, Any] = {**leaves(1.0, 1.0, 1.0), "box": torch.ones(2)}
    with pytest.raises(LossError, match=r"loss box is \(2,\), not a 0-d tensor"):
        make_weighting("fixed", NAMES).total(losses)
    with pytest.raises(LossError, match="loss box is float; give a 0-d tensor"):
        make_weighting("fixed", NAMES).total({**losses, "box": 1.0})


def test_a_loss_on_the_processor_is_taken_to_the_others() -> None:
    """The meta device stands for a GPU: it has shapes and no numbers."""
    there = torch.zeros((), device="meta", requires_grad=True)
    for losses in ({"a": there, "b": torch.tensor(1.0)}, {"a": torch.tensor(1.0), "b": there}):
        total = weighted_sum(losses, {"a": 1.0, "b": 2.0})
        assert (total.device.type, total.requires_grad) == ("meta", True)


def test_losses_that_share_nothing_have_no_conflict() -> None:
    with pytest.raises(LossError, match="share no parameters"):
        make_weighting("pcgrad", NAMES).total({key: value * 2 for key, value in leaves(1.0, 1.0, 1.0).items()})


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: make_weighting("fammo", NAMES), "unknown weighting 'fammo'; did you mean famo"),
        (lambda: make_weighting("famo", NAMES, {"gama": 1}), "has no setting 'gama'; did you mean gamma"),
        (lambda: make_weighting("fixed", NAMES, {"lr": 1}), "has no setting 'lr'; it has none"),
        (
            lambda: make_weighting("uw-so", NAMES, {"temperature": "warm"}),
            "of weighting uw-so is not usable; it is a number",
        ),
        (lambda: make_weighting("rlw", NAMES, {"seed": "x"}), "of weighting rlw is not usable; it is a number"),
        (lambda: make_weighting("upgrad", NAMES, {"losses": 1}), "has no setting 'losses'"),
        (lambda: make_weighting("mgda", NAMES, {"epsilons": 1}), "settings of weighting mgda are not usable"),
        (lambda: DynamicWeightAveraging(NAMES, temperature=0.0), "temperature = 0.0"),
        (lambda: SoftOptimalWeighting(NAMES, temperature=-1.0), "temperature = -1.0"),
        (lambda: RecordedWeighting([]), "a schedule of 0 entries"),
        (lambda: RecordedWeighting([1.0, 2.0]), r"entry 0 of the schedule is 1\.0; an entry gives weights by name"),  # type: ignore[list-item]
        (lambda: RecordedWeighting([*SCHEDULE, None]), "entry 2 of the schedule is None"),  # type: ignore[list-item]
        (lambda: ControlledWeighting(Share(), epochs=0), "epochs = 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make()


def test_a_function_that_gives_other_names_is_refused_with_its_epoch() -> None:
    weighting = EpochFunction(NAMES, lambda epoch: {"mask": 1.0, "box": 1.0} | ({} if epoch else {"class": 1.0}))
    weighting.end_epoch(dict.fromkeys(NAMES, 1.0))
    with pytest.raises(LossError, match="weights of epoch 1 and losses do not fit: missing: class"):
        weighting.weights(leaves(1.0, 1.0, 1.0))


def test_a_state_of_other_losses_is_refused() -> None:
    other = UncertaintyWeighting(["mask"])
    with pytest.raises(LossError, match="names of the losses do not fit"):
        UncertaintyWeighting(NAMES).load_state_dict(other.state_dict())


def test_half_precision_losses_make_a_total_in_single_precision() -> None:
    losses = {name: torch.tensor(60000.0, dtype=torch.float16, requires_grad=True) for name in NAMES}
    total = make_weighting("fixed", NAMES).total(losses)
    assert total.dtype == torch.float32
    assert total.item() == 180000.0
