"""A callback for Lightning: the module yields a dict of losses, the balancer makes the total.

from ada_segment.loops.lightning import BalanceLosses

trainer = Trainer(callbacks=[BalanceLosses(LossBalancer("famo", ["mask", "box"]), monitor="val_pq")])
"""

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ada_segment.errors import ConfigError, LossError
from ada_segment.loops.balancer import LossBalancer
from ada_segment.population.journal import Record

# The same library under its two names; a trainer wants callbacks of its own.
LIBRARIES = ("lightning.pytorch", "pytorch_lightning")
_MADE: dict[tuple[type, ...], type] = {}


class _BalanceLosses:
    """Makes the total of a LightningModule whose `training_step` returns a dict of named, raw, 0-d losses.

    Fit for automatic optimisation. While a training lasts the module's `training_step` is wrapped: Lightning gets
    {"loss": total, "losses": the raw losses}, which other callbacks see as the step's outputs. Works with
    `lightning.pytorch` and with `pytorch_lightning`, with mixed precision, accumulated gradients (the weighting
    learns when the optimiser has stepped) and several devices. What the weighting has learned is in Lightning's
    checkpoints.

    Args:
        balancer: the weights.
        monitor: name of a metric logged in validation that the balancer's journal shall hold, such as "val_pq"; an
            epoch without validation has none.
        key: where the dict of losses is in what `training_step` returns; None: it is the dict itself. Not "loss",
            where the total goes.
        log: log each epoch's mean weights as weight/NAME.

    Raises:
        ConfigError: neither library is installed, or the key is "loss"; in `fit`, the module optimises by hand.
        LossError: in `fit`, `training_step` returned something else, or a loss is not usable.
    """

    def __init__(
        self, balancer: LossBalancer, *, monitor: str | None = None, key: str | None = None, log: bool = True
    ) -> None:
        if key == "loss":
            raise ConfigError("key = 'loss' is not usable; Lightning takes the total from there: give it another name")
        self.balancer = balancer
        self.monitor, self.key, self.log = monitor, key, log
        self._original: Any = None
        self._was_its_own = False  # whether the instance has one, which hides that of the class
        self._accumulate: int | None = None  # what the balancer had before
        self._metric: float | None = None  # of a validation within the epoch
        self._steps = 0  # of the optimiser, that the weighting has learned from

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Wrap the training step."""
        if stage != "fit":
            return
        if not pl_module.automatic_optimization:
            raise ConfigError("BalanceLosses needs automatic optimisation; call the LossBalancer in your training_step")
        self.balancer.begin_epoch()  # what an earlier training broke off; a checkpoint is loaded later
        self._metric = None
        self._accumulate, self.balancer.accumulate = self.balancer.accumulate, None
        self._original = pl_module.training_step
        self._was_its_own = "training_step" in vars(pl_module)
        pl_module.training_step = self._step

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Give the module its own training step back, and the balancer its way to count steps."""
        if self._original is not None:
            self.balancer.accumulate = self._accumulate
            if self._was_its_own:
                pl_module.training_step = self._original
            else:
                del pl_module.training_step
            self._original = None

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Likewise: after a training that has failed Lightning calls no `teardown`."""
        self.teardown(trainer, pl_module, "fit")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Look where the optimiser stands, which a checkpoint may have taken further."""
        self._steps = trainer.global_step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """End an epoch whose end the checkpoint that was resumed does not know, since it was written just before."""
        if batch_idx == 0 and self.balancer.within_epoch:
            self._end()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Let the weighting learn where the optimiser has stepped: an epoch may cut an accumulation short, and another
        callback may change its length."""
        if trainer.global_step != self._steps:
            self._steps = trainer.global_step
            self.balancer.weighting.learn()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Take the metric that is monitored, while it is new: Lightning keeps it until there is another."""
        metric = trainer.callback_metrics.get(self.monitor)
        if metric is not None and not trainer.sanity_checking:
            self._metric = float(metric)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Tell the balancer, with the metric that is monitored; an epoch all of whose batches were skipped is none."""
        if not self.balancer.within_epoch:
            return
        record = self._end()
        if self.log:
            weights = record["members"][0]["weights"]
            pl_module.log_dict({f"weight/{name}": weight for name, weight in weights.items()})

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """End the last epoch where its end is missing in the checkpoint that was resumed and nothing is left to do."""
        if self.balancer.within_epoch:
            self._end()

    def state_dict(self) -> dict[str, Any]:
        """The balancer's, and the metric of the epoch at hand."""
        return {**self.balancer.state_dict(), "metric": self._metric}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Return to a state that `state_dict` gave."""
        self.balancer.load_state_dict(state_dict)
        self._metric = state_dict["metric"]

    def _end(self) -> Record:
        record, self._metric = self.balancer.end_epoch(self._metric), None
        return record

    def _step(self, *args: Any, **kwargs: Any) -> Any:
        output = self._original(*args, **kwargs)
        if output is None:  # Lightning's way to skip a batch
            return None
        losses = output if self.key is None or not isinstance(output, Mapping) else output.get(self.key)
        if not isinstance(losses, Mapping):
            where = "training_step" if self.key is None else f"{self.key!r} of what training_step returned"
            raise LossError(f"{where} gave {type(losses).__name__}, not a dict of losses by name")
        total: Tensor = self.balancer(losses)
        rest = {} if self.key is None else dict(output)
        return {**rest, "loss": total, self.key or "losses": {name: loss.detach() for name, loss in losses.items()}}


def __getattr__(name: str) -> Any:
    """The class `BalanceLosses`, made when it is first asked for, since it derives from Lightning's own."""
    if name != "BalanceLosses":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    bases = [importlib.import_module(library).Callback for library in LIBRARIES if sys.modules.get(library)]
    for library in LIBRARIES if not bases else ():
        try:
            bases = [importlib.import_module(library).Callback]
            break
        except ImportError:
            continue
    if not bases:
        raise ConfigError("BalanceLosses needs Lightning: pip install 'ada-segment[lightning]'")
    if tuple(bases) not in _MADE:
        about = {"__module__": __name__, "__qualname__": name, "__doc__": _BalanceLosses.__doc__}
        _MADE[tuple(bases)] = type(name, (_BalanceLosses, *bases), about)
    return _MADE[tuple(bases)]
