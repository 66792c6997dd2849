"""Weights that a backbone begins with: downloaded, or from a file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ada_segment.errors import ConfigError
from ada_segment.panoptic.settings import ModelSettings


@contextmanager
def downloading(settings: ModelSettings) -> Iterator[None]:
    """What goes wrong with the network, or with the folder that a download goes to, named by its setting."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"model.pretrained = {settings.pretrained} cannot be downloaded for {settings.backbone} ({error}); give a "
            f"local file of weights, or none"
        ) from None


def load_file(body: nn.Module, settings: ModelSettings, *, names: Mapping[str, str] | None = None) -> None:
    """Give a model the weights of the file that `settings` name, if they name one.

    Args:
        body: the model.
        settings: of the model.
        names: begins of names in the file that are others in the body; each part of the name whole, "stem.0.".

    Raises:
        ConfigError: the file cannot be read as weights, or does not have all of the body's.
    """
    if settings.pretrained in ("none", "default"):
        return
    path = Path(settings.pretrained)
    if not path.is_file():
        raise ConfigError(
            f"model.pretrained = {settings.pretrained} is no file; give none, default or a file of weights"
        )
    state = {_renamed(str(key), names or {}): value for key, value in _read(path).items()}
    if settings.norm == "group" and any(key.endswith("running_mean") for key in state):
        raise batch_norms(settings)
    own = body.state_dict()
    fitting = {
        key: value
        for key, value in state.items()
        if key in own and isinstance(value, Tensor) and value.shape == own[key].shape
    }
    # num_batches_tracked is absent from files of old and from frozen norms.
    missing = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    missing = [key for key in missing if not key.startswith(("fc.", "classifier."))]
    if missing:
        raise ConfigError(
            f"model.pretrained = {path} does not fit {settings.backbone}: {len(missing)} of {len(own)} tensors are "
            f"missing or of another shape, {missing[0]} first"
        )
    body.load_state_dict(fitting, strict=False)


def _read(path: Path) -> Mapping[object, object]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, safetensors and zip files fail in many ways; all mean the same to the user
        raise ConfigError(f"model.pretrained = {path} cannot be read as weights: {error}") from None
    if not isinstance(state, Mapping):
        raise ConfigError(
            f"model.pretrained = {path} holds a {type(state).__name__}; give a file of tensors by their names, which "
            "torch.save(model.state_dict(), FILE) writes"
        )
    return state


def _renamed(key: str, names: Mapping[str, str]) -> str:
    return next((new + key.removeprefix(old) for old, new in names.items() if key.startswith(old)), key)


def batch_norms(settings: ModelSettings) -> ConfigError:
    """What is said of weights of batch norms for a model with other norms."""
    return ConfigError(
        f"model.norm = group does not fit model.pretrained = {settings.pretrained}, weights of batch norms; set "
        "model.norm to frozen or batch, or model.pretrained to none"
    )
