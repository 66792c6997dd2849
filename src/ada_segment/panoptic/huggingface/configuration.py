"""The library's configuration that a model's settings name."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ada_segment.errors import ConfigError
from ada_segment.panoptic.huggingface.families import FAMILIES, Family, family_of
from ada_segment.panoptic.huggingface.library import transformers_for
from ada_segment.panoptic.huggingface.sizes import SIZES
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.values import merged, nearest

PREFIX = "hf:"
MODELS = tuple(f"{PREFIX}{name}" for name in FAMILIES)
"""Families by their full names; "hf:PATH" is a local folder or configuration."""


def read_configuration(settings: ModelSettings) -> tuple[Family, Any]:
    """The family and the library's configuration of the model `hf:...` that `settings` name.

    Raises:
        ConfigError: the extra is missing, the name is neither a family nor a local path, the file is none of a
            panoptic model, or a setting is unknown or does not fit.
    """
    name = settings.name.removeprefix(PREFIX)
    transformers = transformers_for(f"model {settings.name!r}")
    if name in FAMILIES:
        if settings.hf_size not in SIZES:
            raise ConfigError(f"model.hf_size = {settings.hf_size!r} is unknown; choose one of {', '.join(SIZES)}")
        family = FAMILIES[name]
        given: dict[str, Any] = {"model_type": family.model_type, **SIZES[settings.hf_size][name]}
        return family, from_mapping(transformers, merged(given, settings.hf), f"model {settings.name!r}")
    file = configuration_file(settings)
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as a configuration: {error}") from None
    if not isinstance(given, dict):
        raise ConfigError(f"{file} holds {type(given).__name__}, not the mapping that a configuration is")
    family = family_of(str(given.get("model_type")), str(file))
    return family, from_mapping(transformers, merged(given, settings.hf), str(file))


def weights_folder(settings: ModelSettings) -> Path | None:
    """The folder of pretrained weights that `settings` name; None where only a configuration is named.

    Raises:
        ConfigError: the folder holds no weights as safetensors.
    """
    folder = Path(settings.name.removeprefix(PREFIX)).expanduser()
    if settings.name in MODELS or not folder.is_dir():
        return None
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"{folder} holds no *.safetensors; save the model with save_pretrained, or name {folder / 'config.json'} "
            f"to begin from random weights"
        )
    return folder


def configuration_file(settings: ModelSettings) -> Path:
    """The JSON file of the configuration. Raises ConfigError when what is named is neither a file nor a folder."""
    path = Path(settings.name.removeprefix(PREFIX)).expanduser()
    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(
            f"model {settings.name!r} is unknown; choose one of {', '.join(MODELS)}, or hf:PATH with a folder saved by "
            f"save_pretrained or a configuration's JSON file (nothing is downloaded)"
        )
    return file


def from_mapping(transformers: Any, given: Mapping[str, Any], where: str) -> Any:
    """A configuration from plain values. Raises ConfigError, naming `where`, when one of them does not fit."""
    kind = transformers.CONFIG_MAPPING[given["model_type"]]
    try:
        return kind.from_dict(copy.deepcopy(dict(given)))  # some releases take entries out of nested mappings
    except Exception as error:  # the library and its validators raise many kinds; all mean the same to the user
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None


def check_settings(configuration: Any, given: Mapping[str, Any]) -> None:
    """Refuse settings that the configuration does not know. Raises ConfigError with the nearest that it knows."""
    known = list(type(configuration)().to_dict())
    for key in given:
        if key not in known:
            raise ConfigError(f"unknown setting model.hf.{key}; the nearest is model.hf.{nearest(key, known)}")
