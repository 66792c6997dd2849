"""What any training must offer so that its loss weights can be searched."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Member(Protocol):
    """One model in training, with its optimiser and schedule.

    A search trains a member for one interval at a time, under weights that it chooses, and asks how good the model is.
    """

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> Mapping[str, float]:
        """Train for one interval (an epoch, say) on the total sum_i weights[i] * loss_i.

        Args:
            weights: the multiplier of each loss, by name; positive and finite.
            round: index of the interval, from 0.
            seed: seeds everything random in the interval (order of the pictures, augmentation, sampling), so that
                two members with the same state, weights and seed end in the same state.

        Returns:
            The interval's mean of each raw (unweighted) loss, by name.
        """
        ...

    def evaluate(self) -> float:
        """How good the model is now; higher is better. Must not change the state."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that `train` changes: nested dicts, lists and tuples of tensors, numbers, strings, None."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state that `state_dict` gave, this member's or another's."""
        ...


def effective_weights(member: Member) -> dict[str, float] | None:
    """The interval's mean weight of each loss, where they were not the ones that the member was given.

    A member may have an attribute `effective_weights`, a mapping of names to weights or None; a weighting that moves
    within the interval (`training.PanopticMember`) makes them differ. The journal shows them, and those given beside.
    """
    weights = getattr(member, "effective_weights", None)
    return None if weights is None else {name: float(weight) for name, weight in weights.items()}
