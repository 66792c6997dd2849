"""The gradient of each loss alone, for the methods that look at more than values."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from ada_segment.errors import ConfigError, LossError
from ada_segment.weighting.base import Average


def given_parameters(shared: Iterable[Tensor] | None) -> list[Tensor] | None:
    """The parameters that somebody names as shared; a single one may stand for a list of one.

    Raises:
        ConfigError: there are none, or not all are tensors.
    """
    if shared is None:
        return None
    # Of a tensor, list() would make rows, which no loss reaches.
    parameters = [shared] if isinstance(shared, Tensor) else list(shared)
    if bad := [parameter for parameter in parameters if not isinstance(parameter, Tensor)]:
        raise ConfigError(f"shared holds {type(bad[0]).__name__}; give parameters, as layer.parameters() does")
    if not parameters:
        raise ConfigError("shared is empty; give the parameters whose gradients are compared, or leave it out")
    return parameters


def shared_parameters(losses: Mapping[str, Tensor]) -> list[Tensor]:
    """The parameters that at least two of the losses reach, found by walking back through their graphs; where fewer
    than two of them have a gradient, as in a batch without instances, all that are reached.

    The same in all processes that train one model together, as long as their losses reach the same parameters and
    come in the same order.

    Raises:
        LossError: there are none.
    """
    reached: dict[Tensor, int] = {}
    for loss in losses.values():
        for leaf in _leaves(loss):
            reached[leaf] = reached.get(leaf, 0) + 1
    shared = [leaf for leaf, count in reached.items() if count > 1]
    if sum(loss.requires_grad for loss in losses.values()) < 2:
        return list(reached)
    if not shared:
        raise LossError(
            f"losses {', '.join(losses)} share no parameters, so that their gradients cannot be compared; take a "
            "weighting that goes by their values, or fixed weights"
        )
    return shared


def gramian(losses: Mapping[str, Tensor], parameters: Sequence[Tensor], average: Average | None) -> Tensor:
    """The inner products [n, n] (double, CPU) of the losses' gradients with respect to `parameters`.

    Costs one backward pass a loss, and memory for that many gradients. The graph is kept.

    Args:
        losses: 0-d, by name; in the same order in all processes.
        parameters: of which the gradients are taken; one that a loss does not reach has gradient 0.
        average: takes gradients to their mean over the processes that train one model.

    Raises:
        LossError: losses have gradients, but none with respect to `parameters`.
    """
    found = [_gradients(loss, parameters) for loss in losses.values()]
    learning = [name for name, loss in losses.items() if loss.requires_grad]
    if learning and all(gradient is None for row in found for gradient in row):
        raise LossError(
            f"losses {', '.join(learning)} reach none of the shared parameters; name parameters of the model that is "
            "trained (those of a copy are others), or leave `shared` out"
        )
    rows = [_flat(row, parameters) for row in found]
    if average is not None:
        rows = [average(row) for row in rows]
    # In double precision piece by piece: squares of single precision run over at 1e19.
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64, device="cpu")
    for pieces in zip(*(row.split(1 << 20) for row in rows), strict=True):
        block = torch.stack(pieces)
        block = (block.cpu() if block.device.type == "mps" else block).double()  # which mps does not have
        total += (block @ block.T).cpu()
    return total


def _gradients(loss: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """The gradient of one loss by each parameter; None where it does not reach it."""
    if not loss.requires_grad:
        return [None] * len(parameters)
    return torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)


def _flat(gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> Tensor:
    pairs = zip(gradients, parameters, strict=True)
    parts = [(torch.zeros_like(p) if g is None else g).detach().float().flatten() for g, p in pairs]
    return torch.cat(parts) if parts else torch.zeros(0)


def _leaves(loss: Tensor) -> list[Tensor]:
    """The tensors at which a loss's graph ends: parameters, which take up gradients. In the order of the graph."""
    if loss.is_leaf:
        return [loss] if loss.requires_grad else []
    waiting, seen, leaves = [loss.grad_fn], {loss.grad_fn}, []
    while waiting:
        node = waiting.pop()
        variable = getattr(node, "variable", None)
        if variable is not None:
            leaves.append(variable)
        for after, _ in node.next_functions if node is not None else ():
            if after is not None and after not in seen:
                seen.add(after)
                waiting.append(after)
    return leaves
