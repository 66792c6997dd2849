"""The transformers library's own Trainer under a balancer: real trainings of a few steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ada_segment.errors import ConfigError, LossError, RunError
from ada_segment.loops.balancer import LossBalancer
from ada_segment.loops.huggingface import losses_in_output
from ada_segment.panoptic.huggingface.configuration import read_configuration
from ada_segment.panoptic.huggingface.families import FAMILIES
from ada_segment.panoptic.settings import ModelSettings

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
pytest.importorskip("accelerate", reason="the extra hf is not installed")


class Points(Dataset[dict[str, Tensor]]):
    """x and its two targets."""

    def __init__(self, count: int = 16) -> None:
        self.x = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index], "labels": self.x[index].sum()[None]}


class TwoLosses(nn.Module):
    """A user's model with a dict of losses in its output."""

    def __init__(self, key: str = "losses") -> None:
        super().__init__()
        self.layer, self.key = nn.Linear(3, 1), key
        nn.init.constant_(self.layer.weight, 0.1)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Any]:
        error = self.layer(x) - labels
        return {self.key: {"fit": error.square().mean(), "size": self.layer.weight.square().sum()}, "error": error}


def arguments(out: Path, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "output_dir": str(out),
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "learning_rate": 0.05,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,  # no clipping
        "optim": "sgd",
        "use_cpu": True,
        "seed": 0,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "remove_unused_columns": False,
    }
    return transformers.TrainingArguments(**{**given, **changes})


def trainer(out: Path, balancer: LossBalancer, model: nn.Module | None = None, **changes: Any) -> Any:
    from ada_segment.loops.huggingface import BalancedTrainer

    given = {
        key: changes.pop(key) for key in ("losses_of", "monitor", "eval_dataset", "compute_metrics") if key in changes
    }
    return BalancedTrainer(
        model or TwoLosses(), arguments(out, **changes), train_dataset=Points(), balancer=balancer, **given
    )


class ByHand(transformers.Trainer):  # type: ignore[misc]
    """The same total written by hand."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        losses = model(**inputs)["losses"]
        self.model_accepts_loss_kwargs = False
        return 0.5 * losses["fit"] + 2.0 * losses["size"]


WEIGHTS = {"fit": 0.5, "size": 2.0}


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_training_is_that_of_the_total_written_by_hand(tmp_path: Path, accumulated: int) -> None:
    ours = trainer(tmp_path / "a", LossBalancer(WEIGHTS), gradient_accumulation_steps=accumulated)
    ours.train()
    by_hand = ByHand(
        TwoLosses(), arguments(tmp_path / "b", gradient_accumulation_steps=accumulated), train_dataset=Points()
    )
    by_hand.train()
    assert torch.allclose(ours.model.layer.weight, by_hand.model.layer.weight, atol=1e-7)
    assert not torch.allclose(ours.model.layer.weight, TwoLosses().layer.weight, atol=1e-3)


def test_the_journal_and_the_log_tell_of_weights_losses_and_metric(tmp_path: Path) -> None:
    ours = trainer(
        tmp_path,
        LossBalancer("uw-so", ["fit", "size"]),
        eval_dataset=Points(4),
        eval_strategy="epoch",
        monitor="eval_loss",
    )
    ours.train()
    journal = ours.balancer.journal
    assert [record["round"] for record in journal] == [0, 1]
    assert all(set(record["members"][0]["weights"]) == {"fit", "size"} for record in journal)
    measured = [entry["eval_loss"] for entry in ours.state.log_history if "eval_loss" in entry]
    assert [record["members"][0]["reward"] for record in journal] == measured
    logged = [entry for entry in ours.state.log_history if "loss" in entry]
    assert len(logged) == 8
    assert all({"weight/fit", "weight/size"} <= set(entry) for entry in logged)
    mean = sum(entry["weight/fit"] for entry in logged[:4]) / 4
    assert mean == pytest.approx(journal[0]["members"][0]["weights"]["fit"])


def test_an_evaluation_teaches_the_weighting_nothing(tmp_path: Path) -> None:
    ours = trainer(tmp_path, LossBalancer("famo", ["fit", "size"]), eval_dataset=Points(8))
    before = ours.evaluate()["eval_loss"]
    with torch.no_grad():
        losses = ours.model(Points(8).x, Points(8).x.sum(1, keepdim=True))["losses"]
    assert before == pytest.approx(sum(loss.item() for loss in losses.values()))  # weights of 1 before the first step
    ours.train()
    state = ours.balancer.state_dict()
    ours.evaluate()
    assert ours.balancer.state_dict() == state


@pytest.mark.parametrize(
    ("weighting", "defaults", "weights"),
    [
        (WEIGHTS, None, WEIGHTS),
        ("fixed", {"fit": 3.0}, {"fit": 3.0, "size": 1.0}),
        ("gradnorm", {"fit": 3.0}, {"fit": 3.0, "size": 1.0}),
        ("pcgrad", {"fit": 3.0}, {"fit": 3.0, "size": 1.0}),
    ],
)
def test_an_evaluation_before_training_has_the_weights_that_it_begins_with(
    weighting: Any, defaults: dict[str, float] | None, weights: dict[str, float], tmp_path: Path
) -> None:
    balancer = LossBalancer(weighting, ["fit", "size"], defaults=defaults)
    ours = trainer(tmp_path, balancer, eval_dataset=Points(8))
    with torch.no_grad():
        losses = ours.model(Points(8).x, Points(8).x.sum(1, keepdim=True))["losses"]
    assert ours.evaluate()["eval_loss"] == pytest.approx(sum(weights[name] * losses[name].item() for name in weights))


def test_after_a_resume_an_evaluation_has_the_last_weights(tmp_path: Path) -> None:
    def made() -> Any:
        return trainer(tmp_path, LossBalancer("famo", ["fit", "size"]), eval_dataset=Points(8), save_strategy="epoch")

    whole, again = made(), made()
    whole.train()
    again.train(resume_from_checkpoint=True)  # nothing is left to train
    assert again.evaluate()["eval_loss"] == pytest.approx(whole.evaluate()["eval_loss"])


def test_a_metric_that_is_not_finite_is_none_in_the_journal(tmp_path: Path) -> None:
    ours = trainer(
        tmp_path,
        LossBalancer(WEIGHTS),
        eval_dataset=Points(4),
        eval_strategy="epoch",
        monitor="eval_pq",
        compute_metrics=lambda found: {"pq": float("nan")},
    )
    ours.train()
    assert [record["members"][0]["reward"] for record in ours.balancer.journal] == [None, None]


def test_an_evaluation_within_an_epoch_belongs_to_that_epoch(tmp_path: Path) -> None:
    ours = trainer(
        tmp_path,
        LossBalancer(WEIGHTS),
        eval_dataset=Points(4),
        eval_strategy="steps",
        eval_steps=2,
        monitor="eval_loss",
    )
    ours.train()
    measured = {entry["epoch"]: entry["eval_loss"] for entry in ours.state.log_history if "eval_loss" in entry}
    assert set(measured) == {0.5, 1.0, 1.5, 2.0}
    assert [record["members"][0]["reward"] for record in ours.balancer.journal] == [measured[1.0], measured[2.0]]


@pytest.mark.parametrize(
    ("saved", "accumulated", "step", "named"),
    [
        ({"save_strategy": "epoch"}, 1, 4, Path),
        ({"save_strategy": "epoch"}, 1, 4, str),
        ({"save_strategy": "steps", "save_steps": 4}, 1, 4, Path),
        ({"save_strategy": "epoch"}, 3, 2, Path),
        ({"save_strategy": "steps", "save_steps": 2}, 3, 2, Path),
        ({"save_strategy": "steps", "save_steps": 1}, 3, 3, Path),
    ],
)
def test_a_checkpoint_holds_the_balancer_and_a_resumed_training_ends_alike(
    saved: dict[str, Any], accumulated: int, step: int, named: Callable[[Path], Any], tmp_path: Path
) -> None:
    """An epoch has four batches: a checkpoint of its last step is written just before the epoch ends. With three to a
    step that step is made of the fourth batch alone."""

    def made(out: Path) -> Any:
        balancer = LossBalancer("famo", ["fit", "size"], lr=0.3)
        return trainer(out, balancer, num_train_epochs=3, gradient_accumulation_steps=accumulated, **saved)

    whole = made(tmp_path / "whole")
    whole.train()
    assert len(list((tmp_path / "whole").glob("checkpoint-*/loss_balancer.safetensors"))) >= 3
    checkpoint = tmp_path / "whole" / f"checkpoint-{step}"
    again = made(tmp_path / "again")
    again.train(resume_from_checkpoint=named(checkpoint))
    assert torch.equal(again.model.layer.weight, whole.model.layer.weight)
    assert again.balancer.weights == whole.balancer.weights
    assert len(again.balancer.journal) == 3
    weights = [record["members"][0]["weights"] for record in whole.balancer.journal]
    assert [record["members"][0]["weights"] for record in again.balancer.journal] == weights
    assert weights[0] != weights[2]
    last = made(tmp_path / "whole")
    last.train(resume_from_checkpoint=True)
    assert torch.equal(last.model.layer.weight, whole.model.layer.weight)
    (checkpoint / "loss_balancer.safetensors").unlink()
    with pytest.raises(RunError, match=rf"checkpoint-{step}/loss_balancer.safetensors is missing"):
        made(tmp_path / "third").train(resume_from_checkpoint=named(checkpoint))


@pytest.mark.parametrize("step", [3, 4, 8])
def test_a_resumed_training_keeps_the_metric_of_its_epoch(tmp_path: Path, step: int) -> None:
    """Within an epoch after its evaluation, at its last step, and at the last of all, after which nothing is left."""

    def made(out: Path) -> Any:
        saved = {"save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps", "eval_steps": 2}
        balancer = LossBalancer("famo", ["fit", "size"])
        return trainer(out, balancer, eval_dataset=Points(4), monitor="eval_loss", **saved)

    def rewards(ours: Any) -> list[float | None]:
        return [record["members"][0]["reward"] for record in ours.balancer.journal]

    whole, again = made(tmp_path / "whole"), made(tmp_path / "again")
    whole.train()
    again.train(resume_from_checkpoint=tmp_path / "whole" / f"checkpoint-{step}")
    assert None not in rewards(whole)
    assert rewards(again) == pytest.approx(rewards(whole))


def epochs_of(ours: Any) -> list[float]:
    """The mean of a loss in each epoch."""
    return [record["members"][0]["losses"]["fit"] for record in ours.balancer.journal]


def test_an_attempt_with_too_large_a_batch_is_none_of_the_epochs(tmp_path: Path) -> None:
    """The Trainer begins anew within one call of `train`, with half the batch."""

    class Large(TwoLosses):
        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Any]:
            self.calls = getattr(self, "calls", 0) + 1
            if len(x) > 2 and self.calls > 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return super().forward(x, labels)

    balancer = LossBalancer("famo", ["fit", "size"])
    ours = trainer(tmp_path, balancer, Large(), auto_find_batch_size=True, gradient_accumulation_steps=2)
    ours.train()
    assert ours.state.global_step == 8
    assert [record["round"] for record in balancer.journal] == [0, 1]
    assert balancer.state_dict()["count"] == 0
    assert balancer.accumulate == 1


def test_a_training_that_is_broken_off_leaves_no_epoch_for_the_next(tmp_path: Path) -> None:
    class Stops(TwoLosses):
        stops = True

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Any]:
            self.calls = getattr(self, "calls", 0) + 1
            if self.stops and self.calls == 3:
                raise KeyboardInterrupt
            return super().forward(x, labels)

    balancer, model = LossBalancer(WEIGHTS, accumulate=3), Stops()
    ours = trainer(tmp_path, balancer, model, learning_rate=0.0)
    with pytest.raises(KeyboardInterrupt):
        ours.train()
    assert balancer.accumulate == 3
    model.stops = False
    ours.train()
    whole = trainer(tmp_path, LossBalancer(WEIGHTS), learning_rate=0.0)
    whole.train()
    assert epochs_of(ours) == pytest.approx(epochs_of(whole))


@pytest.mark.parametrize("trained", [False, True])
def test_an_evaluation_may_have_fewer_losses_and_no_others(trained: bool, tmp_path: Path) -> None:
    class Evaluated(TwoLosses):
        others: tuple[str, ...] = ()

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Any]:
            output = super().forward(x, labels)
            if not self.training:
                del output["losses"]["size"]
                output["losses"] |= dict.fromkeys(self.others, x.sum())
            return output

    ours = trainer(
        tmp_path, LossBalancer("fixed", list(WEIGHTS), defaults=WEIGHTS), Evaluated(), eval_dataset=Points(8)
    )
    if trained:
        ours.train()
    measured = ours.evaluate()["eval_loss"]
    points = Points(8)
    error = ours.model(points.x, points.x.sum(1, keepdim=True))["losses"]["fit"].item()
    assert measured == pytest.approx(0.5 * error)
    ours.model.others = ("edge",)
    with pytest.raises(LossError, match=r"losses edge, which are none of the balancer's \(fit, size\)"):
        ours.evaluate()


def test_an_evaluation_without_losses_is_refused(tmp_path: Path) -> None:
    ours = trainer(tmp_path, LossBalancer(WEIGHTS), losses_of=lambda model, inputs: ({}, None), eval_dataset=Points(8))
    with pytest.raises(LossError, match="has none of the losses fit, size"):
        ours.evaluate()


def test_each_trial_of_a_search_for_hyperparameters_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def weigh(epoch: int) -> dict[str, float]:
        asked.append(epoch)
        return {"fit": 1.0, "size": 0.1}

    tuned = trainer(tmp_path, LossBalancer(weigh, ["fit", "size"]), save_strategy="epoch")
    for number in range(2):
        # As the library has it with its backends, none of which is installed here.
        monkeypatch.setattr(tuned, "_get_output_dir", lambda trial, number=number: str(tmp_path / f"run-{number}"))
        asked.clear()
        tuned.train(trial={"learning_rate": 0.05})
        assert set(asked) == {0, 1}
        assert len(tuned.balancer.journal) == 2
        checkpoints = [path for path in tmp_path.rglob("checkpoint-*") if path.parent.name == f"run-{number}"]
        assert len(checkpoints) == 2
        assert all((path / "loss_balancer.safetensors").exists() for path in checkpoints)
    assert not list(tmp_path.glob("checkpoint-*"))


@pytest.mark.parametrize("moment", ["before the optimiser steps", "after it has"])
@pytest.mark.parametrize("saved", ["no", "epoch"])
def test_a_training_that_a_signal_has_ended_goes_on_as_if_it_had_not_been(
    saved: str, moment: str, tmp_path: Path
) -> None:
    """The library's callback writes a checkpoint between or within steps, and tells no other of it."""

    class Signal(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            manager.is_checkpoint_requested = state.global_step == 5 and moment == "before the optimiser steps"

        def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            manager.is_checkpoint_requested = state.global_step == 5

    def balancer() -> LossBalancer:
        return LossBalancer("famo", ["fit", "size"])

    changes = {"save_strategy": saved, "num_train_epochs": 3}
    whole = trainer(tmp_path / "whole", balancer(), **changes)
    whole.train()
    cut = trainer(tmp_path / "cut", balancer(), enable_jit_checkpoint=True, **changes)
    (manager,) = [one.jit_manager for one in cut.callback_handler.callbacks if hasattr(one, "jit_manager")]
    cut.add_callback(Signal())
    cut.train()
    assert cut.state.global_step in (5, 6)
    again = trainer(tmp_path / "cut", balancer(), **changes)
    again.train(resume_from_checkpoint=True)
    assert again.balancer.weights == pytest.approx(whole.balancer.weights)
    for ours, theirs in zip(again.balancer.journal, whole.balancer.journal, strict=True):
        for key in ("weights", "losses"):
            assert ours["members"][0][key] == pytest.approx(theirs["members"][0][key])


def test_several_gpus_of_one_process_give_the_mean_or_a_plain_refusal(tmp_path: Path) -> None:
    """The Trainer wraps the model then; here the copies are on the CPU."""

    class Copies(nn.DataParallel):
        def forward(self, **inputs: Any) -> Any:
            halves = [self.module(**{key: value[k::2] for key, value in inputs.items()}) for k in (0, 1)]
            losses = {key: torch.stack([half["losses"][key] for half in halves]) for key in halves[0]["losses"]}
            return {"losses": losses, "error": torch.cat([half["error"] for half in halves])}

    points, model = Points(), TwoLosses()
    inputs = {key: torch.stack([points[i][key] for i in range(4)]) for key in ("x", "labels")}
    losses, _ = losses_in_output(Copies(model), inputs)
    alone, _ = losses_in_output(model, inputs)
    for name, loss in alone.items():
        assert torch.allclose(losses[name], loss)

    _, configuration = read_configuration(ModelSettings(name="hf:eomt", hf_size="tiny"))
    network = transformers.EomtForUniversalSegmentation(configuration)
    with pytest.raises(ConfigError, match=r"keeps its losses in one place.*torchrun"):
        losses_in_output(nn.DataParallel(network), {})


def test_a_journal_that_is_held_is_filled(tmp_path: Path) -> None:
    ours = trainer(tmp_path, LossBalancer(WEIGHTS))
    journal = ours.balancer.journal
    ours.train()
    assert len(journal) == 2


def test_what_a_model_says_is_to_be_ignored_is_so_when_it_is_wrapped(tmp_path: Path) -> None:
    """As for several GPUs in one process."""

    class Configured(TwoLosses):
        def __init__(self) -> None:
            super().__init__()
            self.config = transformers.PretrainedConfig()
            self.config.keys_to_ignore_at_inference = ["hidden"]

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Any]:
            return {**super().forward(x, labels), "hidden": x}

    seen: list[Any] = []
    ours = trainer(
        tmp_path,
        LossBalancer(WEIGHTS),
        Configured(),
        eval_dataset=Points(8),
        compute_metrics=lambda found: seen.append(found.predictions) or {},
    )
    ours.model_wrapped = nn.DataParallel(ours.model)
    ours._wrap_model = lambda *_, **__: ours.model_wrapped
    ours.evaluate()
    assert [predictions.shape for predictions in seen] == [(8, 1)]


@pytest.mark.parametrize("key", ["losses", "loss_dict"])
def test_metrics_are_made_of_predictions_without_the_losses(key: str, tmp_path: Path) -> None:
    seen: list[Any] = []
    ours = trainer(
        tmp_path,
        LossBalancer(WEIGHTS),
        TwoLosses(key),
        eval_dataset=Points(8),
        compute_metrics=lambda found: seen.append(found.predictions) or {},
    )
    ours.evaluate()
    assert [predictions.shape for predictions in seen] == [(8, 1)]


def test_the_balancer_counts_its_steps_again_after_a_training(tmp_path: Path) -> None:
    balancer = LossBalancer("rlw", ["fit", "size"])
    trainer(tmp_path, balancer).train()
    steps = balancer.weighting.state_dict()["steps"]
    balancer({"fit": torch.ones((), requires_grad=True), "size": torch.ones(())})
    assert balancer.weighting.state_dict() == {"steps": steps + 1}


@pytest.mark.parametrize("accumulated", [1, 3])
def test_it_learns_with_each_step_of_the_optimiser(tmp_path: Path, accumulated: int) -> None:
    ours = trainer(tmp_path, LossBalancer("rlw", ["fit", "size"]), gradient_accumulation_steps=accumulated)
    ours.train()
    assert ours.state.global_step == (8 if accumulated == 1 else 4)
    assert ours.balancer.weighting.state_dict() == {"steps": ours.state.global_step}


def test_losses_come_from_either_key_or_from_a_function(tmp_path: Path) -> None:
    for number, (model, more) in enumerate(
        (
            (TwoLosses("loss_dict"), {}),
            (TwoLosses("mine"), {"losses_of": lambda model, inputs: (model(**inputs)["mine"], None)}),
        )
    ):
        trainer(tmp_path / str(number), LossBalancer(WEIGHTS), model, num_train_epochs=1, **more).train()
        assert not torch.allclose(model.layer.weight, TwoLosses().layer.weight, atol=1e-3)
    with pytest.raises(LossError, match="TwoLosses gives no losses by name; let its output hold them"):
        trainer(tmp_path / "no", LossBalancer(WEIGHTS), TwoLosses("other")).train()


class Pictures(Dataset[dict[str, Any]]):
    """A bright square on dark noise: one thing, and the rest."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        random = torch.Generator().manual_seed(index)
        top, left = torch.randint(0, 20, (2,), generator=random).tolist()
        square = torch.zeros(32, 32)
        square[top : top + 12, left : left + 12] = 1
        pixels = torch.rand(3, 32, 32, generator=random) + 2 * square
        return {"pixel_values": pixels, "mask_labels": torch.stack([square, 1 - square])}


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "pixel_values": torch.stack([row["pixel_values"] for row in rows]),
        "mask_labels": [row["mask_labels"] for row in rows],
        "class_labels": [torch.tensor([0, 1]) for _ in rows],
    }


def test_a_panoptic_model_of_the_library_needs_nothing_but_the_balancer(tmp_path: Path) -> None:
    from ada_segment.loops.huggingface import BalancesLosses

    class Mine(BalancesLosses, transformers.Trainer):  # type: ignore[misc]
        """One's own Trainer."""

    family, configuration = read_configuration(
        ModelSettings(name="hf:mask2former", hf_size="tiny", hf={"decoder_layers": 3, "train_num_points": 64})
    )
    network = transformers.Mask2FormerForUniversalSegmentation(configuration)
    names = family.names(configuration)
    assert family is FAMILIES["mask2former"]
    ours = Mine(
        network,
        arguments(tmp_path, optim="adamw_torch", learning_rate=2e-3, num_train_epochs=25),
        train_dataset=Pictures(),
        data_collator=columns,
        balancer=LossBalancer("fixed", names, defaults=family.defaults(configuration)),
    )
    ours.train()
    journal = ours.balancer.journal
    assert set(journal[0]["members"][0]["losses"]) == set(names)
    assert journal[0]["members"][0]["weights"]["loss_mask_1"] == 5
    totals = [
        sum(record["members"][0]["weights"][name] * record["members"][0]["losses"][name] for name in names)
        for record in journal
    ]
    logged = [entry["loss"] for entry in ours.state.log_history if "loss" in entry]
    assert logged == pytest.approx(totals, rel=1e-4)
    assert totals[-1] < 0.9 * totals[0]


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import ada_segment.loops.huggingface as module

    vars(module).pop("BalancedTrainer", None)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ConfigError, match=r"ada-segment\[hf\]"):
        _ = module.BalancedTrainer
    with pytest.raises(AttributeError, match="no attribute 'Trainer'"):
        _ = module.Trainer
