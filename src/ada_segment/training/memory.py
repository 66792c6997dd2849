"""What to do where the memory of a device is full."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ada_segment.training.settings import TrainingSettings


@contextmanager
def memory_advised(settings: TrainingSettings) -> Iterator[None]:
    """Errors of a device without memory left also say which settings need less of it."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        # Not another error with this one as its cause, whose traceback would keep the tensors.
        error.args = (f"{error}; {_advice(settings)}",)
        raise


def _advice(settings: TrainingSettings) -> str:
    at_once = settings.at_once
    fewer = "" if at_once == 1 else f"a greater training.accumulate than {settings.accumulate}, or "
    return (
        f"with training.batch_size = {settings.batch_size} a device holds {at_once} picture{'s' * (at_once > 1)} at "
        f"once: give {fewer}smaller pictures (--size), or training.precision=bf16"
    )
