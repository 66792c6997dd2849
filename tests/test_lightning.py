"""The Lightning callback, under both names of the library: the total is the balancer's, states go with checkpoints."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from made_losses import NAMES, losses_of, model, pictures
from torch.utils.data import DataLoader, TensorDataset

from ada_segment.errors import ConfigError, LossError
from ada_segment.loops import lightning as callback_module
from ada_segment.loops.balancer import LossBalancer

pytestmark = [
    # Lightning's advice on data loading and logging, which a test of twelve samples does not need.
    pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Starting from v1.9.0, `tensorboardX` has been removed"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    # Lightning asks PyTorch in a way that PyTorch has given up.
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning"),
]

LIBRARIES = ["lightning.pytorch", "pytorch_lightning"]
PICTURES = pictures(12).flatten(0, 1).float()  # 96


@pytest.fixture
def library(request: pytest.FixtureRequest) -> Any:
    """The library under its present name, where the test asks for no other."""
    return importlib.import_module(getattr(request, "param", LIBRARIES[0]))


def make_module(library: Any, *, key: str | None = None) -> Any:
    class Module(library.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.network = model(dtype=torch.float32)
            self.outputs: list[Any] = []

        def training_step(self, batch: list[torch.Tensor], index: int) -> Any:
            losses = losses_of(self.network, batch[0])
            return losses if key is None else {key: losses, "note": index}

        def on_train_batch_end(self, outputs: Any, batch: Any, index: int) -> None:
            self.outputs.append(outputs)

        def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
            self.log("val_pq", -sum(losses_of(self.network, batch[0]).values()))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.05)

    return Module()


def fit(library: Any, module: Any, *callbacks: Any, folder: Path, resume: Path | None = None, **settings: Any) -> Any:
    trainer = library.Trainer(
        **{
            "max_epochs": 2,
            "accelerator": "cpu",
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": folder,
            "callbacks": list(callbacks),
            **settings,
        }
    )
    loader = DataLoader(TensorDataset(PICTURES), batch_size=24)
    trainer.fit(module, loader, loader, ckpt_path=resume)
    return trainer


def plain(method: str, *, epochs: int = 2, accumulate: int = 1) -> tuple[torch.nn.Module, LossBalancer]:
    """The same training without Lightning."""
    network, balancer = model(dtype=torch.float32), LossBalancer(method, NAMES, accumulate=accumulate)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(epochs):
        for index, batch in enumerate(PICTURES.split(24)):
            (balancer(losses_of(network, batch)) / accumulate).backward()
            if (index + 1) % accumulate == 0:
                optimizer.step()
                optimizer.zero_grad()
        balancer.end_epoch()
    return network, balancer


def callback(method: str = "famo", **settings: Any) -> Any:
    return callback_module.BalanceLosses(LossBalancer(method, NAMES), **settings)


@pytest.mark.parametrize("method", ["famo", "dwa", "gradnorm"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_is_the_plain_loop(library: Any, method: str, accumulate: int, tmp_path: Path) -> None:
    module, balancing = make_module(library), callback(method)
    fit(library, module, balancing, folder=tmp_path, accumulate_grad_batches=accumulate, enable_checkpointing=False)
    network, balancer = plain(method, accumulate=accumulate)
    for mine, theirs in zip(module.network.parameters(), network.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-5)
    for mine, theirs in zip(balancing.balancer.journal, balancer.journal, strict=True):
        assert mine["members"][0]["weights"] == pytest.approx(theirs["members"][0]["weights"], rel=1e-5)


@pytest.mark.parametrize("library", LIBRARIES, indirect=True)
def test_metric_and_weights_are_logged_and_the_module_is_as_before(library: Any, tmp_path: Path) -> None:
    module, balancing = make_module(library), callback(monitor="val_pq")
    trainer = fit(library, module, balancing, folder=tmp_path, enable_checkpointing=False)
    rewards = [record["members"][0]["reward"] for record in balancing.balancer.journal]
    assert len(rewards) == 2
    assert rewards[-1] == pytest.approx(trainer.callback_metrics["val_pq"].item())
    weights = balancing.balancer.journal[-1]["members"][0]["weights"]
    assert {name: trainer.callback_metrics[f"weight/{name}"].item() for name in NAMES} == pytest.approx(weights)
    assert "training_step" not in vars(module)
    assert set(module.training_step([PICTURES[:4]], 0)) == set(NAMES)
    assert set(module.outputs[0]) == {"loss", "losses"}


def test_the_losses_may_lie_in_a_larger_dict(library: Any, tmp_path: Path) -> None:
    module = make_module(library, key="parts")
    fit(library, module, callback(key="parts", log=False), folder=tmp_path, enable_checkpointing=False)
    assert module.outputs[1]["note"] == 1
    assert set(module.outputs[1]["parts"]) == set(NAMES)


def test_the_losses_may_not_lie_where_the_total_goes() -> None:
    with pytest.raises(ConfigError, match="key = 'loss' is not usable; Lightning takes the total from there"):
        callback(key="loss")


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_an_epoch_without_losses_has_no_record(library: Any, tmp_path: Path) -> None:
    class Skipping(make_module(library).__class__):  # type: ignore[misc]
        def training_step(self, batch: list[torch.Tensor], index: int) -> Any:
            return None if self.current_epoch == 1 else super().training_step(batch, index)

    balancing = callback()
    fit(library, Skipping(), balancing, folder=tmp_path, max_epochs=3, enable_checkpointing=False)
    assert [record["round"] for record in balancing.balancer.journal] == [0, 1]


@pytest.mark.parametrize(
    ("method", "accumulate", "when"),
    [
        ("dwa", 1, {"save_on_train_epoch_end": True}),
        ("dwa", 1, {"save_on_train_epoch_end": False}),
        ("dwa", 1, {"every_n_train_steps": 4}),
        ("famo", 3, {"save_on_train_epoch_end": True}),
        ("famo", 3, {"save_on_train_epoch_end": False}),
        ("famo", 3, {"every_n_train_steps": 2}),
    ],
)
def test_it_goes_on_from_a_checkpoint(
    library: Any, method: str, accumulate: int, when: dict[str, Any], tmp_path: Path
) -> None:
    """An epoch has four batches: a checkpoint of its last step is written just before the epoch ends. With three to a
    step that step is made of the fourth batch alone."""

    def saving() -> Any:
        return library.callbacks.ModelCheckpoint(tmp_path, save_last=True, **when)

    whole, again = (callback(method, monitor="val_pq") for _ in range(2))
    settings: dict[str, Any] = {"folder": tmp_path, "accumulate_grad_batches": accumulate}
    fit(library, make_module(library), whole, max_epochs=4, enable_checkpointing=False, **settings)
    fit(library, make_module(library), callback(method, monitor="val_pq"), saving(), max_epochs=2, **settings)
    fit(library, make_module(library), again, saving(), max_epochs=4, resume=tmp_path / "last.ckpt", **settings)
    for mine, theirs in zip(again.balancer.journal, whole.balancer.journal, strict=True):
        assert mine["members"][0]["weights"] == pytest.approx(theirs["members"][0]["weights"], rel=1e-6)
        assert mine["members"][0]["losses"] == pytest.approx(theirs["members"][0]["losses"], rel=1e-6)
        if "every_n_train_steps" not in when:  # which is before the validation, and Lightning does not make up for it
            assert mine["members"][0]["reward"] == pytest.approx(theirs["members"][0]["reward"], rel=1e-5)


@pytest.mark.parametrize("end", [{"max_epochs": 2}, {"max_epochs": -1, "max_steps": 8}])
def test_the_last_epoch_is_there_when_its_last_step_is_resumed(
    library: Any, end: dict[str, int], tmp_path: Path
) -> None:
    saving = library.callbacks.ModelCheckpoint(tmp_path, filename="{step}", save_top_k=-1, every_n_train_steps=4)
    whole, again = callback("dwa"), callback("dwa")
    fit(library, make_module(library), whole, saving, folder=tmp_path, **end)
    assert len(whole.balancer.journal) == 2
    fit(library, make_module(library), again, saving, folder=tmp_path, resume=tmp_path / "step=8.ckpt", **end)
    losses = [record["members"][0]["losses"] for record in again.balancer.journal]
    assert losses == [record["members"][0]["losses"] for record in whole.balancer.journal]


@pytest.mark.parametrize("scheduled", [{0: 3}, {0: 1, 1: 4}])
@pytest.mark.parametrize("first", [True, False])
def test_it_learns_with_each_step_of_the_optimiser(
    library: Any, scheduled: dict[int, int], first: bool, tmp_path: Path
) -> None:
    """Where an epoch cuts a step short, and where a callback changes how many batches make a step."""
    both = [callback("rlw"), library.callbacks.GradientAccumulationScheduler(scheduled)]
    trainer = fit(
        library, make_module(library), *(both if first else both[::-1]), folder=tmp_path, enable_checkpointing=False
    )
    assert both[0].balancer.weighting.state_dict() == {"steps": trainer.global_step}
    assert trainer.global_step == (4 if scheduled[0] == 3 else 5)


def test_the_metric_is_that_of_the_epoch(library: Any, tmp_path: Path) -> None:
    """An epoch without validation has none, nor is that of the sanity check one."""

    class Counting(make_module(library).__class__):  # type: ignore[misc]
        validations = 0

        def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
            self.log("val_pq", float(self.validations))

        def on_validation_end(self) -> None:
            self.validations += 1

    balancing = callback(monitor="val_pq")
    fit(library, Counting(), balancing, folder=tmp_path, max_epochs=5, check_val_every_n_epoch=2)
    rewards = [record["members"][0]["reward"] for record in balancing.balancer.journal]
    assert rewards == [None, 1.0, None, 2.0, None]


def test_a_wrapper_that_the_module_had_is_given_back(library: Any, tmp_path: Path) -> None:
    module = make_module(library)
    own, calls = module.training_step, []

    def wrapped(*args: Any) -> Any:
        calls.append(args)
        return own(*args)

    module.training_step = wrapped
    fit(library, module, callback(), folder=tmp_path, enable_checkpointing=False, max_epochs=1)
    assert len(calls) == 4
    assert vars(module)["training_step"] is wrapped


def test_a_training_that_failed_leaves_the_module_as_it_was(library: Any, tmp_path: Path) -> None:
    module, balancing = make_module(library), callback(log=False)
    bias = module.network[2].bias.data
    right = bias.clone()
    bias.fill_(torch.inf)
    with pytest.raises(LossError, match="not finite"):
        fit(library, module, balancing, folder=tmp_path, enable_checkpointing=False, num_sanity_val_steps=0)
    assert "training_step" not in vars(module)
    bias.copy_(right)
    fit(library, module, callback(), folder=tmp_path, enable_checkpointing=False)


def test_a_fit_that_failed_leaves_nothing_to_the_next_one(library: Any, tmp_path: Path) -> None:
    module, balancing = make_module(library), callback("famo")

    class Stops(library.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            if index == 2:
                raise MemoryError

    with pytest.raises(MemoryError):
        fit(library, module, balancing, Stops(), folder=tmp_path, enable_checkpointing=False)
    assert balancing.balancer.within_epoch
    fit(library, module, balancing, folder=tmp_path, enable_checkpointing=False)
    assert len(balancing.balancer.journal) == 2


def test_mixed_precision(library: Any, tmp_path: Path) -> None:
    module, balancing = make_module(library), callback()
    fit(library, module, balancing, folder=tmp_path, enable_checkpointing=False, precision="bf16-mixed")
    assert len(balancing.balancer.journal) == 2
    assert module.outputs[0]["loss"].dtype == torch.float32


def test_what_is_no_dict_of_losses_is_refused(library: Any, tmp_path: Path) -> None:
    module = make_module(library)
    with pytest.raises(LossError, match="'parts' of what training_step returned gave NoneType, not a dict"):
        fit(library, module, callback(key="parts"), folder=tmp_path, enable_checkpointing=False)
    module = make_module(library)
    module.automatic_optimization = False
    with pytest.raises(ConfigError, match="needs automatic optimisation"):
        fit(library, module, callback(), folder=tmp_path, enable_checkpointing=False)


def test_without_lightning_the_way_to_get_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install 'ada-segment\[lightning\]'"):
        _ = callback_module.BalanceLosses
