"""One typed tree of settings: defaults, then a preset, then a file, then flags; unknown keys are refused."""

import math
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from ada_segment.data.settings import SCENES, DataSettings
from ada_segment.errors import ConfigError
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.training.settings import AugmentationSettings, TrainingSettings
from ada_segment.values import merged, nearest


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How weights are searched."""

    strategy: str = "ada-segment"
    """ada-segment, published, pbt, random, select-only or default."""
    members: int = 4
    """K, models in the population."""
    rounds: int = 12
    """T, intervals between changes of the weights; the training lasts rounds x epochs_per_round epochs."""
    groups: str = "tied"
    """tied: losses of one part of the model (rpn, class, box, mask, semantic; of one kind, whatever the layer, for hf:
    models) share their weight relative to the default (`ada-segment` frees them half way, see its setting untie_at);
    free: each loss has its own."""
    weights: str | None = None
    """For the training of one model instead of a search: default, scenes (the controller that comes with the package
    steers), a run folder (its own does; of several, with commas between them, one that has learned from all), a JSON
    file (a schedule, or fixed weights), a function of the epoch (FILE.py:FUNCTION), or a weighting by name
    (uncertainty, uw-so, dwa, rlw, famo, gradnorm, pcgrad, ...), which multiplies the default weights; none for a
    search."""
    executor: str = "local"
    """Where members are trained: local (in this process, in turns), processes (on this machine) or ray (anywhere)."""
    workers: int | None = None
    """Members trained at the same time; none for one a GPU or, without GPUs, one a core."""
    threads: int | None = None
    """CPU threads of each member; none for one where members train on CPUs. Sums in another order are other numbers."""
    time_limit: float | None = None
    """Seconds that a member's round may take before it counts as failed (not with local); none for no limit."""
    restarts: int = 3
    """How often a member's round is repeated whose worker was lost, before the member has failed."""
    checkpoint_minutes: float | None = 10
    """Members that have ended are kept on the disk within a round when the last writing was longer ago; none: never."""
    ray_address: str | None = None
    """Address of a Ray cluster, or auto; none starts a Ray on this machine alone."""
    ray_cpus: float = 1
    """Cores that Ray sets aside for each worker."""
    ray_gpus: float | None = None
    """GPUs that Ray sets aside for each worker; none for one where the cluster has any."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the strategy itself, or of the weighting that `weights` names."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a run."""

    seed: int = 0
    """Seeds initial parameters, order, augmentation and search."""
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    search: SearchSettings = field(default_factory=SearchSettings)


# A number that YAML reads as text.
EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
GREATEST_SEED = 2**63 - 1  # what a generator of PyTorch takes, with any sign

# Least and greatest value of a number, or of each in a list; None is no bound.
BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "seed": (0, GREATEST_SEED),
    "data.scenes_train": (2, None),
    "data.scenes_test": (1, None),
    "data.reward_fraction": (0.001, 0.5),
    "data.reward_minimum": (1, None),
    "data.split_seed": (0, GREATEST_SEED),
    "model.frozen_stages": (0, 5),
    "model.width": (4, None),
    "model.fpn_channels": (4, None),
    "model.semantic_channels": (4, None),
    "model.box_channels": (1, None),
    "model.mask_channels": (1, None),
    "model.anchor_scale": (0.5, None),
    "model.proposals_before_nms": (2, None),
    "model.proposals": (1, None),
    "model.rpn_samples": (2, None),
    "model.roi_samples": (4, None),
    "model.candidate_score": (0, 1),
    "model.candidates": (1, None),
    "augmentation.size": (16, None),
    "augmentation.max_size": (16, None),
    "augmentation.train_sizes": (16, None),
    "augmentation.scale": (0.01, 100),
    "augmentation.flip": (0, 1),
    "augmentation.crop": (16, None),
    "augmentation.colour": (0, 0.999),
    "training.lr": (1e-12, None),
    "training.momentum": (0, 1),
    "training.weight_decay": (0, None),
    "training.batch_size": (1, None),
    "training.accumulate": (1, None),
    "training.warmup_steps": (0, None),
    "training.steps_at": (0, 1),
    "training.clip_norm": (1e-12, None),
    "training.ema_decay": (0, 1),
    "training.devices": (1, None),
    "training.workers": (0, None),
    "training.epochs_per_round": (1, None),
    "search.members": (1, None),
    "search.rounds": (1, None),
    "search.workers": (1, None),
    "search.threads": (1, None),
    "search.time_limit": (0.001, None),
    "search.restarts": (0, None),
    "search.checkpoint_minutes": (0, None),
    "search.ray_cpus": (0, None),
    "search.ray_gpus": (0, None),
}


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    folder = resources.files("ada_segment") / "presets"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def resolve(
    *,
    preset: str | None = None,
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    epochs: int | None = None,
) -> Settings:
    """The settings of a run.

    Args:
        preset: name of a preset; None for the defaults.
        file: YAML file of settings that override the preset's.
        flags: settings by dotted key ("training.lr"), which override all.
        epochs: length of the training, in place of `search.rounds`.

    Raises:
        ConfigError: a preset, key or value is unknown, of the wrong type or out of its bounds; names the source.
    """
    tree: dict[str, Any] = {}
    size = (flags or {}).get("augmentation.size")
    if preset is not None:
        if preset not in preset_names():
            raise ConfigError(f"preset {preset!r} is unknown; choose one of {', '.join(preset_names())}")
        text = (resources.files("ada_segment") / "presets" / f"{preset}.yaml").read_text()
        tree = _scaled(_parse(text, f"preset {preset}"), size)
    if file is not None:
        tree = _override(tree, _scaled(read_yaml(file), size))
    given: dict[str, Any] = {}
    for key, value in (flags or {}).items():
        given = merged(given, _nested(key, value))
    settings = from_tree(_override(tree, given))
    return settings if epochs is None else _with_epochs(settings, epochs)


def parse_value(text: str, key: str = "") -> Any:
    """A value as YAML would read it: numbers, true, lists, text. Raises ConfigError when it is none.

    Args:
        text: as it was given.
        key: of the setting. One that is text stays as it was given, though YAML take [a-z]+ for a list and what follows
            a # for a remark, unless it is in quotes, or empty, null or ~, which are None.
    """
    if _is_text(key) and text[:1] not in ("'", '"'):
        return None if text in ("", "~", "null", "Null", "NULL") else text
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # YAML takes 2020-13-45 for a date
        if _is_text(key):
            return text
        raise ConfigError(f"{text!r} cannot be read as a value; quote it") from None


def _is_text(key: str) -> bool:
    """Whether the setting of this dotted key is text."""
    return dict(_hints(Settings)).get(key) in (str, str | None)


def default_preset(source: str) -> str:
    """The preset for data when none is named."""
    return "tiny" if source == SCENES else "small"


def from_tree(tree: Mapping[str, Any]) -> Settings:
    """Settings from nested mappings, checked. Raises ConfigError like `resolve`."""
    settings: Settings = _build(Settings, tree, "")
    for key, (least, greatest) in BOUNDS.items():
        found: Any = settings
        for part in key.split("."):
            found = getattr(found, part)
        for value in found if isinstance(found, tuple) else (found,):
            if value is None:
                continue
            if (least is not None and value < least) or (greatest is not None and value > greatest):
                bounds = f"at least {least}" + ("" if greatest is None else f" and at most {greatest}")
                raise ConfigError(f"{key} = {value} is out of bounds; give {bounds}")
    least, greatest = settings.augmentation.scale
    if least > greatest:
        raise ConfigError(f"augmentation.scale = {settings.augmentation.scale} is not usable; give the smaller first")
    return replace(settings, data=replace(settings.data, source=_one_name(settings.data.source)))


def _one_name(source: str) -> str:
    """The one name of a folder, or a run would not go on after `DIR/` in place of `DIR`. ./scenes is a folder still."""
    if source in ("", SCENES):
        return source
    name = os.path.normpath(source)
    return f"./{name}" if name == SCENES else name


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds. Raises ConfigError when it is missing or holds something else."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    return _parse(text, str(file))


def to_yaml(settings: Settings) -> str:
    """The whole tree as YAML; `resolve(file=...)` gives the same settings again."""
    return yaml.safe_dump(_plain(asdict(settings)), sort_keys=False, allow_unicode=True)


def _with_epochs(settings: Settings, epochs: int) -> Settings:
    each = settings.training.epochs_per_round
    if epochs < 1 or epochs % each:
        raise ConfigError(f"epochs = {epochs} is not usable; give a positive multiple of epochs_per_round = {each}")
    return replace(settings, search=replace(settings.search, rounds=epochs // each))


class _PlainLoader(yaml.SafeLoader):
    """Plain values only. A few lines that refer back to each other can stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "it refers back with *, which settings do not need; write the value again", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        for place, key in enumerate(keys):
            if key in keys[:place]:  # of which YAML's reader takes the last
                raise yaml.constructor.ConstructorError(
                    None, None, f"it has {key} twice; write it once", node.value[place][0].start_mark
                )
        return super().construct_mapping(node, deep)


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        tree = yaml.load(text, _PlainLoader)  # a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source} is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{source} is nested too deep to be settings") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{source} holds {type(tree).__name__}, not a mapping of settings")
    return tree


def _override(tree: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Settings over others.

    Those of a strategy or weighting (`search.settings`) go when another one is named; those of an hf: model
    (`model.hf`) when one of our own is; those of Ray when another executor is.
    """
    ours, theirs = tree.get("search"), over.get("search")
    if isinstance(ours, dict) and isinstance(theirs, Mapping):
        if theirs.get("executor", "ray") != "ray":
            for key in ("ray_address", "ray_cpus", "ray_gpus"):
                ours.pop(key, None)
        for key, usual in (("strategy", SearchSettings.strategy), ("weights", "none")):
            if key in theirs and (theirs[key] or usual) != (ours.get(key) or usual):
                ours.pop("settings", None)
    ours, theirs = tree.get("model"), over.get("model")
    if isinstance(ours, dict) and isinstance(theirs, Mapping):
        before, after = (str(model.get("name", "")).startswith("hf:") for model in (ours, theirs))
        if before and "name" in theirs and not after:
            ours.pop("hf", None)
    return merged(tree, over)


def _scaled(tree: dict[str, Any], size: object) -> dict[str, Any]:
    """A preset or file for another size: what goes with the size that it sets is brought along. Changes the tree."""
    augmentation = tree.get("augmentation")
    if not isinstance(augmentation, dict) or not isinstance(size, int):
        return tree
    old = augmentation.get("size")
    if not isinstance(old, int) or old < 1:
        return tree
    for key in ("max_size", "crop"):
        if isinstance(augmentation.get(key), int):
            augmentation[key] = round(augmentation[key] * size / old)
    if isinstance(augmentation.get("train_sizes"), list):
        sides = [_scalar(side, int, "augmentation.train_sizes") for side in augmentation["train_sizes"]]
        augmentation["train_sizes"] = [round(side * size / old) for side in sides]
    return tree


def _nested(key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _build(kind: type[Any], tree: Mapping[str, Any], path: str) -> Any:
    hints = typing.get_type_hints(kind)
    known = [f.name for f in fields(kind)]
    values = {}
    for key, value in tree.items():
        if key not in known:
            # Without its group, maybe.
            within = [] if path else [one for one, _ in _hints(kind) if one.endswith(f".{key}")]
            raise ConfigError(
                f"unknown setting {path}{key}; the nearest is {' or '.join(within) or path + nearest(str(key), known)}"
            )
        values[key] = _convert(value, hints[key], f"{path}{key}")
    return kind(**values)


def _hints(kind: type[Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The type of each setting, by dotted key."""
    for name, hint in typing.get_type_hints(kind).items():
        if is_dataclass(hint):
            yield from _hints(typing.cast(type[Any], hint), f"{path}{name}.")
        else:
            yield f"{path}{name}", hint


def _convert(value: Any, hint: Any, key: str) -> Any:
    """`value` as the type that `hint` says. YAML reads 1e-4 as text, so text that is a number counts as one."""
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key} = {value!r} is not a group of settings")
        return _build(typing.cast(type[Any], hint), value, f"{key}.")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None or value == "none":
            return None
        return _convert(value, arguments[0], key)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ConfigError(f"{key} = {value!r} is not a list")
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            raise ConfigError(f"{key} = {value!r} needs {len(arguments)} values")
        return tuple(_convert(item, arguments[0], key) for item in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key} = {value!r} is not a mapping")
        return {str(name): _free(item) for name, item in value.items()}
    return _scalar(value, hint, key)


def _free(value: Any) -> Any:
    """A value that no type is known of, as YAML has read it, but that text with an exponent is a number and `none` is
    None, in quotes or not."""
    if isinstance(value, Mapping):
        return {name: _free(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_free(item) for item in value]
    if value == "none":
        return None
    if isinstance(value, str) and EXPONENT.fullmatch(value) and math.isfinite(number := float(value)):
        return int(number) if number == int(number) and abs(number) < 2**53 else number
    return value


def _scalar(value: Any, hint: type, key: str) -> Any:
    if hint is str and isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)  # precision: 32
    if hint in (int, float) and isinstance(value, str | int | float) and not isinstance(value, bool):
        if hint is int and isinstance(value, str | int):
            with suppress(ValueError):
                return int(value)  # not by way of a float, which has 53 bits
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number) and (hint is float or number == int(number)):
            return hint(number)
    if hint is bool and isinstance(value, bool):
        return value
    expected = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}[hint]
    raise ConfigError(f"{key} = {value!r} is not {expected}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
