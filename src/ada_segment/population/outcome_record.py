"""What the journal says of a member's round."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ada_segment.errors import LossError
from ada_segment.population.executors.base import Outcome
from ada_segment.population.journal import Record
from ada_segment.weighting.base import check_names


def outcome_record(outcome: Outcome, weights: Mapping[str, float], parent: int | None, names: Sequence[str]) -> Record:
    """A member's journal entry. Numbers that are not finite become null, since JSON has none.

    Args:
        outcome: of its job.
        weights: that it was given; the journal has those that it trained under, where they were others.
        parent: index of the member of the round before that it went on from.
        names: of the losses searched.

    Raises:
        LossError: it reports losses under other names, or none.
    """
    shown: Record = {"weights": dict(weights)}
    losses: dict[str, float | None] = dict.fromkeys(names)
    reward: float | None = None
    status = "ok"
    if outcome.failure is not None:
        status = f"failed: {outcome.failure}"[:500]
    else:
        reported = outcome.losses
        if reported is None:
            raise LossError("train of the member returned no losses; return the mean of each loss by name")
        check_names(reported, names, "losses reported by the member and losses searched")
        effective = outcome.weights or weights
        check_names(effective, names, "effective weights of the member and losses searched")
        losses = {name: _finite(reported[name]) for name in names}
        reward = _finite(outcome.reward)
        bad = [f"{name} = {reported[name]}" for name in names if losses[name] is None]
        bad += [f"weight of {name} = {effective[name]}" for name in names if _finite(effective[name]) is None]
        if reward is None:
            bad.append(f"reward = {outcome.reward}")
        if bad:
            status = f"failed: not finite: {', '.join(bad)}"
            reward = None
        elif outcome.weights is not None:
            # Weights that moved within the round are shown by their mean, beside those that were asked for.
            shown = {"weights": {name: float(effective[name]) for name in names}, "given": dict(weights)}
    return {
        **shown,
        "losses": losses,
        "reward": reward,
        "status": status,
        "parent": parent,
        "seconds": outcome.seconds,
    }


def _finite(value: Any) -> float | None:
    """A finite number, or None: of what is no number executors give the text."""
    return value if isinstance(value, float) and math.isfinite(value) else None
