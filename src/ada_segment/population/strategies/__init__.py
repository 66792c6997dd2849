"""Strategies: which weights the members of a round try, and whose state goes on."""

from ada_segment.population.strategies.registry import STRATEGIES, make_strategy

__all__ = ["STRATEGIES", "make_strategy"]
