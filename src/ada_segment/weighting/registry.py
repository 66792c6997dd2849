"""All weightings that need no more than the names of the losses, by name, and how one is made."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ada_segment.errors import ConfigError
from ada_segment.values import did_you_mean
from ada_segment.weighting.base import Weighting
from ada_segment.weighting.conflict import METHODS, ConflictWeighting
from ada_segment.weighting.dwa import DynamicWeightAveraging
from ada_segment.weighting.famo import FAMO
from ada_segment.weighting.fixed import FixedWeighting
from ada_segment.weighting.gradnorm import GradNorm
from ada_segment.weighting.rlw import RandomLossWeighting
from ada_segment.weighting.soft_optimal import SoftOptimalWeighting
from ada_segment.weighting.uncertainty import UncertaintyWeighting


def equal(losses: Iterable[str]) -> FixedWeighting:
    """Weight 1 for each loss, so that only the default weights count."""
    return FixedWeighting(dict.fromkeys(losses, 1.0))


# Parameters that are no settings.
GIVEN = ("losses", "method")
WEIGHTINGS: dict[str, Callable[..., Weighting]] = {
    "fixed": equal,
    "uncertainty": UncertaintyWeighting,
    "uw-so": SoftOptimalWeighting,
    "dwa": DynamicWeightAveraging,
    "rlw": RandomLossWeighting,
    "famo": FAMO,
    "gradnorm": GradNorm,
    **{method: partial(ConflictWeighting, method=method) for method in METHODS},
}


def make_weighting(
    name: str, losses: Iterable[str], settings: Mapping[str, Any] | None = None, *, seed: int = 0
) -> Weighting:
    """The weighting of that name over these losses.

    Args:
        name: one of `WEIGHTINGS`.
        losses: names of the losses.
        settings: of the weighting, by name, as its class has them.
        seed: of those that draw, where the settings do not name one.

    Raises:
        ConfigError: the name or a setting is unknown (the nearest one is named), a value is not usable, or a package
            that the weighting needs is missing.
    """
    if name not in WEIGHTINGS:
        raise ConfigError(f"unknown weighting {name!r}{did_you_mean(name, WEIGHTINGS)}")
    parameters = inspect.signature(WEIGHTINGS[name]).parameters
    known = [key for key, one in parameters.items() if key not in GIVEN and one.kind is not one.VAR_KEYWORD]
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    for key, value in (settings or {}).items():
        if key in GIVEN or (key not in known and not open_ended):
            raise ConfigError(f"weighting {name} has no setting {key!r}{did_you_mean(key, known)}")
        kind = parameters[key].annotation if key in parameters else None
        if kind in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ConfigError(f"{key} = {value!r} of weighting {name} is not usable; it is a number")
    seeded = {"seed": seed} if "seed" in known else {}
    try:
        return WEIGHTINGS[name](losses, **{**seeded, **(settings or {})})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"settings of weighting {name} are not usable: {error}") from None
