"""Numbers that a weighting learns by gradient descent of its own, apart from the model's optimiser."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ada_segment.storage import copy_state
from ada_segment.weighting.base import check_names


class Learned:
    """One number a loss, moved by Adam (Kingma & Ba 2015) along gradients given as formulas.

    Apart from the model's optimiser, so that no group of parameters has to be added to it, and neither its learning
    rate schedule nor clipping nor a loss scale touches them.

    Args:
        names: of the losses.
        start: of all numbers.
        lr: learning rate of Adam.
        decay: factor of the number itself that is added to its gradient.
    """

    def __init__(self, names: Iterable[str], *, start: float, lr: float, decay: float = 0.0) -> None:
        self.names = tuple(names)
        self._numbers = {name: torch.full((), start, dtype=torch.float64, device="cpu") for name in self.names}
        self._adam = torch.optim.Adam(self._numbers.values(), lr=lr, weight_decay=decay)

    @property
    def values(self) -> dict[str, float]:
        """The numbers, by name."""
        return {name: number.item() for name, number in self._numbers.items()}

    def descend(self, gradient: Mapping[str, float]) -> None:
        """One step against `gradient`; numbers that it does not hold stay, and so does what Adam remembers of them."""
        for name, slope in gradient.items():
            self._numbers[name].grad = self._numbers[name].new_tensor(slope)
        self._adam.step()
        self._adam.zero_grad()

    def set(self, values: Mapping[str, float]) -> None:
        """Put the numbers elsewhere, and leave what Adam remembers."""
        for name in self.names:
            self._numbers[name].fill_(values[name])

    def state_dict(self) -> dict[str, Any]:
        """The numbers and what Adam remembers."""
        adam = copy_state(self._adam.state_dict()["state"])
        return {"values": self.values, "adam": {self.names[index]: kept for index, kept in adam.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state that `state_dict` gave. Raises LossError when it is that of other losses."""
        check_names(state["values"], self.names, "names of the losses")
        self.set(state["values"])
        adam = {self.names.index(name): each for name, each in copy_state(state["adam"]).items()}
        self._adam.load_state_dict({**self._adam.state_dict(), "state": adam})
