"""A user's own rule: weights as a function of the epoch."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from ada_segment.weighting.base import Weighting, check_names, check_weights


class EpochFunction(Weighting):
    """Weights from a function of the epoch, asked once an epoch.

    Cost: none. When: the rule is known, such as a loss that comes in after the tenth epoch or fades out.

    Args:
        losses: names.
        function: takes the epoch, from 0, to the weight of each loss, by name.

    Raises:
        LossError: what the function gives for epoch 0 (later: for a later one) has other names, or a weight is negative
            or not finite.
    """

    def __init__(self, losses: Iterable[str], function: Callable[[int], Mapping[str, float]]) -> None:
        super().__init__(losses)
        self.function = function
        self._turn_to(0)
        self._ask()

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        if not self._weights:
            self._ask()
        return self._weights

    def end_epoch(self, means: Mapping[str, float]) -> None:
        self._turn_to(self._epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self._epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._turn_to(state["epoch"])

    def _turn_to(self, epoch: int) -> None:
        """Without asking: a function need not know an epoch after the last one."""
        self._epoch = epoch
        self._weights: dict[str, float] = {}

    def _ask(self) -> None:
        weights = check_weights(self.function(self._epoch))
        check_names(weights, self.names, f"weights of epoch {self._epoch} and losses")
        self._weights = weights
