"""What people give: numbers in their bounds, names that are nearly right, mappings to lay over others."""

import difflib
import math
import operator
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ada_segment.errors import ConfigError


def above_zero(settings: object, *names: str) -> None:
    """Refuse settings that are not finite numbers above 0.

    Raises:
        ConfigError: names the setting and its value.
    """
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise ConfigError(f"{name} = {value!r} is not usable; it is a number above 0")


def whole(name: str, value: Any, *, least: int | None = None) -> int:
    """The whole number that a value is, as those of numpy are, too.

    Raises:
        ConfigError: it is none, or below `least`; says `name` and the value.
    """
    number: int | None = None
    if not isinstance(value, bool):
        with suppress(TypeError):
            number = operator.index(value)
    if number is None or (least is not None and number < least):
        bound = "" if least is None else f" of at least {least}"
        raise ConfigError(f"{name} = {value!r} is not usable; it is a whole number{bound}")
    return number


def switches(settings: object, *names: str) -> None:
    """Refuse settings that are neither true nor false. Raises ConfigError, which names the setting and its value."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, bool):
            raise ConfigError(f"{name} = {value!r} is not usable; it is true or false")


def within(settings: object, low: float, high: float, *names: str) -> None:
    """Refuse settings outside [low, high].

    Raises:
        ConfigError: names the setting, its value and its bounds.
    """
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"{name} = {value!r} is not usable; it lies between {low:g} and {high:g}")


def nearest(word: str, known: Iterable[str]) -> str:
    """That one of the known words, of which there is at least one, which `word` is most like."""
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)[0]


def did_you_mean(name: str, known: Iterable[str], beside: Iterable[str] = ()) -> str:
    """The end of an error about an unknown name: the nearest of those known and those beside, and all those known."""
    known = list(known)
    if not (possible := [*known, *beside]):
        return "; it has none"
    return f"; did you mean {nearest(name, possible)}? " + (f"Known: {', '.join(known)}" if known else "It has none.")


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the entries of `over` in their places, mapping by mapping; neither is changed."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result
