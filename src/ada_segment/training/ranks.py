"""What the ranks of one model, each a process with a device, have to do together."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed as dist
from torch import nn

from ada_segment.errors import LossError
from ada_segment.training.fabric import Fabric


def mean(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """The mean over all ranks, each of which has to call this; the same on all."""
    means = fabric.all_reduce(values, reduce_op="mean")
    assert isinstance(means, torch.Tensor)
    return means


def summed(fabric: Fabric, array: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum over all ranks, each of which has to call this; the same on all."""
    if fabric.world_size == 1:
        return array
    total = fabric.all_reduce(torch.from_numpy(array).to(fabric.device), reduce_op="sum")
    assert isinstance(total, torch.Tensor)
    return total.cpu().numpy()


def share_buffers(fabric: Fabric, network: nn.Module) -> None:
    """Give all ranks the buffers of the first, whose are stored: in the statistics of batch norms each has its own
    share of the last batch."""
    if fabric.world_size == 1:
        return
    firsts = fabric.broadcast([buffer.cpu() for buffer in network.buffers()])
    for buffer, first in zip(network.buffers(), firsts, strict=True):
        buffer.copy_(first)


@contextmanager
def raised_alike(fabric: Fabric) -> Iterator[None]:
    """What one rank raises in here is raised on all, which would otherwise wait for it in vain.

    Raises:
        RuntimeError: it was another rank; the text says which, and what it raised.
    """
    try:
        yield
    except Exception as error:
        _told(fabric, f"{type(error).__name__}: {error}")
        raise
    for rank, text in enumerate(_told(fabric, None)):
        if text is not None:
            raise RuntimeError(f"rank {rank} failed with its share of the pictures: {text}")


def _told(fabric: Fabric, text: str | None) -> list[str | None]:
    """What each rank has to say."""
    texts = [text] * fabric.world_size
    if fabric.world_size > 1:
        dist.all_gather_object(texts, text)
    return texts


@contextmanager
def ended_with_it(fabric: Fabric) -> Iterator[None]:
    """Of several ranks, one that raises something in a training step ends its process.

    The others are in the middle of a step that needs it. So the group ends as well: a worker's is started again, and
    a run of its own can be resumed. Losses that are not usable are means over the ranks, and raised by all.
    """
    try:
        yield
    except LossError:
        raise
    except Exception as error:
        if fabric.world_size == 1:
            raise
        raise SystemExit(f"rank {fabric.global_rank} ends: {type(error).__name__}: {error}") from error
