"""A training under a LossBalancer, in one process or in two that share each batch."""

import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from made_losses import NAMES, losses_of, model, pictures
from torch import distributed

from ada_segment.errors import LossError
from ada_segment.loops.balancer import LossBalancer


def train(
    balancer: LossBalancer, network: Any, *, epochs: int = 2, parts: int = 1, rank: int = 0, ranks: int = 1
) -> list[dict[str, float]]:
    """Plain gradient descent, three steps an epoch, each on a batch in `parts` parts; the weights of each total.

    Ranks after the first have their losses in another order.
    """
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    log = []
    for epoch in range(epochs):
        for batch in pictures(3, seed=epoch):
            optimizer.zero_grad()
            for part in batch[rank::ranks].chunk(parts):
                losses = losses_of(network, part)
                (balancer(dict(reversed(losses.items())) if rank else losses) / parts).backward()
                log.append(balancer.weights)
            optimizer.step()
        balancer.end_epoch()
    return log


def flat(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def one_rank(rank: int, folder: str, methods: list[str]) -> None:
    """Train under each method with half of every batch; write parameters and weights."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = {}
    for method in methods:
        network = model()
        parallel = torch.nn.parallel.DistributedDataParallel(network)
        balancer = LossBalancer(method, NAMES)
        if rank == 0:  # a validation by one rank, before anything is trained, asks the other nothing
            with torch.no_grad():
                balancer(losses_of(network, pictures(1)[0]))
        log = train(balancer, parallel, rank=rank, ranks=2)
        try:
            losses = losses_of(parallel, pictures(1)[0])
            if rank == 1:
                losses["box"] = losses["box"] * math.nan
            balancer(losses)
            refused = ""
        except LossError as error:
            refused = str(error)
        found[method] = {"log": log, "flat": flat(network).tolist(), "journal": balancer.journal, "refused": refused}
        del parallel, balancer  # what they hold of the group goes before it does
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    distributed.barrier()  # a rank that leaves first has taken the other down with it, now and then
    os._exit(0)  # and the threads of gloo have ended the process with SIGABRT where they were taken apart
