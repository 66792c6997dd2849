"""What a run folder holds, as far as it is there yet."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ada_segment.data.settings import SCENES
from ada_segment.errors import RunError
from ada_segment.report.example_files import FILE_NAME as EXAMPLES
from ada_segment.report.example_files import Example, parse_examples
from ada_segment.report.history import History, read_history

CONTROLLER = "controller.safetensors"
METRICS = "metrics.json"
OVERLAYS = "overlays.png"
SPLITS = "splits.json"
REWARDS = {
    "pq": "PQ on the reward split, %",
    "pq-tuned": "PQ on the reward split, tuned thresholds, %",
    "pq-soft": "soft PQ on the reward split, %",
}
SCENES_DRAWN_BY = ("data.scenes_test", "data.split_seed", "augmentation.size")
"""What sets generated test pictures apart; those of a folder are all that its val holds."""
WHERE_AND_HOW = frozenset(
    f"search.{key}"
    for key in (
        "executor", "workers", "time_limit", "restarts", "checkpoint_minutes", "ray_address", "ray_cpus", "ray_gpus",
    )
)  # fmt: skip
"""Settings that do not touch a run's numbers: they may be others when it is resumed, and make no other arm."""


PATHS = {
    "data.source": None,
    "model.pretrained": None,
    "search.settings.learned": ",",
    "search.weights": ",",
    "training.start": None,
}
"""Settings that may be paths, several with this between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run folder.

    Attributes:
        path: the folder.
        history: its journal; no rounds before the first is over.
        metrics: metrics.json; None before the end.
        config: the text of config.yaml; None for a search that was started from a program.
        identity: what was asked of the search: losses, defaults, rounds, members, seed, strategy; {} where not known.
        overlays: overlays.png, pictures that the best model sees; None before the end.
        examples: the test pictures of a run that has ended, with the PQ of each.
        settings: what config.yaml holds; {} where not known.
        splits: names of the pictures of train, reward and test; {} where they are not kept.
    """

    path: Path
    history: History
    metrics: dict[str, Any] | None
    config: str | None
    identity: dict[str, Any]
    overlays: Path | None
    examples: tuple[Example, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, Any] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, float] | None:
        """The default weight of each loss, where the run tells."""
        return self.identity.get("defaults")

    @property
    def rounds(self) -> int | None:
        """Rounds that were asked for, where the run tells."""
        return self.identity.get("rounds")

    @property
    def has_ended(self) -> bool:
        """Whether it has had all its rounds, as far as it tells how many."""
        return self.rounds is None or len(self.history.rounds) >= self.rounds

    @property
    def seed(self) -> int | None:
        """Its seed, where the settings or the run tell."""
        seed = self.settings.get("seed", self.identity.get("seed"))
        return seed if isinstance(seed, int) else None

    @property
    def reward_label(self) -> str:
        """What the reward is, with its unit, where the settings tell."""
        return REWARDS.get(str(self.setting("training", "reward")), "reward")

    @property
    def reward_unit(self) -> str:
        """ ", %" where the reward is known to be in percent."""
        return ", %" if self.reward_label in REWARDS.values() else ""

    @property
    def data(self) -> dict[str, Any]:
        """Settings of its data, where it tells."""
        found = self.settings.get("data")
        return found if isinstance(found, dict) else {}

    @property
    def test_pictures(self) -> dict[str, object]:
        """The settings that say which pictures its PQ is of, by dotted key; {} where it does not tell."""
        data = self.data
        if not data:
            return {}
        keys = ("data.source", *(SCENES_DRAWN_BY if data.get("source") == SCENES else ()))
        return {key: self.setting(*key.split(".")) for key in keys}

    @property
    def test_segments(self) -> dict[str, int]:
        """How many segments of each class its test pictures hold; {} before the end."""
        by_class = ((self.metrics or {}).get("usual") or {}).get("per_class") or {}
        counted = {name: found.get("tp", 0) + found.get("fn", 0) for name, found in by_class.items() if found}
        return {name: count for name, count in counted.items() if count}

    @property
    def called(self) -> str:
        """What a comparison calls the run: default weights, or its folder's name."""
        return "default weights" if self.is_default else self.path.resolve().name

    @property
    def is_default(self) -> bool:
        """Whether the run kept to the default weights throughout."""
        chosen = self.setting("search", "weights")
        return chosen == "default" if chosen is not None else self.identity.get("strategy") == "default"

    @property
    def has_controller(self) -> bool:
        return (self.path / CONTROLLER).exists()

    def setting(self, group: str, key: str) -> object:
        """One of the settings; None where they are not known."""
        found = self.settings.get(group)
        return found.get(key) if isinstance(found, dict) else None


def flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """A tree of settings by dotted key."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{path}{key}.") if isinstance(value, Mapping) and value else {f"{path}{key}": value}
    return found


def comparable(key: str, value: Any) -> Any:
    """A setting as it is compared: 10 is 10.0, as YAML may have it, a list a tuple, and a path one by all its names.

    Args:
        key: its dotted key.
        value: what is set.
    """
    if isinstance(value, list | tuple):
        return tuple(comparable(key, item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if key in PATHS and isinstance(value, str) and value != SCENES:
        with suppress(ValueError):  # a name that no file can have
            between = PATHS[key]
            return tuple(map(os.path.realpath, value.split(between) if between else [value]))
    return value


def read_pair(path: Path, baseline: Path | None) -> tuple[Run, Run | None]:
    """A run and the one that it is compared with, if any.

    Raises:
        RunError: as from `read_run`; or both tell of their data or reward, and it is not the same.
    """
    run, other = read_run(path), None if baseline is None else read_run(baseline)
    if other is None:
        return run, None
    if (apart := test_pictures_apart(run, other)) is not None:
        raise RunError(
            f"{path} has {apart[0]}, and {baseline} has {apart[1]}: their test pictures differ, and so their PQ cannot "
            "be compared; name a baseline on the same data"
        )
    if (key := rewards_apart(run, other)) is not None:
        ours, theirs = (one.setting(*key.split(".")) for one in (run, other))
        what = "reward pictures" if key.startswith("data.") else "rewards"
        raise RunError(
            f"{path} has {key} = {ours}, and {baseline} has {theirs}: their {what} differ, and so their curves "
            f"cannot be laid over each other; `ada-segment report {path} {baseline}` compares their PQ"
        )
    return run, other


def rewards_apart(one: Run, other: Run) -> str | None:
    """The setting, by dotted key, by which the rewards of two runs are of other pictures or of another kind; None
    where nothing says so."""
    keys = [f"data.{key}" for key in sorted(one.data.keys() & other.data.keys())]
    if same_names(one, other):
        keys = [key for key in keys if key != "data.source"]
    if None not in (one.setting("training", "reward"), other.setting("training", "reward")):
        keys.append("training.reward")
    for key in keys:
        ours, theirs = (comparable(key, run.setting(*key.split("."))) for run in (one, other))
        if ours != theirs:
            return key
    return None


def same_names(one: Run, other: Run) -> bool:
    """Whether both keep the names of their pictures, and these are the same, wherever the folders lie."""
    return bool(one.splits) and one.splits == other.splits


def test_pictures_apart(one: Run, other: Run) -> tuple[str, str] | None:
    """What says of either run that its test pictures are not those of the other; None where nothing does.

    Where both keep names these decide, and what the pictures hold: a folder has other names on another machine. Of
    runs that have not ended the names alone would be too little, as many folders count their pictures from 0.
    """
    if one.splits and other.splits:
        ours, theirs = (list(run.splits.get("test", ())) for run in (one, other))
        if set(ours) != set(theirs):
            first = next(name for name in [*ours, *theirs] if name not in ours or name not in theirs)
            told = ["" if first in names else "no " for names in (ours, theirs)]
            return f"{len(ours)} test pictures, {told[0]}{first}", f"{len(theirs)}, {told[1]}{first}"
        counts = one.test_segments, other.test_segments
        if all(counts):
            name = next((name for name in counts[0] | counts[1] if counts[0].get(name) != counts[1].get(name)), None)
            return None if name is None else (f"{counts[0].get(name, 0)} of {name}", f"{counts[1].get(name, 0)}")
    for key in sorted(one.test_pictures.keys() & other.test_pictures.keys()):
        values = one.test_pictures[key], other.test_pictures[key]
        if comparable(key, values[0]) != comparable(key, values[1]):
            return f"{key} = {values[0]}", f"{values[1]}"
    return None


def read_run(path: Path, *, usual: Mapping[str, Any] | None = None) -> Run:
    """Read a run folder.

    Args:
        path: of the folder.
        usual: settings by dotted key, as they were for runs that do not know them yet.

    Raises:
        RunError: it is no folder, or a file in it is missing or damaged; names the file.
    """
    if not path.is_dir():
        raise RunError(f"{path} is no folder; name one that a search has written")
    file = path / "config.yaml"
    config = file.read_text(encoding="utf-8", errors="replace") if file.exists() else None
    return Run(
        path=path,
        history=read_history(path),
        metrics=_read_metrics(path / METRICS),
        config=config,
        identity=_identity(path),
        overlays=path / OVERLAYS if (path / OVERLAYS).exists() else None,
        examples=parse_examples(path, _read_object(path / EXAMPLES)),
        settings=_completed(_settings(config or ""), usual or {}),
        splits=_read_object(path / SPLITS) or {},
    )


def _settings(config: str) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(config)
    except yaml.YAMLError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _completed(settings: dict[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """With settings that have come since, in those groups that are there."""
    for key, value in usual.items():
        group, _, name = key.partition(".")
        if name and isinstance(settings.get(group), dict):
            settings[group].setdefault(name, value)
    return settings


def _read_metrics(file: Path) -> dict[str, Any] | None:
    """The test split's figures; those of another split would be compared with what they are not."""
    metrics = _read_object(file)
    if metrics is None:
        return None
    if (split := metrics.get("split", "test")) not in ("test", "val"):
        raise RunError(
            f"{file} holds the figures of the {split} split; `ada-segment evaluate {file.parent}` writes those of the "
            f"test split"
        )
    for how in ("usual", "tuned"):
        quality = metrics.get(how) or {}
        groups = quality.values() if isinstance(quality, dict) else [quality]
        if not all(group is None or isinstance(group, dict) for group in groups):
            raise RunError(
                f"{file} holds no figures under {how!r}; `ada-segment evaluate {file.parent}` makes it again"
            )
    return metrics


def _identity(path: Path) -> dict[str, Any]:
    """Checkpoints say what was asked of the search; where they were cleared away, the controller knows the defaults."""
    candidates = [*sorted((path / "checkpoints").glob("*.json"), reverse=True), path / "controller.json"]
    return next((found for file in candidates if (found := _read_object(file)) is not None), {})


def _read_object(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read as JSON: {error}; delete it, or make it again") from None
    if not isinstance(content, dict):
        raise RunError(f"{file} holds no JSON object; delete it, or make it again")
    return content
