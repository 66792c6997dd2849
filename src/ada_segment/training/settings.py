"""Settings of training."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How one model is trained. The defaults are the COCO recipe's (Panoptic FPN, detectron2), batch 16."""

    start: str | None = None
    """A run folder whose best model training starts from, in place of fresh parameters; what belongs to other classes
    or sizes starts fresh. none for fresh parameters."""
    optimizer: str = "sgd"
    """sgd or adamw."""
    lr: float = 0.02
    """Learning rate after warm-up, for the whole batch."""
    momentum: float = 0.9
    """Momentum of SGD."""
    weight_decay: float = 1e-4
    """Weight decay; normalisation layers and biases are left out."""
    batch_size: int = 16
    """Pictures per step, over all devices."""
    accumulate: int = 1
    """Shares that a batch is split into and trained on one after the other before the optimiser steps: what a step
    needs is then the memory for batch_size / accumulate pictures. Each share counts alike, also a smaller one where
    they do not come out even."""
    warmup_steps: int = 1000
    """Steps in which the learning rate rises linearly; at most a tenth of all steps."""
    schedule: str = "steps"
    """steps or cosine."""
    steps_at: tuple[float, ...] = (2 / 3, 8 / 9)
    """Shares of the training at which the learning rate falls to a tenth (schedule = steps)."""
    clip_norm: float | None = None
    """Greatest norm of the gradients; none for no clipping."""
    ema_decay: float | None = None
    """Decay, per step, of the moving average of the parameters that is evaluated; none to evaluate the parameters."""
    precision: str = "32"
    """32, bf16 or 16: mixed precision but for 32."""
    accelerator: str = "auto"
    """auto, cpu, cuda or mps."""
    devices: int = 1
    """Devices that one model is trained on."""
    workers: int = 0
    """Processes that read pictures; 0 reads them in this one."""
    reward: str = "pq-soft"
    """What a search is rewarded by, on the reward split, in percent: pq (usual merge thresholds), pq-tuned (score
    threshold tuned), pq-soft (score threshold tuned, PQ averaged over IoU thresholds of 0.3 to 0.8)."""
    epochs_per_round: int = 1
    """Epochs between two changes of the weights."""

    @property
    def at_once(self) -> int:
        """Most pictures that a device holds at once."""
        return -(-self.batch_size // (self.devices * self.accumulate))


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """What happens to pictures before the network sees them."""

    size: int | None = 800
    """Shorter side in pixels, in training and evaluation; none keeps the pictures' own."""
    max_size: int | None = 1333
    """Bound of the longer side in pixels."""
    train_sizes: tuple[int, ...] = ()
    """Shorter sides to draw from in training; empty for `size` alone."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Factors, least and greatest, that the size is multiplied by in training, drawn log-uniformly; max_size still
    bounds the longer side, so that above it no factor enlarges."""
    crop: int | None = None
    """Side of a random crop in training; none for the whole picture."""
    colour: float = 0.0
    """Strength of colour jitter in [0, 1)."""
