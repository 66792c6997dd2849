"""LossBalancer in plain PyTorch: mixed precision, accumulation, compile, processes, states, every way to name it."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from balanced_training import flat, one_rank, train
from hypothesis import given
from hypothesis import strategies as st
from made_losses import NAMES, losses_of, model, pictures
from torch import multiprocessing
from toy_members import QuadraticMember

from ada_segment import LossBalancer, load_controller, search
from ada_segment.errors import ConfigError, LossError, RunError
from ada_segment.population.journal import read_journal, write_journal
from ada_segment.report.history import read_history
from ada_segment.storage import load_state, save_state
from ada_segment.weighting.base import loss_values
from ada_segment.weighting.famo import FAMO
from ada_segment.weighting.registry import WEIGHTINGS

WEIGHTS = {"mask": 1.0, "box": 0.5, "class": 2.0}
# The total is linear in the losses, with weights that do not hang on how a batch is cut into parts.
LINEAR = ["fixed", "dwa", "rlw", "uncertainty"]
METHODS = [*WEIGHTINGS]
# The other methods by gradients differ from these in one processor's arithmetic alone, and import for seconds.
IN_TWO = ["fixed", "uncertainty", "uw-so", "dwa", "rlw", "famo", "gradnorm", "pcgrad", "imtl-g", "aligned-mtl"]


def test_a_plain_loop() -> None:
    network = model()
    balancer = LossBalancer(WEIGHTS)
    losses = losses_of(network, pictures(1)[0])
    total = balancer(losses)
    assert total.item() == pytest.approx(sum(WEIGHTS[name] * losses[name].item() for name in NAMES))
    assert balancer.weights == WEIGHTS
    assert balancer.losses == NAMES


def test_the_journal_is_that_of_a_run(tmp_path: Path) -> None:
    network, balancer = model(), LossBalancer("famo", NAMES)
    seen = []
    for metric in (40.0, torch.tensor(41.5)):
        for batch in pictures(3):
            losses = losses_of(network, batch)
            balancer(losses)
            seen.append((balancer.weights, {name: loss.item() for name, loss in losses.items()}))
        record = balancer.end_epoch(metric=metric)  # type: ignore[arg-type]  # a 0-d tensor serves too
        for key, index in (("weights", 0), ("losses", 1)):
            means = {name: sum(each[index][name] for each in seen[-3:]) / 3 for name in NAMES}
            assert record["members"][0][key] == pytest.approx(means)
    write_journal(tmp_path / "history.jsonl", balancer.journal)
    assert read_journal(tmp_path / "history.jsonl") == json.loads(json.dumps(balancer.journal))
    history = read_history(tmp_path)
    assert [record.members[0].reward for record in history.rounds] == [40.0, 41.5]
    assert history.losses == NAMES


@pytest.mark.parametrize("metric", [math.nan, math.inf])
def test_a_metric_that_is_not_finite_is_none_in_the_journal(metric: float, tmp_path: Path) -> None:
    balancer = LossBalancer(WEIGHTS)
    balancer(losses_of(model(), pictures(1)[0]))
    assert balancer.end_epoch(metric)["members"][0]["reward"] is None
    write_journal(tmp_path / "history.jsonl", balancer.journal)


@pytest.mark.parametrize("method", METHODS)
def test_before_the_first_total_the_weights_are_those_that_it_starts_with(method: str) -> None:
    losses = losses_of(model(), pictures(1)[0])
    plain, off = LossBalancer(method, NAMES, seed=1), LossBalancer(method, NAMES, defaults={"box": 0.0})
    assert sum(plain.weights_now.values()) == pytest.approx(3.0)
    assert off.weights_now["box"] == 0.0
    assert plain.state_dict() == LossBalancer(method, NAMES).state_dict()
    plain(losses)
    assert plain.weights_now == plain.weights


def test_defaults_are_what_a_method_starts_from() -> None:
    balancer = LossBalancer("dwa", NAMES, defaults={"box": 0.25, "class": 0.0})
    network = model()
    losses = losses_of(network, pictures(1)[0])
    slopes = torch.autograd.grad(balancer(losses), list(losses.values()))
    assert balancer.weights == {"mask": 1.0, "box": 0.25, "class": 0.0}
    assert [slope.item() for slope in slopes] == [1.0, 0.25, 0.0]


@given(st.lists(st.tuples(*[st.floats(0.1, 10.0)] * 3), min_size=3, max_size=5))
def test_what_a_loss_does_that_is_switched_off_moves_no_weight_of_dwa(epochs: list[tuple[float, ...]]) -> None:
    """It is not trained, and may rise without end."""
    off, pair = LossBalancer("dwa", NAMES, defaults={"box": 0.0}), LossBalancer("dwa", ["mask", "class"])
    for values in epochs:
        losses = dict(zip(NAMES, (torch.tensor(value, requires_grad=True) for value in values), strict=True))
        off(losses)
        pair({name: losses[name] for name in ("mask", "class")})
        assert off.weights == pytest.approx({**pair.weights, "box": 0.0})
        off.end_epoch()
        pair.end_epoch()


@pytest.mark.parametrize("method", METHODS)
def test_a_weight_of_0_leaves_its_head_alone_and_the_rest_as_without_it(method: str) -> None:
    network, other = model(), model()
    balancer = LossBalancer(method, NAMES, defaults={"box": 0.0})
    train(balancer, network)
    assert balancer.weights["box"] == 0.0
    head, untouched = network[2].weight[1], model()[2].weight[1]  # type: ignore[index]
    assert torch.equal(head, untouched)
    assert network[2].weight.grad is not None  # type: ignore[index]  # it is in the graph, as DDP wants it
    if method in ("fixed", "uncertainty", "uw-so", "famo", "mgda"):
        pair = LossBalancer(method, ["mask", "class"])
        optimizer = torch.optim.SGD(other.parameters(), lr=0.05)
        for epoch in range(2):
            for batch in pictures(3, seed=epoch):
                losses = losses_of(other, batch)
                optimizer.zero_grad()
                pair({name: losses[name] for name in ("mask", "class")}).backward()
                optimizer.step()
            pair.end_epoch()
        assert torch.allclose(flat(network), flat(other), rtol=1e-6)


@pytest.mark.parametrize("method", LINEAR)
def test_parts_that_accumulate_train_as_the_whole_batch(method: str) -> None:
    whole, parted = model(), model()
    train(LossBalancer(method, NAMES), whole, epochs=3)
    train(LossBalancer(method, NAMES, accumulate=4), parted, epochs=3, parts=4)
    assert torch.allclose(flat(whole), flat(parted), rtol=1e-9)


def test_a_method_learns_once_a_step_from_the_mean_of_its_parts() -> None:
    parts = LossBalancer("uncertainty", NAMES, accumulate=2)
    whole = LossBalancer("uncertainty", NAMES)
    network = model()
    for batch in pictures(4):
        for part in batch.chunk(2):
            parts(losses_of(network, part))
        whole(losses_of(network, batch))
    assert parts.weighting.state_dict()["s"]["values"] == pytest.approx(whole.weighting.state_dict()["s"]["values"])


@pytest.mark.parametrize("method", ["uncertainty", "famo", "gradnorm"])
@pytest.mark.parametrize("accumulate", [2, 4])
def test_a_loss_that_some_parts_lack_is_learned_from_by_those_that_have_it(method: str, accumulate: int) -> None:
    """Two losses that are alike stay alike, though a batch without instances, now and then, has but one of them."""
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    balancer = LossBalancer(method, ["box", "mask"], accumulate=accumulate)
    for index in range(16):
        balancer({"box": x[0] * x[1], "mask": (index % 2) * x[0] * x[1]}).backward()
    balancer.end_epoch()
    balancer({"box": x[0] * x[1], "mask": x[0] * x[1]})
    assert balancer.weights["mask"] == pytest.approx(balancer.weights["box"])


def test_a_loss_that_some_processes_lack_has_the_mean_of_the_others() -> None:
    losses = {name: torch.tensor(value) for name, value in (("box", 3.0), ("class", 0.0), ("mask", 0.0))}
    others = torch.tensor([[5.0, 0.0, 8.0], [1.0, 0.0, 1.0]])
    assert loss_values(losses, lambda ours: (ours + others) / 2) == {"box": 4.0, "class": 0.0, "mask": 8.0}


@pytest.mark.parametrize("method", ["famo", "gradnorm"])
def test_a_new_epoch_forgets_the_parts_of_a_step_that_was_broken_off(method: str) -> None:
    network, states = model(), []
    for broken_off in (0, 2):
        balancer = LossBalancer(method, NAMES, accumulate=4)
        for batch in pictures(broken_off, seed=9):
            balancer(losses_of(network, batch))
        balancer.begin_epoch()
        for batch in pictures(4):
            balancer(losses_of(network, batch))
        states.append(repr(balancer.weighting.state_dict()))
    assert states[0] == states[1]


def test_an_epoch_that_cuts_an_accumulation_short_learns_from_what_there_was() -> None:
    balancer = LossBalancer("rlw", NAMES, accumulate=4)
    for batch in pictures(6):
        balancer(losses_of(model(), batch))
    balancer.end_epoch()
    assert balancer.weighting.state_dict() == {"steps": 2}


@pytest.mark.parametrize("refused", [2, 3])
def test_a_refused_batch_counts_as_one_of_its_step(refused: int) -> None:
    """The loop steps after every second batch, whether or not one of them was left out, the last one too."""
    balancer, learned = LossBalancer("rlw", NAMES, accumulate=2), []
    for index, batch in enumerate(pictures(8)):
        losses = losses_of(model(), batch)
        if index == refused:
            with pytest.raises(LossError, match="not finite"):
                balancer({**losses, "box": losses["box"] * math.nan})
        else:
            balancer(losses)
        learned.append(balancer.weighting.state_dict()["steps"])
    assert learned == [0, 1, 1, 2, 2, 3, 3, 4]
    state = balancer.state_dict()
    assert state["count"] == 7
    again = LossBalancer("rlw", NAMES, accumulate=2)
    again.load_state_dict(state)
    again(losses_of(model(), pictures(1)[0]))
    assert again.weighting.state_dict() == {"steps": 4}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("epochs", [0, 2])
def test_a_validation_is_neither_learned_from_nor_counted(method: str, epochs: int) -> None:
    network, balancer = model(), LossBalancer(method, NAMES, accumulate=2)
    train(balancer, network, epochs=epochs, parts=2)
    balancer(losses_of(network, pictures(1)[0]))  # in the middle of a step
    before, weights = repr(balancer.state_dict()), balancer.weights
    for batch in pictures(3, seed=5):
        with torch.no_grad():
            losses = losses_of(network, batch)
            total = balancer(losses)
        assert total.item() == pytest.approx(sum(weights[name] * losses[name].item() for name in NAMES))
    assert repr(balancer.state_dict()) == before
    assert balancer.weights == weights


@pytest.mark.parametrize("method", METHODS)
def test_a_validation_may_come_before_any_training(method: str) -> None:
    network, balancer = model(), LossBalancer(method, NAMES)
    with torch.inference_mode():
        assert math.isfinite(balancer(losses_of(network, pictures(1)[0])).item())
        with pytest.raises(LossError, match="missing: mask"):
            balancer({"box": torch.tensor(1.0), "class": torch.tensor(1.0)})
        with pytest.raises(LossError, match="loss mask is float; give a 0-d tensor"):
            balancer({"box": torch.tensor(1.0), "class": torch.tensor(1.0), "mask": 0.5})  # type: ignore[dict-item]
    assert not balancer.within_epoch
    train(balancer, network, epochs=1)
    assert len(balancer.journal) == 1


@pytest.mark.parametrize("method", METHODS)
def test_it_goes_on_from_its_state(method: str, tmp_path: Path) -> None:
    network, balancer = model(), LossBalancer(method, NAMES)
    train(balancer, network)
    balancer(losses_of(network, pictures(1)[0]))  # in the middle of an epoch
    save_state(tmp_path / "state.safetensors", balancer.state_dict())
    again = LossBalancer(method, NAMES)
    again.load_state_dict(load_state(tmp_path / "state.safetensors"))
    assert again.journal == balancer.journal
    assert again.weights == balancer.weights
    other = model()
    other.load_state_dict(network.state_dict())
    for first, second in zip(train(balancer, network), train(again, other), strict=True):
        assert second == pytest.approx(first, rel=1e-9)
    assert [r["members"][0]["losses"] for r in again.journal] == [r["members"][0]["losses"] for r in balancer.journal]


@pytest.mark.parametrize(
    ("other", "names", "text"),
    [
        ("famo", NAMES, "DynamicWeightAveraging over mask, box, class; this balancer has FAMO over mask, box, class"),
        ("dwa", ["mask", "depth"], "over mask, box, class; this balancer has DynamicWeightAveraging over mask, depth"),
    ],
)
def test_the_state_of_another_method_or_of_other_losses_is_refused(other: str, names: list[str], text: str) -> None:
    balancer = LossBalancer("dwa", NAMES)
    balancer(losses_of(model(), pictures(1)[0]))
    state = balancer.state_dict()
    with pytest.raises(RunError, match=text):
        LossBalancer(other, names).load_state_dict(state)
    again = LossBalancer("dwa", [*reversed(NAMES)])
    again.load_state_dict(state)
    assert again.within_epoch


def test_the_state_of_another_of_torchjds_methods_is_refused() -> None:
    state = LossBalancer("pcgrad", NAMES).state_dict()
    with pytest.raises(RunError, match="pcgrad over mask, box, class; this balancer has mgda over"):
        LossBalancer("mgda", NAMES).load_state_dict(state)


def test_what_is_no_state_says_what_it_lacks() -> None:
    with pytest.raises(RunError, match=r"the state has no kind, names, last, weighting, journal, .*; give one that"):
        LossBalancer("famo", NAMES).load_state_dict({})


@pytest.mark.parametrize("method", ["fixed", "famo", "gradnorm"])
def test_mixed_precision_with_a_gradient_scaler(method: str) -> None:
    """In float16 as on a GPU. A scale that runs over skips steps, and the weighting keeps its head."""
    network = model(dtype=torch.float32)
    before = flat(network).clone()
    balancer = LossBalancer(method, NAMES)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=1000)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for batch in pictures(60):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            out = network(batch.float())
            losses = {name: (out[:, index] - index).square().mean() for index, name in enumerate(NAMES)}
        total = balancer(losses)
        assert total.dtype == torch.float32
        scaler.scale(total).backward()
        scaler.step(optimizer)
        scaler.update()
        assert all(math.isfinite(weight) for weight in balancer.weights.values())
    assert scaler.get_scale() < 2.0**40  # it did run over, and steps were skipped
    assert torch.isfinite(flat(network)).all()
    assert not torch.equal(flat(network), before)


# torch.compile's own look at a tensor that its graph break hands on.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor:UserWarning")
@pytest.mark.parametrize("method", ["fixed", "famo", "uncertainty"])
def test_a_compiled_step_is_the_same_step(method: str) -> None:
    plain, compiled = model(), model()
    first, second = LossBalancer(method, NAMES), LossBalancer(method, NAMES)

    @torch.compile(backend="aot_eager")
    def total_of(batch: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = second(losses_of(compiled, batch))
        return total

    optimizers = [torch.optim.SGD(network.parameters(), lr=0.05) for network in (plain, compiled)]
    for batch in pictures(4):
        for optimizer, total in zip(optimizers, (first(losses_of(plain, batch)), total_of(batch)), strict=True):
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
        assert second.weights == pytest.approx(first.weights, rel=1e-9)
    assert torch.allclose(flat(plain), flat(compiled), rtol=1e-9)


# --- two processes


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(one_rank, (str(folder), IN_TWO), nprocs=2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("method", IN_TWO)
def test_all_ranks_have_the_same_weights_and_end_in_the_same_model(method: str, two_ranks: list[Any]) -> None:
    first, second = (rank[method] for rank in two_ranks)
    assert first["log"] == second["log"]
    assert first["flat"] == second["flat"]
    for one, other in zip(first["journal"], second["journal"], strict=True):
        assert one["members"][0]["losses"] == other["members"][0]["losses"]


@pytest.mark.parametrize("method", IN_TWO)
def test_two_processes_train_as_one_with_the_whole_batch(method: str, two_ranks: list[Any]) -> None:
    """Weights come from mean losses and mean gradients, so that it holds for all, not for the linear methods alone."""
    network, balancer = model(), LossBalancer(method, NAMES)
    log = train(balancer, network)
    for mine, theirs in zip(log, two_ranks[0][method]["log"], strict=True):
        assert theirs == pytest.approx(mine, rel=1e-5)
    assert two_ranks[0][method]["flat"] == pytest.approx(flat(network).tolist(), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("method", IN_TWO)
def test_a_loss_that_is_not_finite_on_one_rank_is_named_on_both(method: str, two_ranks: list[Any]) -> None:
    for rank in two_ranks:
        assert "losses are not finite: box = nan" in rank[method]["refused"]


# --- every way to name it


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("searched") / "run"
    search(lambda seed: QuadraticMember(), losses=list(NAMES), rounds=4, members=3, out=out)
    return out


def test_a_controller_at_hand_is_as_good_as_a_stored_one(searched: Path) -> None:
    stored, given = LossBalancer(searched, epochs=4), LossBalancer(load_controller(searched), epochs=4)
    losses = losses_of(model(), pictures(1)[0])
    assert given(losses) == stored(losses)
    assert given.weights == stored.weights
    with pytest.raises(ConfigError, match="the controller goes by the share of the training that is done; give epochs"):
        LossBalancer(load_controller(searched))


def weights_over(balancer: LossBalancer, epochs: int) -> list[dict[str, float]]:
    found = []
    for epoch in range(epochs):
        balancer({name: torch.tensor(1.0 / (1 + epoch)) for name in balancer.losses})
        found.append(balancer.weights)
        balancer.end_epoch()
    return found


def test_a_stored_controller_steers_as_it_does_in_a_run(searched: Path) -> None:
    from ada_segment import Transfer, load_controller

    first, second = (weights_over(LossBalancer(where, epochs=5), 5) for where in (searched, str(searched)))
    file = weights_over(LossBalancer(searched / "controller.safetensors", list(NAMES), epochs=5), 5)
    both = weights_over(LossBalancer(f"{searched}, {searched}", epochs=5), 5)
    assert both != first
    with pytest.raises(RunError, match="nowhere"):
        LossBalancer(f"{searched},nowhere", epochs=5)
    assert first == second == file
    member = search(
        lambda seed: Falling(), losses=list(NAMES), rounds=5, members=1, strategy=Transfer(load_controller(searched))
    )
    for mine, theirs in zip(first, member.schedule, strict=True):
        assert mine == pytest.approx(theirs)


def test_it_takes_the_controller_of_a_published_search(tmp_path: Path) -> None:
    search(lambda seed: Falling(), losses=list(NAMES), rounds=2, members=2, strategy="published", out=tmp_path / "run")
    (first, *_) = weights_over(LossBalancer(tmp_path / "run", epochs=5), 5)
    assert set(first) == set(NAMES)


class Falling:
    """A member whose losses are 1 / (1 + round)."""

    def train(self, weights: Any, *, round: int, seed: int) -> dict[str, float]:
        return dict.fromkeys(NAMES, 1.0 / (1 + round))

    def evaluate(self) -> float:
        return 0.0

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def test_a_controller_serves_other_losses_by_their_groups(searched: Path) -> None:
    balancer = LossBalancer(
        searched, ["iou", "giou"], groups={"iou": "mask", "giou": "box"}, defaults={"giou": 2.0}, epochs=3
    )
    weights = weights_over(balancer, 3)[-1]
    assert set(weights) == {"iou", "giou"}
    with pytest.raises(LossError, match="has learned nothing about depth"):
        LossBalancer(searched, ["depth"], epochs=3)


@pytest.mark.parametrize(("value", "said"), [(-1.0, "weight -1.0 of mask"), (math.nan, "weight nan of"), ("x", "'x'")])
def test_defaults_of_a_controller_are_weights(searched: Path, value: Any, said: str) -> None:
    with pytest.raises(LossError, match=f"{said}.* is not usable"):
        LossBalancer(searched, defaults={"mask": value}, epochs=3)


@pytest.mark.parametrize("epochs", [None, 4])
def test_a_recorded_schedule(epochs: int | None, tmp_path: Path) -> None:
    entries = [WEIGHTS, {**WEIGHTS, "box": 3.0}]
    file = tmp_path / "schedule.json"
    file.write_text(json.dumps({"losses": list(NAMES), "schedule": entries}))
    expected = [entries[i] for i in ([0, 0, 1, 1] if epochs else [0, 1, 1, 1])]
    for what in (file, str(file), entries):
        assert weights_over(LossBalancer(what, epochs=epochs), 4) == expected
    (tmp_path / "weights.json").write_text(json.dumps(WEIGHTS))
    assert weights_over(LossBalancer(tmp_path / "weights.json"), 2) == [WEIGHTS] * 2


def test_a_function_of_the_epoch() -> None:
    balancer = LossBalancer(lambda epoch: {**WEIGHTS, "box": epoch / 2}, NAMES)
    assert [weights["box"] for weights in weights_over(balancer, 3)] == [0.0, 0.5, 1.0]


def test_a_weighting_of_ones_own() -> None:
    weighting = FAMO(NAMES, lr=0.5)
    assert LossBalancer(weighting).weighting is weighting
    assert LossBalancer("famo", NAMES, lr=0.5).weighting.__class__ is FAMO


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda run: LossBalancer("famoo", NAMES), ConfigError, "weighting 'famoo' is neither a method"),
        (lambda run: LossBalancer("famo"), ConfigError, "famo needs the list of the losses' names"),
        (lambda run: LossBalancer("famo", "mask"), ConfigError, "losses = 'mask' is not usable; give the list"),
        (lambda run: LossBalancer("fixed", []), ConfigError, r"losses = \[\] is not usable; give the list"),
        (lambda run: LossBalancer("famo", []), ConfigError, r"losses = \[\] is not usable; give the list"),
        (lambda run: LossBalancer("famo", {"mask"}), ConfigError, r"losses = \{'mask'\} has no order; give a list"),
        (lambda run: LossBalancer({}), ConfigError, r"losses = \{\} is not usable; give the list"),
        (lambda run: LossBalancer("fixed", ["a", "a"]), ConfigError, "losses name a twice; give each loss once"),
        (lambda run: LossBalancer("dwa", ["b", "a", "a"]), ConfigError, "losses name a twice; give each loss once"),
        (lambda run: LossBalancer(FAMO(["a", "a"])), ConfigError, "losses name a twice; give each loss once"),
        (lambda run: LossBalancer(run, ["mask", "mask"], epochs=3), ConfigError, "losses name mask twice"),
        (lambda run: LossBalancer(dict), ConfigError, "a function needs the list"),
        (lambda run: LossBalancer(NAMES), ConfigError, "say first what weighs them"),
        (lambda run: LossBalancer([1.0, 2.0]), ConfigError, r"entry 0 of the schedule is 1\.0"),  # type: ignore[list-item]
        (lambda run: LossBalancer([None]), ConfigError, "entry 0 of the schedule is None"),  # type: ignore[list-item]
        (lambda run: LossBalancer(lambda epoch: None, NAMES), LossError, "None is not usable"),  # type: ignore[arg-type,return-value]
        (lambda run: LossBalancer("gradnorm", NAMES, alpha="x"), ConfigError, "alpha = 'x'"),
        (lambda run: LossBalancer(3), ConfigError, "3 is no weighting"),  # type: ignore[arg-type]
        (lambda run: LossBalancer("famo", NAMES, gama=1), ConfigError, "did you mean gamma"),
        (lambda run: LossBalancer(WEIGHTS, lr=1), ConfigError, "settings lr belong to a weighting that is named"),
        (lambda run: LossBalancer(WEIGHTS, ["mask"]), LossError, "losses and those of the weighting"),
        (lambda run: LossBalancer(WEIGHTS, defaults=WEIGHTS), ConfigError, "defaults do not go with weights"),
        (lambda run: LossBalancer("famo", NAMES, defaults={"extra": 1.0}), LossError, "unknown: extra"),
        (lambda run: LossBalancer("famo", NAMES, defaults={"box": -1.0}), LossError, "weight -1.0 of box"),
        (lambda run: LossBalancer("famo", NAMES, accumulate=0), ConfigError, "accumulate = 0"),
        (lambda run: LossBalancer(run), ConfigError, "give epochs"),
        (lambda run: LossBalancer(Path("absent.json")), RunError, "absent.json is missing"),
        (lambda run: LossBalancer({"box": math.nan}), LossError, "weight nan of box"),
        (lambda run: LossBalancer("famo", NAMES).end_epoch(), ConfigError, "without any losses"),
    ],
)
def test_what_does_not_fit_is_refused(
    make: Callable[[Path], object], error: type[Exception], text: str, searched: Path
) -> None:
    with pytest.raises(error, match=text):
        make(searched)


@pytest.mark.parametrize("epochs", [3.0, np.float64(3), np.int64(3)])
def test_epochs_that_are_whole_may_be_of_any_kind(epochs: Any) -> None:
    """As transformers' 3.0, under which a training ended in its last epoch."""
    schedule = [{"a": float(k), "b": 1.0} for k in range(1, 4)]
    groups = {"a": "semantic", "b": "box"}
    steered = LossBalancer("scenes", ["a", "b"], groups=groups, epochs=epochs)
    for balancer in (LossBalancer(schedule, epochs=epochs), steered):
        for _ in range(3):
            balancer({"a": torch.tensor(1.0), "b": torch.tensor(2.0)})
            balancer.end_epoch()


@pytest.mark.parametrize("epochs", [2.5, 0, -1, True, "3", math.inf, math.nan])
def test_other_epochs_are_refused(epochs: Any) -> None:
    for what, losses in (([{"a": 1.0, "b": 1.0}], None), ("scenes", ["a", "b"]), ("dwa", ["a", "b"])):
        with pytest.raises(ConfigError, match=r"epochs = .* is not usable; it is a whole number of at least 1"):
            LossBalancer(what, losses, epochs=epochs)
