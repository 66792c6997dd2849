"""What the ranks of one model, each a process with a device, have to do together when they score it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn


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
        RuntimeError: it was another rank; that one raises its own error.
    """
    try:
        yield
    except Exception:
        summed(fabric, np.ones(1))
        raise
    if summed(fabric, np.zeros(1)).any():
        raise RuntimeError("another process of this model has failed with its share of the pictures; it says why")
