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


def test_ranks_share_a_batch_between_them() -> None:
    settings = small()
    train, transform = open_data(settings).train, make(settings).transform
    whole = list(training_batches(train, transform, batch_size=4, seed=3, workers=0))
    parts = [
        list(training_batches(train, transform, batch_size=4, seed=3, workers=0, rank=rank, ranks=2)) for rank in (0, 1)
    ]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert same(batch[0][0::2], first[0])
        assert same(batch[0][1::2], second[0])


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
