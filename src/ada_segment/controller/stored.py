"""Controllers on disk: safetensors for the state, JSON beside it for people."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from ada_segment.controller.base import Controller
from ada_segment.controller.bayesian import BayesianController
from ada_segment.controller.policy_gradient import PolicyGradientController
from ada_segment.errors import ConfigError, LossError, RunError
from ada_segment.storage import load_state, read_about, save_state

FILE_NAME = "controller.safetensors"
KINDS: dict[str, type[Controller]] = {kind.kind: kind for kind in (BayesianController, PolicyGradientController)}
FORMAT = 1
SHIPPED = {"scenes": Path(__file__).with_name("scenes.safetensors")}
"""Controllers that come with the package, by name. `scenes`: what five searches on generated scenes have learned about
losses of the groups rpn, class, box, mask and semantic; docs/results.md says what it gains elsewhere."""


def save_controller(path: str | Path, controller: Controller) -> None:
    """Write `controller` to `path` (.safetensors) and what it is to the .json beside it."""
    about = {
        "what": "controller of loss weights",
        "kind": controller.kind,
        "format": FORMAT,
        "version": version("ada-segment"),
        **controller.about(),
    }
    save_state(Path(path), controller.state_dict(), about=about)


def load_controller(path: str | Path, *others: str | Path) -> Controller:
    """The controller that a run has stored; of several, one that has learned from the rounds of all.

    Args:
        path: the .safetensors file, or the run folder that holds it, or the name of one of `SHIPPED`.
        *others: more of them.

    Raises:
        RunError: there is none, it is damaged, it was written by a later version, or several do not go together.
    """
    if others:
        return _pooled([path, *others])
    path = SHIPPED[path] if isinstance(path, str) and path in SHIPPED else Path(path)
    if path.is_dir():
        path = path / FILE_NAME
    about = read_about(path)
    if about.get("kind") not in KINDS:
        raise RunError(f"{path} holds no controller; name a run of ada-segment search, or its {FILE_NAME}")
    if about.get("format") != FORMAT:
        raise RunError(
            f"{path} has format {about.get('format')!r}, this version reads {FORMAT}; use the version "
            f"{about.get('version')} of ada-segment that wrote it"
        )
    try:
        controller = KINDS[about["kind"]].from_state(load_state(path))
        controller.weights([], round=0, rounds=1)  # a file from elsewhere may fit together and still give none
        return controller
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, LossError) as error:
        raise RunError(
            f"{path} is damaged: {type(error).__name__}: {error}; use a controller from another run"
        ) from None


def named(names: str | Path) -> tuple[str, ...]:
    """The controllers that a name stands for beside a path: one of `SHIPPED`, or those in a list with commas between
    them; none where it is a path, with a comma in it or not. Raises ConfigError where one of a list is empty."""
    if isinstance(names, str) and names in SHIPPED:
        return (names,)
    if "," not in str(names) or Path(names).exists():
        return ()
    found = tuple(name.strip() for name in str(names).split(","))
    if not all(found):
        raise ConfigError(f"{str(names)!r} has no name before or after one of its commas; write one there, or no comma")
    return found


def _pooled(paths: Sequence[str | Path]) -> Controller:
    controllers = [load_controller(path) for path in paths]
    learned = [controller for controller in controllers if isinstance(controller, BayesianController)]
    names = ", ".join(map(str, paths))
    if len(learned) < len(paths):
        raise RunError(f"{names}: only controllers of ada-segment can be put together; name one of them")
    try:
        return BayesianController.pooled(learned)
    except LossError as error:
        raise RunError(f"{names}: {error}; name those of searches with the same model and settings") from None
