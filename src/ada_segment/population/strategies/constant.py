"""The two arms without any choice of weights: plain training, and the gain that selection alone gives."""

from collections.abc import Sequence

from ada_segment.population.strategies.base import (
    Plan,
    Strategy,
    Trial,
    Verdict,
    broadcast,
    observed_best,
    separate,
)


class Default(Strategy):
    """The default weights throughout. With several members: that many separate trainings, each with its own seed."""

    name = "default"

    def plan(self, round: int) -> Plan:
        return Plan([dict(self.task.defaults) for _ in range(self.task.members)])

    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        return separate(trials, self.task.members)


class SelectOnly(Default):
    """The default weights for all; members differ by their seed, and the best one observed is broadcast."""

    name = "select-only"

    def judge(self, round: int, trials: Sequence[Trial]) -> Verdict:
        return broadcast(observed_best(trials).index, self.task.members)
