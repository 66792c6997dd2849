"""From what a user names to a weighting: a method, a stored controller, a schedule, weights, a function."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from ada_segment.controller.base import Controller
from ada_segment.controller.stored import FILE_NAME as CONTROLLER
from ada_segment.controller.stored import SHIPPED, load_controller, named
from ada_segment.errors import ConfigError
from ada_segment.loops.controlled import ControlledWeighting
from ada_segment.population.schedule import load_schedule
from ada_segment.values import whole
from ada_segment.weighting.base import Weighting, check_losses, check_names, check_weights
from ada_segment.weighting.by_epoch import EpochFunction
from ada_segment.weighting.fixed import FixedWeighting
from ada_segment.weighting.recorded import RecordedWeighting
from ada_segment.weighting.registry import WEIGHTINGS, make_weighting

Choice = (
    str
    | Path
    | Weighting
    | Controller
    | Mapping[str, float]
    | Sequence[Mapping[str, float]]
    | Callable[[int], Mapping[str, float]]
)


def choose_weighting(
    what: Choice,
    losses: Sequence[str] | None,
    *,
    defaults: Mapping[str, float] | None = None,
    groups: Mapping[str, str] | None = None,
    epochs: int | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> tuple[Weighting, dict[str, float] | None]:
    """A weighting, and what the losses are multiplied by before it sees them. Arguments, errors: `LossBalancer`."""
    if losses is not None:
        losses = check_losses(losses)
    if epochs is not None:
        epochs = _whole_epochs(epochs)
    if isinstance(what, Weighting):
        chosen, factors = what, defaults
    elif isinstance(what, str) and what in WEIGHTINGS:
        chosen = make_weighting(what, _needed(losses, what), settings, seed=seed)
        factors, settings = defaults, None
    elif isinstance(what, Controller):
        chosen, factors = _controlled(what, losses, defaults, groups, epochs), None
    elif isinstance(what, str | Path) and (paths := _controllers(what)):
        chosen, factors = _controlled(paths, losses, defaults, groups, epochs), None
    else:
        chosen, factors = _given(what, losses, epochs), None
        if defaults is not None:
            raise ConfigError(
                "defaults do not go with weights that are given, which stand for themselves; leave them out"
            )
    if settings:
        raise ConfigError(f"settings {', '.join(settings)} belong to a weighting that is named; {what!r} takes none")
    if losses is not None:
        check_names(losses, chosen.names, "losses and those of the weighting")
    if factors is not None:
        factors = check_weights({**dict.fromkeys(chosen.names, 1.0), **factors})
        check_names(factors, chosen.names, "defaults and losses")
    return chosen, None if factors is None else dict(factors)


def _whole_epochs(epochs: Any) -> int:
    """transformers counts them in fractions: 3.0 are 3."""
    fraction = type(epochs) is not bool and isinstance(epochs, Real) and float(epochs).is_integer()
    return whole("epochs", int(float(epochs)) if fraction else epochs, least=1)


def _given(what: Any, losses: Sequence[str] | None, epochs: int | None) -> Weighting:
    """Weights that stand for themselves: by name, epoch by epoch, in a file, or by a function of the epoch."""
    if isinstance(what, str | Path):
        if isinstance(what, str) and not Path(what).exists():
            raise ConfigError(
                f"weighting {what!r} is neither a method ({', '.join(WEIGHTINGS)}) nor a controller that comes with "
                f"the package ({', '.join(SHIPPED)}), nor a run folder, a controller's file or a JSON file of weights"
            )
        return RecordedWeighting(load_schedule(what), epochs=epochs)
    if isinstance(what, Mapping):
        return FixedWeighting(what)
    if isinstance(what, Sequence):
        if any(isinstance(name, str) for name in what):
            raise ConfigError(f"{what!r} are names; say first what weighs them, as in LossBalancer('dwa', {what!r})")
        return RecordedWeighting(what, epochs=epochs)
    if callable(what):
        return EpochFunction(_needed(losses, "a function"), what)
    raise ConfigError(
        f"{what!r} is no weighting; give a method's name, a path, weights by name, or a function of the epoch"
    )


def _controlled(
    what: Sequence[str | Path] | Controller,
    losses: Sequence[str] | None,
    defaults: Mapping[str, float] | None,
    groups: Mapping[str, str] | None,
    epochs: int | None,
) -> ControlledWeighting:
    """A controller, stored or at hand, on these losses; defaults and groups not given are those of its search."""
    if epochs is None:
        of = "" if isinstance(what, Controller) else f" of {', '.join(map(str, what))}"
        raise ConfigError(f"the controller{of} goes by the share of the training that is done; give epochs")
    controller = what if isinstance(what, Controller) else load_controller(*what)
    about = controller.about()
    names = tuple(losses) if losses is not None else controller.losses
    defaults = {name: about["defaults"].get(name, 1.0) for name in names} | check_weights(defaults or {})
    groups = {name: about.get("groups", {}).get(name, name) for name in names} | dict(groups or {})
    check_names(defaults, names, "defaults and losses")
    check_names(groups, names, "groups and losses")
    return ControlledWeighting(controller.rebound(names, defaults, groups), epochs=epochs)


def _controllers(what: str | Path) -> tuple[str | Path, ...]:
    """The stored controllers that are named; none where it is something else."""
    path = Path(what)
    is_one = (path / CONTROLLER).exists() or path.suffix == Path(CONTROLLER).suffix
    return named(what) or ((path,) if is_one else ())


def _needed(losses: Sequence[str] | None, what: str) -> Sequence[str]:
    if losses is None:
        raise ConfigError(f"losses = {losses!r} is not usable: {what} needs the list of the losses' names")
    return losses
