"""Intervals for the mean of few numbers, by Student's t."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and half the width of its 95 % interval; None for the latter where there is one number."""

    mean: float
    half: float | None
    count: int

    @property
    def differs_from_zero(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.half is not None and abs(self.mean) > self.half


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and interval, of independent numbers from about the same normal distribution; None of no number."""
    if not values:
        return None
    if len(values) == 1:
        return Estimate(values[0], None, 1)
    half = quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(mean(values), half, len(values))


def quantile(degrees: int, probability: float = 0.975) -> float:
    """The quantile of Student's t for a probability between 1/2 and 1, by bisection."""
    low, high = 0.0, 1.0
    while _cdf(high, degrees) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def _cdf(t: float, degrees: int) -> float:
    """P(T <= t). Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(degrees))
    cos2 = math.cos(angle) ** 2
    odd = degrees % 2
    term, total = 1.0, 0.0
    if odd:
        term = math.cos(angle)
    for step in range((degrees - odd) // 2):
        total += term
        term *= cos2 * (2 * step + 1 + odd) / (2 * step + 2 + odd)
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return 0.5 + inside / 2
