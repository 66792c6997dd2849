"""All strategies, by name, and how one is made."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ada_segment.errors import ConfigError
from ada_segment.population.strategies.ada_segment import AdaSegment, AdaSegmentSettings
from ada_segment.population.strategies.base import Strategy
from ada_segment.population.strategies.constant import Default, SelectOnly
from ada_segment.population.strategies.pbt import PBT, PBTSettings
from ada_segment.population.strategies.published import Published, PublishedSettings
from ada_segment.population.strategies.random_weights import RandomWeights, RandomWeightsSettings
from ada_segment.values import did_you_mean

STRATEGIES: dict[str, type[Strategy]] = {
    kind.name: kind for kind in (AdaSegment, Published, PBT, RandomWeights, SelectOnly, Default)
}
SETTINGS: dict[str, type[Any]] = {
    AdaSegment.name: AdaSegmentSettings,
    Published.name: PublishedSettings,
    PBT.name: PBTSettings,
    RandomWeights.name: RandomWeightsSettings,
}


def make_strategy(strategy: str | Strategy, settings: Mapping[str, Any], *, beside: Iterable[str] = ()) -> Strategy:
    """The strategy of that name, with these settings; an object is returned as it is.

    Args:
        strategy: a name, one of `STRATEGIES`, or an object.
        settings: by name, as its class of settings has them.
        beside: what may have been meant instead of an unknown setting.

    Raises:
        ConfigError: the name or a setting is unknown (the nearest one is named), or a value is not usable.
    """
    if isinstance(strategy, Strategy):
        if settings:
            raise ConfigError(f"settings {', '.join(settings)} belong to the strategy object; give them when making it")
        return strategy
    if not isinstance(strategy, str):
        raise ConfigError(f"strategy = {strategy!r} is not usable; give a name, or an object rather than its class")
    if strategy not in STRATEGIES:
        raise ConfigError(f"unknown strategy {strategy!r}{did_you_mean(strategy, STRATEGIES)}")
    known = [field.name for field in fields(SETTINGS[strategy])] if strategy in SETTINGS else []
    for name in settings:
        if name not in known:
            raise ConfigError(f"strategy {strategy} has no setting {name!r}{did_you_mean(name, known, beside)}")
    return STRATEGIES[strategy](**settings)
