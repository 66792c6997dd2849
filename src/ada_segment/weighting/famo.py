"""FAMO: all losses shall fall at the same rate, judged by their values alone."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ada_segment.weighting.base import Weighting, check_not_below_0
from ada_segment.weighting.learned import Learned
from ada_segment.weighting.shares import present, softmax

# As in the authors' code: keeps the logarithm of a loss that is 0 in one batch near those of small ones.
EPSILON = 1e-8


class FAMO(Weighting):
    """Liu, Feng, Stone & Liu, FAMO: Fast Adaptive Multitask Optimization (NeurIPS 2023, arXiv:2306.03792), algorithm 1.

    weight_i = n c z_i / L_i with z = softmax(xi) and c = 1 / sum_j (z_j / L_j); after each step xi moves against
    delta = (d z / d xi)^T (log L(t) - log L(t + 1)) + gamma xi, so that what fell more slowly than the others is
    weighted up. The paper's weights sum to 1; times the number n of losses that are present they sum to n, so that
    another method is not another learning rate. Log L(t + 1) is taken from the next batch, not by a second forward pass
    through the same one: no extra cost, and xi moves by noise also, which evens out. xi is moved by Adam, as in the
    authors' code.

    Cost: no extra backward pass. When: losses of very different sizes that should all improve, and no idea of weights.
    As it goes by logarithms, a loss that is nearly 0 has a great weight.

    Scaling a loss by c scales its weight, relative to the others, by 1 / c. A loss of exactly 0 has weight 0 and its xi
    stays.

    Args:
        losses: names.
        lr: of xi; 0.025 in the paper.
        gamma: decay of xi; 0.001 in the paper.

    Raises:
        LossError: a loss is below 0 and has no logarithm.
    """

    def __init__(self, losses: Iterable[str], *, lr: float = 0.025, gamma: float = 0.001) -> None:
        super().__init__(losses)
        self._xi = Learned(self.names, start=0.0, lr=lr, decay=gamma)
        self._before: dict[str, float] | None = None

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        check_not_below_0(values, self.kind)
        names, xi = present(values), self._xi.values
        # Softmax of xi - log L is z_i / L_i over its sum.
        share = softmax({name: xi[name] - math.log(values[name] + EPSILON) for name in names})
        return {name: len(names) * share.get(name, 0.0) for name in self.names}

    def step(self, values: Mapping[str, float]) -> None:
        before, self._before = self._before, dict(values)
        if before is None:
            return
        names = [name for name in self.names if before[name] > 0 and values[name] > 0]
        fallen = {name: math.log(before[name] + EPSILON) - math.log(values[name] + EPSILON) for name in names}
        xi = self._xi.values
        z = softmax({name: xi[name] for name in names})
        mean = sum(z[name] * fallen[name] for name in names)
        # (d z / d xi)^T v = z (v - z.v): the softmax's Jacobian.
        self._xi.descend({name: z[name] * (fallen[name] - mean) for name in names})

    def state_dict(self) -> dict[str, Any]:
        return {"xi": self._xi.state_dict(), "before": self._before}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._xi.load_state_dict(state["xi"])
        self._before = None if state["before"] is None else dict(state["before"])
