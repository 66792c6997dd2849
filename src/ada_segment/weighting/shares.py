"""Softmax over named numbers, for the methods whose weights are shares of one sum."""

import math
from collections.abc import Mapping


def softmax(scores: Mapping[str, float]) -> dict[str, float]:
    """exp(score_i) / sum_j exp(score_j), by name; empty for no scores. Scores may be as large as floats go."""
    if not scores:
        return {}
    top = max(scores.values())
    powers = {name: math.exp(score - top) for name, score in scores.items()}
    whole = sum(powers.values())
    return {name: power / whole for name, power in powers.items()}


def present(values: Mapping[str, float]) -> list[str]:
    """Names of the losses that are not exactly 0. One that is (a batch without instances, a loss that is switched off)
    says nothing, and formulas that divide by it are left without it."""
    return [name for name, value in values.items() if value != 0]
