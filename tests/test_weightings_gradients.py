"""Weightings that look at gradients: TorchJD's methods by hand, the shared parameters, what is missing."""

import math
import pickle
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_losses import NAMES, losses_of, model, pictures
from torch import Tensor, nn

from ada_segment.errors import ConfigError, LossError
from ada_segment.weighting.conflict import METHODS, ConflictWeighting
from ada_segment.weighting.gradients import gramian, shared_parameters
from ada_segment.weighting.gradnorm import GradNorm
from ada_segment.weighting.registry import make_weighting

Rows = list[list[float]]
THREE = ["mask", "box", "class"]

ALONE: Rows = [[1.0, 0.0], [0.0, 1.0]]
LONGER: Rows = [[1.0, 0.0], [0.0, 2.0]]
# Inner products 1, -1/2, 4.
AGAINST: Rows = [[1.0, 0.0], [-0.5, math.sqrt(3.75)]]


def losses_with(rows: Rows) -> dict[str, Tensor]:
    """Losses whose gradients with respect to what they share are the rows."""
    x = torch.zeros(len(rows[0]), dtype=torch.float64, requires_grad=True)
    return {name: torch.tensor(row, dtype=torch.float64) @ x + 1 for name, row in zip(THREE, rows, strict=False)}


@pytest.mark.parametrize(
    ("method", "rows", "expected"),
    [
        # Nothing meets: each gradient as it is. CAGrad adds c = 1/2 of the mean gradient in its direction.
        ("pcgrad", ALONE, (1.0, 1.0)),
        ("upgrad", ALONE, (1.0, 1.0)),
        ("mgda", ALONE, (1.0, 1.0)),
        ("imtl-g", ALONE, (1.0, 1.0)),
        ("aligned-mtl", ALONE, (1.0, 1.0)),
        ("cagrad", ALONE, (1.5, 1.5)),
        # g1 + (0.5 / 4) g2 and g2 + (0.5 / 1) g1: each without its part against the other.
        ("pcgrad", AGAINST, (1.5, 1.125)),
        ("upgrad", AGAINST, (1.5, 1.125)),
        # The shortest convex combination: (4 + 0.5) / (1 + 4 + 2 * 0.5) = 3/4 of g1; times 2 losses.
        ("mgda", AGAINST, (1.5, 0.5)),
        # G w = (|g1|, |g2|) = (1, 2), so that all projections are level: w ~ (5, 2.5), scaled to sum to 2.
        ("imtl-g", AGAINST, (4 / 3, 2 / 3)),
        # Each direction as long as the shortest, 1: the second gradient is halved.
        ("aligned-mtl", LONGER, (1.0, 0.5)),
        # alpha_i (G alpha)_i = 1, alpha_i = 1 / |g_i|: g1 + g2 / 2 of length sqrt 2, brought to length 1.
        ("nash-mtl", LONGER, (1 / math.sqrt(2), 0.5 / math.sqrt(2))),
    ],
)
def test_torchjd_by_hand(method: str, rows: Rows, expected: tuple[float, float]) -> None:
    weighting = make_weighting(method, ["mask", "box"])
    assert tuple(weighting.weights(losses_with(rows)).values()) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("rows", [ALONE, AGAINST, [[1.0, 0.0], [0.0, 1e-5]], [[1.0, 0.0], [-1.0, 0.0]]])
def test_cagrad_goes_on_however_small_gradients_are(rows: Rows, size: float) -> None:
    """Within c = 1/2 of the mean gradient, and so never 0 where the mean is not; the size of all does not matter."""
    weighting, losses = make_weighting("cagrad", ["mask", "box"]), losses_with([[size * x for x in r] for r in rows])
    weights = torch.tensor(list(weighting.weights(losses).values()), dtype=torch.float64)
    gradients = torch.tensor(rows, dtype=torch.float64)
    mean = gradients.mean(0)
    assert torch.linalg.vector_norm(weights @ gradients / 2 - mean) <= 0.5 * torch.linalg.vector_norm(mean) + 1e-4
    assert tuple(make_weighting("cagrad", ["mask", "box"]).weights(losses_with(rows)).values()) == pytest.approx(
        tuple(weights.tolist()), rel=1e-3
    )


@pytest.mark.parametrize("method", METHODS)
@given(
    rows=arrays(np.float64, (3, 4), elements=st.floats(-1, 1).map(lambda x: round(x, 3))),
    size=st.sampled_from([1e-6, 1e-3, 1e3]),
)
def test_the_size_of_all_gradients_does_not_matter(method: str, rows: npt.NDArray[np.float64], size: float) -> None:
    """Other than to nash-mtl, whose total gradient has a length."""
    assume((np.linalg.norm(rows, axis=1) > 0.1).all() and np.linalg.svd(rows)[1][-1] > 0.05)
    first, second = (
        list(make_weighting(method, THREE).weights(losses_with(each.tolist())).values()) for each in (rows, size * rows)
    )
    assert np.asarray(second) * (size if method == "nash-mtl" else 1) == pytest.approx(np.asarray(first), rel=1e-3)


@given(rows=arrays(np.float64, (3, 4), elements=st.floats(-1, 1).map(lambda x: round(x, 3))))
def test_nash_mtl_solves_its_equation(rows: npt.NDArray[np.float64]) -> None:
    """Gradients that are independent, however much they are against each other and whatever their lengths."""
    assume((np.linalg.norm(rows, axis=1) > 0.1).all())
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) * [[1.0], [1e-3], [1e2]]
    found = make_weighting("nash-mtl", THREE, {"max_norm": 0}).weights(losses_with(rows.tolist()))
    weights = np.array(list(found.values()))
    assert (weights > 0).all()
    squares = (rows**2).sum(1)
    assert (weights * (rows @ rows.T @ weights)) == pytest.approx(1 - 1e-4 * squares * weights**2, abs=1e-3)


@pytest.mark.parametrize("method", ["upgrad", "nash-mtl"])
@pytest.mark.parametrize("angle", [2.5, 3.0, 3.1])
def test_gradients_much_against_each_other_go_down_together(method: str, angle: float) -> None:
    rows = torch.tensor([[1e-2, 0.0], [10 * math.cos(angle), 10 * math.sin(angle)]], dtype=torch.float64)
    found = make_weighting(method, ["mask", "box"]).weights(losses_with(rows.tolist()))
    weights = torch.tensor(list(found.values()), dtype=torch.float64)
    along = rows @ (weights @ rows) / torch.linalg.vector_norm(rows, dim=1)
    assert (along > -0.01).all()  # of 10


@pytest.mark.parametrize("angle", [3.0, math.pi])
def test_nash_mtl_is_bounded_where_nothing_can_be_agreed_on(angle: float) -> None:
    """Opposite gradients cancel, and each counts by its length."""
    rows = [[1.0, 0.0], [4 * math.cos(angle), 4 * math.sin(angle)]]
    weights = make_weighting("nash-mtl", ["mask", "box"]).weights(losses_with(rows))
    assert weights["mask"] == pytest.approx(4 * weights["box"])
    assert weights["mask"] <= 1 / math.sqrt(2 * 1e-4) + 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_gradients_that_are_not_finite_are_named(method: str) -> None:
    """As half precision has them at times; a loop may leave such a step out."""
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    losses = {"mask": x.sum(), "box": (x * 1e300).sum() * 1e300 + 1}
    with pytest.raises(LossError, match=r"needs finite gradients; those of box are not"):
        make_weighting(method, ["mask", "box"]).weights(losses)


@pytest.mark.parametrize("bound", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize(("method", "key"), [("nash-mtl", "max_norm"), ("cagrad", "c")])
def test_a_length_out_of_range_is_refused(method: str, key: str, bound: float) -> None:
    with pytest.raises(ConfigError, match=f"settings of weighting {method} are not usable: {key} = {bound}"):
        make_weighting(method, NAMES, {key: bound})


def test_cagrad_is_best_among_all_mixtures() -> None:
    """The dual of CAGrad (Liu et al. 2021, equation 5) by trying a thousand mixtures."""
    g = torch.tensor(AGAINST, dtype=torch.float64)
    mean, best = g.mean(0), (math.inf, torch.zeros(2, dtype=torch.float64))
    for share in torch.linspace(0, 1, 1001, dtype=torch.float64):
        w = torch.stack([share, 1 - share])
        value = (g.T @ w) @ mean + 0.5 * mean.norm() * (g.T @ w).norm()
        best = min(best, (value.item(), w), key=lambda pair: pair[0])
    w = best[1]
    direction = mean + 0.5 * mean.norm() / (g.T @ w).norm() * (g.T @ w)
    weights = make_weighting("cagrad", ["mask", "box"]).weights(losses_with(AGAINST))
    found = torch.tensor([weights["mask"], weights["box"]], dtype=torch.float64) @ g / 2
    assert found.tolist() == pytest.approx(direction.tolist(), rel=5e-3)


@pytest.mark.parametrize("method", [*METHODS, "gradnorm"])
def test_the_gradient_is_the_weighted_sum_of_all_parameters_gradients(method: str) -> None:
    network = model()
    losses = losses_of(network, pictures(1)[0])
    parameters = list(network.parameters())
    alone = {name: torch.autograd.grad(loss, parameters, retain_graph=True) for name, loss in losses.items()}
    weighting = make_weighting(method, NAMES)
    weighting.total(losses).backward()
    for index, parameter in enumerate(parameters):
        expected = sum(weighting.last[name] * alone[name][index] for name in NAMES)
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, expected)


def test_shared_parameters_are_those_that_two_losses_reach() -> None:
    trunk, left, right = nn.Linear(2, 2), nn.Linear(2, 1), nn.Linear(2, 1)
    frozen = nn.Linear(2, 2).requires_grad_(False)
    features = trunk(frozen(torch.ones(1, 2)))
    losses = {"mask": left(features).sum(), "box": right(features).sum(), "class": right(torch.ones(1, 2)).sum() * 2}
    shared = shared_parameters(losses)
    assert set(map(id, shared)) == set(map(id, [*trunk.parameters(), *right.parameters()]))


def test_the_gramian_holds_the_inner_products_of_the_gradients() -> None:
    network = model()
    losses = losses_of(network, pictures(1)[0])
    parameters = list(network.parameters())
    rows = [
        torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, parameters, retain_graph=True)])
        for loss in losses.values()
    ]
    expected = torch.stack(rows) @ torch.stack(rows).T
    assert torch.allclose(gramian(losses, parameters, None), expected, rtol=1e-5)
    constant = {**losses, "class": torch.tensor(1.0)}
    assert gramian(constant, parameters, None)[2].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("method", ["gradnorm", "pcgrad"])
def test_a_user_may_name_the_shared_parameters(method: str) -> None:
    network = model()
    last = [network[0].bias]  # type: ignore[index]
    losses = losses_of(network, pictures(1)[0])
    named = make_weighting(method, NAMES, {"shared": last})
    named.total(losses)
    if isinstance(named, GradNorm):
        expected = [torch.autograd.grad(loss, last, retain_graph=True)[0].norm().item() for loss in losses.values()]
        assert [named._norms[0][name] for name in losses] == pytest.approx(expected, rel=1e-5)
    else:
        assert named.last != make_weighting(method, NAMES).weights(losses)


@pytest.mark.parametrize("method", [*METHODS, "gradnorm"])
def test_a_parameter_alone_may_be_named(method: str) -> None:
    network, batch = model(), pictures(1)[0]
    layer = next(iter(network.parameters()))
    named = make_weighting(method, NAMES, {"shared": layer}).weights(losses_of(network, batch))
    assert named == make_weighting(method, NAMES, {"shared": [layer]}).weights(losses_of(network, batch))
    assert any(named.values())


@pytest.mark.parametrize("method", ["gradnorm", "upgrad"])
def test_parameters_that_no_loss_reaches_are_refused(method: str) -> None:
    network, another = model(), model()
    weighting = make_weighting(method, NAMES, {"shared": another.parameters()})
    with pytest.raises(LossError, match="losses box, class, mask reach none of the shared parameters"):
        weighting.weights(losses_of(network, pictures(1)[0]))


@pytest.mark.parametrize("method", ["gradnorm", "upgrad"])
@pytest.mark.parametrize(
    ("shared", "says"),
    [([], "shared is empty"), (list(model().named_parameters()), "shared holds tuple; give")],
)
def test_shared_are_parameters(method: str, shared: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_weighting(method, NAMES, {"shared": shared})


@pytest.mark.parametrize("method", [*METHODS, "gradnorm"])
def test_a_batch_may_have_one_loss_alone(method: str) -> None:
    """As one without instances has; where weights are shared out, all is for the loss that is there."""
    x = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    weighting = make_weighting(method, ["mask", "box"])
    weighting.total({"mask": x.sum(), "box": torch.zeros(())}).backward()
    weighting.learn()
    expected = {"cagrad": 1.5, "nash-mtl": 1 / math.sqrt(2)}.get(method, 1.0)
    assert weighting.last == pytest.approx({"mask": expected, "box": 1.0 if method == "gradnorm" else 0.0}, rel=1e-4)
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([expected] * 2, rel=1e-4)


@pytest.mark.parametrize("method", [*METHODS, "gradnorm"])
def test_a_weighting_goes_through_pickle(method: str) -> None:
    network, (first, second) = model(), pictures(2)
    weighting = make_weighting(method, NAMES)
    weighting.total(losses_of(network, first))
    weighting.learn()
    again = pickle.loads(pickle.dumps(weighting))
    assert again.weights(losses_of(network, second)) == weighting.weights(losses_of(network, second))


def test_gradnorm_brings_gradients_to_one_size() -> None:
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    weighting = GradNorm(["mask", "box"], alpha=0.0, lr=0.02)
    for _ in range(300):
        weighting.total({"mask": 9 * x[0] + 0 * x[1], "box": x[1] + 0 * x[0]}), weighting.learn()
    # 9 w = 2 - w.
    assert weighting.last == pytest.approx({"mask": 0.2, "box": 1.8}, rel=0.1)


def test_pcgrad_draws_its_order_apart_from_everything_else() -> None:
    losses = losses_of(model(), pictures(1)[0])
    before = torch.get_rng_state()
    weighting = make_weighting("pcgrad", NAMES, seed=4)
    first = weighting.weights(losses)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert weighting.weights(losses) == first


@pytest.mark.parametrize("method", ["pcgrad", "mgda"])
def test_no_method_seeds_the_devices(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step would draw the same dropout as the one before."""
    weighting, losses, seeded = make_weighting(method, NAMES), losses_of(model(), pictures(1)[0]), []
    for device in (torch.cuda, torch.xpu, torch.mps):
        for name in ("manual_seed", "manual_seed_all"):
            monkeypatch.setattr(device, name, seeded.append, raising=False)
    weighting.weights(losses)
    assert not seeded


@pytest.mark.parametrize("method", [*METHODS, "gradnorm"])
def test_the_order_of_the_dict_changes_nothing(method: str) -> None:
    """To the last bit: processes whose dicts differ in order take means of the same gradients, in the same order."""
    network, both = model(), []
    for order in (NAMES, NAMES[::-1]):
        weighting, shapes = make_weighting(method, NAMES), []
        weighting.average = lambda tensor, shapes=shapes: shapes.append(tensor.sum().item()) or tensor
        for batch in pictures(3):
            losses = losses_of(network, batch)
            weighting.total({name: losses[name] for name in order})
            assert list(weighting.last) == list(order)
            weighting.learn()
        both.append((weighting.last, weighting.state_dict(), shapes))
    assert both[0] == both[1]


def test_the_gramian_is_on_the_processor_whatever_the_default_device_is() -> None:
    network = model()
    losses = losses_of(network, pictures(1)[0])
    with torch.device("meta"):
        products = gramian(losses, list(network.parameters()), None)
    assert products.device.type == "cpu"


@pytest.mark.parametrize(("missing", "method"), [("torchjd", "mgda"), ("cvxpy", "cagrad"), ("quadprog", "upgrad")])
def test_what_is_missing_is_named_with_the_way_to_get_it(
    missing: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_weighting(method, NAMES)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=rf"weighting {method} needs TorchJD .*ada-segment\[torchjd\]"):
        make_weighting(method, NAMES)


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(ConfigError, match="method 'pcgard' is unknown"):
        ConflictWeighting(NAMES, "pcgard")
    settings: dict[str, Any] = {"c": 0.0}
    assert make_weighting("cagrad", ["mask", "box"], settings).weights(losses_with(AGAINST)) == pytest.approx(
        {"mask": 1.0, "box": 1.0}
    )
