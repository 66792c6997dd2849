"""A stored controller steers: what a search has learned, at no extra cost."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ada_segment.controller.base import Controller
from ada_segment.errors import ConfigError
from ada_segment.weighting.base import Weighting


class ControlledWeighting(Weighting):
    """A frozen controller gives the weights of each epoch from the mean losses of those before.

    Cost: none beside one small evaluation an epoch. When: a search was run on this kind of data and losses.

    Args:
        controller: bound to the losses at hand (`Controller.rebound`).
        epochs: length of the training; what comes after has the weights of the last epoch.
    """

    def __init__(self, controller: Controller, *, epochs: int) -> None:
        if epochs < 1:
            raise ConfigError(f"epochs = {epochs} is not usable; a training has at least 1")
        super().__init__(controller.losses)
        self.controller, self.epochs = controller, epochs
        self._history: list[dict[str, float]] = []
        self._weights = self._asked()

    def choose(self, values: Mapping[str, float], losses: Mapping[str, Tensor]) -> dict[str, float]:
        return self._weights

    def end_epoch(self, means: Mapping[str, float]) -> None:
        self._history.append({name: float(means[name]) for name in self.names})
        self._weights = self._asked()

    def state_dict(self) -> dict[str, Any]:
        return {"history": [dict(epoch) for epoch in self._history]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._history = [dict(epoch) for epoch in state["history"]]
        self._weights = self._asked()

    def _asked(self) -> dict[str, float]:
        epoch = min(len(self._history), self.epochs - 1)
        return self.controller.weights(self._history[:epoch], round=epoch, rounds=self.epochs)
