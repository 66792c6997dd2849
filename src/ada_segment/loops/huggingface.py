"""A Trainer of the transformers library whose total is a balancer's.

from ada_segment.loops.huggingface import BalancedTrainer

trainer = BalancedTrainer(model, args, train_dataset=pictures, balancer=LossBalancer("famo", names))

`class Mine(BalancesLosses, MyOwnTrainer)` does the same for a Trainer of one's own.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ada_segment.errors import ConfigError, LossError
from ada_segment.loops.balancer import LossBalancer, as_reward
from ada_segment.panoptic.huggingface.raw_losses import keep_losses, known, raw_losses
from ada_segment.storage import load_state, save_state
from ada_segment.weighting.base import weighted_sum

FILE_NAME = "loss_balancer.safetensors"
# Where a model's output may hold its losses by name.
LOSSES = ("losses", "loss_dict")
NamedLosses = Callable[[Any, Mapping[str, Any]], tuple[Mapping[str, Tensor], Any]]


class BalancesLosses:
    """Goes ahead of `transformers.Trainer`, or of a class derived from it.

    The panoptic models that `panoptic.huggingface.families` knows need nothing else: their raw losses are taken before
    the library multiplies and adds them. Any other model gives a dict of named, raw, 0-d losses in its output, as
    `losses` or `loss_dict`, or `losses_of` gets them. Accumulated gradients, mixed precision and several devices are
    the Trainer's matter as ever. What the weighting has learned lies in each checkpoint, and is taken up again by
    `train(resume_from_checkpoint=...)`. The weights are logged with the loss, as weight/NAME. In an evaluation the
    total is made with the last weights (before training, with those that it begins with), and nothing is learned
    from it.

    Args:
        balancer: the weights.
        losses_of: from model and inputs to the losses by name and the model's output.
        monitor: metric of an evaluation that the balancer's journal shall hold, such as "eval_pq".
        args, kwargs: the Trainer's own.

    Raises:
        LossError: in training, the model's output holds no losses by name, or one is not usable.
        RunError: in training that resumes, the checkpoint holds no state of a balancer, or that of another one.
    """

    def __init__(
        self,
        *args: Any,
        balancer: LossBalancer,
        losses_of: NamedLosses | None = None,
        monitor: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        trainer: Any = self
        self.balancer, self.losses_of, self.monitor = balancer, losses_of, monitor
        self._first = deepcopy(balancer.state_dict())
        # The total is a mean over a batch: the Trainer has to divide it by the number of accumulated batches.
        trainer.loss_is_scaled_for_ga = trainer.model_accepts_loss_kwargs = False
        self._epochs = _epochs_of(balancer, monitor)
        # Ahead of the library's own, which may write a checkpoint at a signal: what a step has taught is in it then.
        trainer.callback_handler.callbacks.insert(0, self._epochs)

    def compute_loss(
        self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The total of one batch, with the model's output where that is asked for."""
        losses, output = (self.losses_of or losses_in_output)(model, inputs)
        total = self.balancer(losses) if torch.is_grad_enabled() else self._evaluated(losses)
        return (total, output) if return_outputs else total

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> Any:
        """The Trainer's own; the dict of losses is none of the predictions that `compute_metrics` gets."""
        ours: Any = self
        trainer: Any = super()
        if ignore_keys is None:  # what the Trainer takes then
            # Not that of the argument, which may be wrapped for several devices.
            configuration = getattr(ours.model, "config", None)
            ignore_keys = getattr(configuration, "keys_to_ignore_at_inference", ["past_key_values"])
        return trainer.prediction_step(model, inputs, prediction_loss_only, [*ignore_keys, *LOSSES])

    def train(
        self, resume_from_checkpoint: str | os.PathLike[str] | bool | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """The Trainer's own, after the balancer has gone back to where the checkpoint was written, or for a trial of
        `hyperparameter_search` to its beginning."""
        trainer: Any = super()
        metric = None
        if (args or (kwargs.get("trial"),))[0] is not None:
            self.balancer.load_state_dict(deepcopy(self._first))
        if folder := self._checkpoint(resume_from_checkpoint):
            state = load_state(folder / FILE_NAME)
            self.balancer.load_state_dict(state)
            metric = state["metric"]
        else:
            self.balancer.begin_epoch()  # what a training that was broken off has left is of none of this one's epochs
        with self._epochs.attempts(metric):
            return trainer.train(resume_from_checkpoint, *args, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """The Trainer's own, with the balancer's state. Not by a callback: of a signal before the end, as a scheduler
        sends it, the Trainer tells none."""
        trainer: Any = super()
        trainer._save_checkpoint(model, trial)
        ours: Any = self
        if ours.is_world_process_zero():
            folder = Path(ours._get_output_dir(trial=trial)) / f"checkpoint-{ours.state.global_step}"
            save_state(folder / FILE_NAME, self._epochs.state())

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """The Trainer's own, with the weights where it tells of the loss."""
        if "loss" in logs:
            logs = {**logs, **{f"weight/{name}": weight for name, weight in self.balancer.weights.items()}}
        trainer: Any = super()
        trainer.log(logs, *args, **kwargs)

    def _evaluated(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The total of an evaluation. Not by the balancer itself: a model may give fewer losses then."""
        weights = self.balancer.weights_now
        if not losses:
            raise LossError(
                f"an evaluation has none of the losses {', '.join(weights)}; let the model give one of them"
            )
        if unknown := [name for name in losses if name not in weights]:
            raise LossError(
                f"an evaluation has the losses {', '.join(unknown)}, which are none of the balancer's "
                f"({', '.join(weights)}); name them when it is made"
            )
        return weighted_sum(losses, weights)

    def _checkpoint(self, asked: str | os.PathLike[str] | bool | None) -> Path | None:
        from transformers.trainer_utils import get_last_checkpoint

        trainer: Any = self
        found = get_last_checkpoint(trainer.args.output_dir) if asked is True else asked
        return Path(found) if isinstance(found, str | os.PathLike) else None


def losses_in_output(model: Any, inputs: Mapping[str, Any]) -> tuple[Mapping[str, Tensor], Any]:
    """The raw losses by name of one pass, and the model's output.

    Raises:
        LossError: the model is none that is known here, and its output holds no dict `losses` or `loss_dict`.
        ConfigError: it is one that is known here, and on several GPUs of this one process.
    """
    several = isinstance(model, nn.DataParallel)  # as the Trainer wraps it where one process has several GPUs
    if known(model):
        if several:
            raise ConfigError(
                f"{type(model.module).__name__} keeps its losses in one place, which copies on several GPUs of one "
                "process share; start a process a GPU with torchrun, or set CUDA_VISIBLE_DEVICES to one of them"
            )
        keep_losses(model)
        return raw_losses(model, **inputs)
    output = model(**inputs)
    for key in LOSSES:
        found = output.get(key) if isinstance(output, Mapping) else getattr(output, key, None)
        if isinstance(found, Mapping):
            return {name: loss.mean() for name, loss in found.items()} if several else found, output
    raise LossError(
        f"{type(model).__name__} gives no losses by name; let its output hold them as a dict under 'losses', "
        f"or give the trainer losses_of(model, inputs)"
    )


def _epochs_of(balancer: LossBalancer, monitor: str | None) -> Any:
    """A callback that tells the balancer of steps, epochs and metrics."""
    from transformers import TrainerCallback

    class Epochs(TrainerCallback):
        metric: float | None = None  # of an evaluation within the epoch
        start: tuple[dict[str, Any], float | None] | None = None
        before: Mapping[str, Any] = MappingProxyType({})  # what the epoch had seen when the step at hand began

        def state(self) -> dict[str, Any]:
            """For a checkpoint. Of a step that the optimiser has not taken, as at a signal, the Trainer repeats all."""
            seen = self.before if balancer.weighting.within_step else {}
            return {**balancer.state_dict(), **seen, "metric": self.metric}

        @contextmanager
        def attempts(self, metric: float | None) -> Iterator[None]:
            """A call of `train`, which may begin several times: a Trainer that finds its batch size begins again."""
            accumulate = balancer.accumulate
            # An epoch may cut an accumulation short: the balancer learns when the optimiser has stepped.
            balancer.accumulate = None
            self.start = deepcopy(balancer.state_dict()), metric
            try:
                yield
            finally:
                balancer.accumulate, self.start = accumulate, None

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if self.start is not None:
                balancer.load_state_dict(deepcopy(self.start[0]))
                self.metric = self.start[1]

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if balancer.within_epoch:  # of a training whose last checkpoint was resumed, with nothing left to do
                self._end()

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # A checkpoint of an epoch's last step was written just before the epoch ended.
            if balancer.within_epoch and float(state.epoch or 0).is_integer():
                self._end()

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.before = {"last": balancer.weights, **balancer.epoch_so_far()}

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            balancer.weighting.learn()

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # One that a signal has cut short goes on after a resume.
            if state.global_step >= state.max_steps or float(state.epoch or 0).is_integer():
                self._end()

        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            value = (kwargs.get("metrics") or {}).get(monitor)
            if value is None:
                return
            if balancer.within_epoch:
                self.metric = float(value)
            elif balancer.journal:
                balancer.journal[-1]["members"][0]["reward"] = as_reward(value)

        def _end(self) -> None:
            balancer.end_epoch(self.metric)
            self.metric = None

    return Epochs()


def __getattr__(name: str) -> Any:
    """The class `BalancedTrainer`, made when it is first asked for, since it derives from the library's own."""
    if name != "BalancedTrainer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import accelerate  # noqa: F401
        from transformers import Trainer
    except ImportError:
        raise ConfigError("BalancedTrainer needs transformers and accelerate: pip install 'ada-segment[hf]'") from None
    about = {"__module__": __name__, "__qualname__": name, "__doc__": BalancesLosses.__doc__}
    made = type(name, (BalancesLosses, Trainer), about)
    globals()[name] = made
    return made
