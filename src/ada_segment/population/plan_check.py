"""What a strategy says, checked before anything is trained by it: strategies may be anybody's."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ada_segment.errors import LossError, SearchError
from ada_segment.population.strategies.base import Plan, Strategy, Task, Trial, Verdict
from ada_segment.weighting.base import check_names, check_weights


def planned(strategy: Strategy, round: int, task: Task) -> Plan:
    """The strategy's plan of a round, its weights as floats.

    Raises:
        SearchError: it has not one set of usable weights for each member, or notes that a journal cannot hold.
    """
    plan = strategy.plan(round)
    if len(plan.weights) != task.members:
        raise SearchError(
            f"strategy {strategy.name} plans {len(plan.weights)} sets of weights for {task.members} members"
        )
    try:
        for given in plan.weights:
            check_names(given, task.losses, "its weights and the losses")
        weights = [check_weights(given) for given in plan.weights]
    except LossError as error:
        raise SearchError(f"strategy {strategy.name}, round {round + 1}: {error}") from None
    _check_notes(plan.notes, strategy)
    return Plan(weights, plan.notes)


def judged(strategy: Strategy, round: int, trials: Sequence[Trial], task: Task) -> Verdict:
    """The strategy's verdict on a round.

    Raises:
        SearchError: it does not name a parent for each member, or names a member that failed, or notes something that a
            journal cannot hold.
    """
    verdict = strategy.judge(round, trials)
    there = [trial.index for trial in trials]
    if len(verdict.parents) != task.members:
        raise SearchError(f"strategy {strategy.name} names {len(verdict.parents)} parents for {task.members} members")
    if strangers := sorted({verdict.best, *verdict.parents} - set(there)):
        raise SearchError(
            f"strategy {strategy.name}, round {round + 1}: member {strangers[0]} made no trial; choose among "
            f"{', '.join(map(str, there))}"
        )
    _check_notes(verdict.notes, strategy)
    return verdict


def _check_notes(notes: Mapping[str, Any], strategy: Strategy) -> None:
    try:
        json.dumps(notes)
    except (TypeError, ValueError) as error:
        raise SearchError(f"strategy {strategy.name} notes what a journal cannot hold: {error}") from None
