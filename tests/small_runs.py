"""Runs small enough for tests: few scenes of 32 pixels, a network of a few thousand parameters; and what stops them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ada_segment.config import Settings, resolve
from ada_segment.population.observer import Silent

SMALL: dict[str, Any] = {
    "data.scenes_train": 24,
    "data.scenes_test": 6,
    "data.reward_fraction": 0.2,
    "data.reward_minimum": 4,
    "augmentation.size": 32,
    "model.width": 4,
    "model.fpn_channels": 8,
    "model.semantic_channels": 8,
    "model.box_channels": 16,
    "model.mask_channels": 8,
    "model.proposals_before_nms": 40,
    "model.proposals": 10,
    "model.rpn_samples": 8,
    "model.roi_samples": 8,
    "training.batch_size": 4,
    "training.lr": 0.005,
    "training.reward": "pq-soft",  # which is above 0 after a few steps
    "search.members": 2,
    "training.accelerator": "cpu",  # where the same seed gives the same bits; tests/test_cuda.py is for GPUs
    "search.rounds": 3,
}


def small(**changes: Any) -> Settings:
    """The tiny preset, made smaller; keys with __ for dots."""
    flags = {**SMALL, **{key.replace("__", "."): value for key, value in changes.items()}}
    return resolve(preset="tiny", flags=flags)


def arguments(out: Path, **changes: Any) -> list[str]:
    """The same as arguments of `ada-segment search`."""
    flags = {**SMALL, **{key.replace("__", "."): value for key, value in changes.items()}}
    return ["--preset", "tiny", "--out", str(out), *(f"--set={key}={value}" for key, value in flags.items())]


class Interrupts(Silent):
    """Stops a search as Ctrl-C would, after the given number of trained members."""

    def __init__(self, after: int) -> None:
        self.left = after

    def member_finished(self, round: int, index: int, record: Mapping[str, Any]) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
