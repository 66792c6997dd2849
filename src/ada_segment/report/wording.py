"""How times, rewards and weights are written, the same on the terminal and on the page."""

import math
from collections.abc import Mapping

LIMIT = math.log(4.0)
"""Bars and sparks of weights reach from a quarter of the default to four times it."""

SPARKS = "▁▂▃▄▅▆▇█"


def duration(seconds: float) -> str:
    """`41 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def score(value: float | None) -> str:
    """A reward: two decimals where that says something, four digits otherwise; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.2f}" if 1 <= abs(value) < 1e5 or value == 0 else f"{value:.4g}"


def percent(value: float | None) -> str:
    """A share in 0..1 as a percentage with one decimal, without the sign; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def signed(value: float, decimals: int = 2) -> str:
    """A difference, always with its sign: `+2.60`, `−0.30`."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def fine(value: float, *, sign: bool = False) -> str:
    """Two decimals, or as many as two digits take where the value is small; with its sign if asked for."""
    text = f"{value:+.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:+.2g}"
    return text.replace("-", "−") if sign else text.removeprefix("+").replace("-", "−")


def factor(value: float) -> str:
    """A weight relative to its default: `×1.32`."""
    return f"×{value:.2f}" if 0.01 <= value < 100 else f"×{value:.2g}"


def relative(weights: Mapping[str, float], defaults: Mapping[str, float] | None) -> dict[str, float]:
    """Weight / default by name; a default that is unknown or 0 counts as 1."""
    return {name: weight / ((defaults or {}).get(name) or 1.0) for name, weight in weights.items()}


def geometric_mean(values: list[float]) -> float:
    """Of values of at least 0; 0 where one is 0."""
    if any(value <= 0 for value in values):
        return 0.0
    return math.exp(sum(math.log(value) for value in values) / len(values))


def spark(values: list[float], low: float, high: float) -> str:
    """Eighth blocks, one a value; values beyond the bounds are cut."""
    span = high - low or 1.0
    return "".join(SPARKS[min(7, max(0, int(8 * (value - low) / span)))] for value in values)


def log_factor(value: float) -> float:
    """log(weight / default) cut to what a bar can show."""
    return min(LIMIT, max(-LIMIT, math.log(value))) if value > 0 else -LIMIT
