"""A panoptic training as a member: one seed, the same bits; states come back whole; weights reach the loss."""

import gc
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_data import write_folder
from small_runs import small

from ada_segment.config import Settings
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.problems import FileError
from ada_segment.errors import ConfigError, LossError
from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.member import Member
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.storage import copy_state
from ada_segment.training.evaluation import REWARDS, RewardParts, reward_of
from ada_segment.training.loading import evaluation_batches, steps_per_epoch, training_batches
from ada_segment.training.member import PanopticMember, network_state
from ada_segment.training.optimisation import learning_rate


def make(settings: Settings, seed: int = 0) -> PanopticMember:
    return build_member(settings, open_data(settings), seed=seed)


def weights(settings: Settings, **changes: float) -> dict[str, float]:
    return {**loss_table(settings.model).defaults, **changes}


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def test_it_is_a_member() -> None:
    assert isinstance(make(small()), Member)


@pytest.mark.parametrize(
    "changes",
    [{}, {"training__ema_decay": 0.9}, {"training__optimizer": "sgd", "training__schedule": "steps"}],
    ids=["adamw", "ema", "sgd"],
)
def test_the_same_state_weights_and_seed_end_in_the_same_state_bit_for_bit(changes: dict[str, Any]) -> None:
    settings = small(**changes)
    first, second = make(settings), make(settings, seed=1)
    start = copy_state(first.state_dict())
    ends = []
    for member in (first, second):
        member.load_state_dict(copy_state(start))
        losses = member.train(weights(settings), round=0, seed=7)
        ends.append((losses, member.evaluate(), copy_state(member.state_dict())))
    assert same(ends[0], ends[1])
    assert not same(ends[0][2]["model"], start["model"])
    assert ends[0][2]["step"] == steps_per_epoch(len(first.train_set), 4)


def test_another_seed_or_other_weights_end_elsewhere() -> None:
    settings = small()
    member = make(settings)
    start = copy_state(member.state_dict())
    ends = []
    for seed, change in ((7, {}), (8, {}), (7, {"loss_mask": 2.0})):
        member.load_state_dict(copy_state(start))
        member.train(weights(settings, **change), round=0, seed=seed)
        ends.append(copy_state(member.state_dict())["model"])
    assert not same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


def test_evaluating_changes_nothing() -> None:
    settings = small(training__ema_decay=0.9)
    member = make(settings)
    member.train(weights(settings), round=0, seed=0)
    before = copy_state(member.state_dict())
    random = torch.get_rng_state()
    assert member.evaluate() == member.evaluate()
    assert same(before, member.state_dict())
    assert torch.equal(random, torch.get_rng_state())
    assert member.model.training


def test_a_weight_of_zero_leaves_its_branch_untouched() -> None:
    settings = small(training__weight_decay=0, training__clip_norm="none")
    member = make(settings)
    before = copy_state(member.network.semantic.state_dict())  # type: ignore[union-attr, operator]
    member.train(weights(settings, loss_sem_seg=0.0), round=0, seed=0)
    assert same(before, copy_state(member.network.semantic.state_dict()))  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("change", [{"loss_extra": 1.0}, {"loss_mask": -1.0}, {"loss_mask": float("nan")}])
def test_weights_that_do_not_fit_are_refused(change: dict[str, float]) -> None:
    settings = small()
    with pytest.raises(LossError, match=next(iter(change))):
        make(settings).train(weights(settings, **change), round=0, seed=0)


def test_a_loss_that_is_not_finite_is_named() -> None:
    settings = small()
    member = make(settings)
    with torch.no_grad():
        member.network.semantic.classify.bias.fill_(float("nan"))  # type: ignore[union-attr]
    with pytest.raises(LossError, match="loss_sem_seg = nan"):
        member.train(weights(settings), round=0, seed=0)


@pytest.mark.parametrize("reward", REWARDS)
def test_a_reward_is_that_of_all_predictions_of_which_one_batch_is_held(
    reward: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = make(small(training__reward=reward, training__batch_size=2, data__reward_minimum=6))
    held: list[int] = []
    predict: Any = member._predicting.predict

    def counting(*given: Any) -> list[Prediction]:
        held.append(sum(type(one) is Prediction for one in gc.get_objects()))
        predicted: list[Prediction] = predict(*given)
        return predicted

    monkeypatch.setattr(member._predicting, "predict", counting)
    found = member.evaluate()
    assert len(held) == 3
    assert max(held) - held[0] <= 2
    at_once = RewardParts(reward, member.reward_set.categories)
    at_once.update(*member.predict(member.reward_set))
    assert 0 <= found == reward_of(at_once.parts) <= 100


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"training__optimizer": "lion"}, "optimizer 'lion' is unknown"),
        ({"training__schedule": "linear"}, "schedule 'linear' is unknown"),
        ({"training__precision": "8"}, "precision '8' is unknown"),
        ({"training__reward": "map"}, "reward 'map' is unknown"),
        ({"training__accelerator": "abacus"}, "accelerator 'abacus'"),
    ],
)
def test_unknown_settings_are_refused_when_the_member_is_made(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make(small(**changes))


def test_mixed_precision_trains() -> None:
    settings = small(training__precision="bf16")
    losses = make(settings).train(weights(settings), round=0, seed=0)
    assert all(value == value for value in losses.values())


def test_the_moving_average_is_what_is_stored_for_use() -> None:
    settings = small(training__ema_decay=0.5)
    member = make(settings)
    member.train(weights(settings), round=0, seed=0)
    state = member.state_dict()
    stored = network_state(state)
    assert stored.keys() == state["model"].keys()
    assert not same(stored, state["model"])
    assert member.ema is not None
    assert same(stored, member.ema.module.state_dict())


def test_a_moving_average_keeps_the_ids_of_classes() -> None:
    """0.9 times 3 and 0.1 times 3 are less than 3, and cut off to 2; the classes of scenes have ids from 1 to 12."""
    settings = small(training__ema_decay=0.9)
    member = make(settings)
    member.train(weights(settings), round=0, seed=1)
    assert member.ema is not None
    average = dict(member.ema.module.named_buffers())
    whole = {name: buffer for name, buffer in member.network.named_buffers() if not buffer.is_floating_point()}
    assert whole
    assert all(torch.equal(average[name], buffer) for name, buffer in whole.items())


def test_pictures_come_the_same_however_many_processes_read_them() -> None:
    settings = small()
    train = open_data(settings).train
    member = make(settings)
    batches = [
        list(training_batches(train, member.transform, batch_size=4, seed=3, workers=workers)) for workers in (0, 2)
    ]
    assert len(batches[0]) == steps_per_epoch(len(train), 4)
    assert same(batches[0], batches[1])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("damaged", ["panoptic_val/0001.png", "images/val/0001.jpg"])
def test_a_damaged_file_is_named_the_same_however_many_processes_read(
    workers: int, damaged: str, tmp_path: Path
) -> None:
    pictures, member = CocoPanoptic(write_folder(tmp_path, val=3), "val"), make(small())
    file = tmp_path / damaged
    file.write_bytes(file.read_bytes()[:-80])
    for batches in (
        training_batches(pictures, member.transform, batch_size=3, seed=3, workers=workers),
        evaluation_batches(pictures, member.resize, batch_size=2, workers=workers),
    ):
        with pytest.raises(FileError) as raised:
            list(batches)
        assert raised.value.file == file
        assert str(raised.value) == f"{file} {raised.value.message}; {raised.value.fix}"
        assert "\n" not in str(raised.value)


def test_an_error_of_a_file_is_the_same_in_another_process() -> None:
    error = FileError(Path("a.png"), "is damaged", "restore it")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.file, again.message, again.fix) == (str(error), error.file, error.message, error.fix)


@pytest.mark.parametrize(("ranks", "accumulate"), [(2, 1), (1, 2), (2, 2), (1, 3)])
def test_ranks_and_shares_of_a_batch_have_each_picture_once(ranks: int, accumulate: int) -> None:
    settings = small()
    train, transform = open_data(settings).train, make(settings).transform
    how: dict[str, Any] = {"batch_size": 4, "seed": 3, "workers": 0}
    whole = list(training_batches(train, transform, **how))
    parts = [
        list(training_batches(train, transform, accumulate=accumulate, rank=rank, ranks=ranks, **how))
        for rank in range(ranks)
    ]
    for number, (images, _) in enumerate(whole):
        for rank, batches in enumerate(parts):
            for share, (own, _) in enumerate(batches[number * accumulate : (number + 1) * accumulate]):
                assert same(images[rank + share * ranks :: ranks * accumulate], own)
    assert all(len(batches) == len(whole) * accumulate for batches in parts)


def test_a_step_takes_the_mean_gradient_of_the_shares_of_its_batch() -> None:
    """And holds the pictures of one of them at once."""
    settings = small(training__accumulate=2)
    member, reference = make(settings), make(settings)
    held: list[int] = []
    member.network.register_forward_pre_hook(lambda module, arguments: held.append(len(arguments[0])))
    given = weights(settings, loss_mask=2.0)
    losses = member.train(given, round=0, seed=7)
    assert set(held) == {2}
    assert member.step == steps_per_epoch(len(member.train_set), 4) == len(held) / 2

    torch.manual_seed(7)
    reference.model.train()
    shares = training_batches(reference.train_set, reference.transform, batch_size=4, accumulate=2, seed=7, workers=0)
    seen: list[float] = []
    for pair in zip(shares, shares, strict=True):  # an iterator: each takes the next
        for images, targets in pair:
            raw = reference.model(images, targets)
            reference.fabric.backward(sum(given[name] * loss for name, loss in raw.items()) / 2)
            seen.append(raw["loss_sem_seg"].item())
        reference._step()
    ends = dict(reference.network.named_parameters())
    for name, value in member.network.named_parameters():
        assert torch.allclose(value, ends[name], rtol=1e-4, atol=1e-6), name
    assert losses["loss_sem_seg"] == pytest.approx(sum(seen) / len(seen))


def test_a_weighting_learns_once_a_step_however_many_shares_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = small(training__accumulate=4)
    member = make(settings)
    learned: list[Any] = []
    monkeypatch.setattr(member.weighting, "step", learned.append)
    member.train(weights(settings), round=0, seed=7)
    assert len(learned) == member.step


def test_the_mean_of_a_loss_is_over_the_shares_that_have_it() -> None:
    settings = small(training__accumulate=2)
    member = make(settings)
    had: list[float] = []

    def lacks(module: Any, arguments: Any, losses: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        had.append(losses["loss_mask"].item())
        return losses if len(had) % 2 else {**losses, "loss_mask": losses["loss_mask"] * 0}

    member.network.register_forward_hook(lacks)
    losses = member.train(weights(settings), round=0, seed=7)
    assert losses["loss_mask"] == pytest.approx(sum(had[::2]) / len(had[::2]))


def test_gradients_of_a_step_that_was_broken_off_are_not_in_the_next() -> None:
    settings = small(training__accumulate=2)
    member, undisturbed = make(settings), make(settings)
    start = copy_state(member.state_dict())
    calls: list[Any] = []

    def fail(module: Any, arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 4:  # the second share of a batch
            raise RuntimeError("torn")

    hook = member.network.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="torn"):
        member.train(weights(settings), round=0, seed=7)
    hook.remove()
    member.load_state_dict(copy_state(start))
    for each in (member, undisturbed):
        each.train(weights(settings), round=0, seed=7)
    assert same(member.state_dict(), undisturbed.state_dict())


@pytest.mark.parametrize(
    ("accumulate", "advice"),
    [
        (1, "a device holds 4 pictures at once: give a greater training.accumulate than 1, or smaller pictures"),
        (4, "a device holds 1 picture at once: give smaller pictures (--size)"),
    ],
)
@pytest.mark.parametrize("part", ["train", "evaluate"])
def test_a_device_without_memory_left_says_what_needs_less(part: str, accumulate: int, advice: str) -> None:
    settings = small(training__accumulate=accumulate, training__ema_decay=None)
    member = make(settings)

    def full(module: Any, arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    member.network.get_submodule("backbone").register_forward_pre_hook(full)
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory") as raised:
        member.train(weights(settings), round=0, seed=7) if part == "train" else member.evaluate()
    assert f"; with training.batch_size = 4 {advice}" in str(raised.value)


@pytest.mark.parametrize(("batch", "accumulate", "most"), [(16, 1, 16), (16, 3, 6), (6, 4, 2), (4, 4, 1)])
def test_a_device_holds_as_many_pictures_as_the_largest_share(batch: int, accumulate: int, most: int) -> None:
    settings = small(training__batch_size=batch, training__accumulate=accumulate)
    assert settings.training.at_once == most
    member = make(settings)
    held: list[int] = []
    member.network.register_forward_pre_hook(lambda module, arguments: held.append(len(arguments[0])))
    member.train(weights(settings), round=0, seed=0)
    assert max(held) == most


def test_more_shares_than_pictures_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"training\.accumulate = 5 cannot share a batch of 4 pictures"):
        make(small(training__accumulate=5))


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_the_learning_rate_warms_up_and_falls(schedule: str) -> None:
    settings = replace(small().training, schedule=schedule, warmup_steps=50, lr=1.0)
    rates = [learning_rate(step, 1000, settings) for step in range(1000)]
    assert rates[0] < 0.05
    assert rates[:50] == sorted(rates[:50])
    assert max(rates) == pytest.approx(1.0)
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] < 0.011
    assert all(rate > 0 for rate in rates)
