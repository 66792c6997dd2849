"""The settings of a run, written to its folder and read back."""

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from ada_segment.config import Settings, resolve, to_yaml
from ada_segment.errors import RunError
from ada_segment.population.claim import claimed
from ada_segment.report.run_files import SPLITS, WHERE_AND_HOW, comparable, flat
from ada_segment.runs.splits_file import Names, write_names
from ada_segment.storage import write_text

FILE_NAME = "config.yaml"

BEFORE = {"model.aligned_masks": False}
"""How runs were trained that do not have these settings yet."""


def write_settings(run: Path, settings: Settings, names: Names | None = None) -> bool:
    """Write the resolved settings to the run folder, which is made; whether there were none before.

    Args:
        run: the run folder.
        settings: of the run.
        names: of its pictures, to be written beside them.

    Raises:
        RunError: another process has the folder, or has begun a run with other settings there.
    """
    run.mkdir(parents=True, exist_ok=True)
    with claimed(run):
        known = (run / FILE_NAME).is_file()
        if known:
            settings = check_same(run, settings)
        write_text(run / FILE_NAME, to_yaml(settings))
        write_names(run, names or {})
    return not known


def forget_settings(run: Path) -> None:
    """Take back what `write_settings` has done for a run that came to nothing, unless another process has begun it."""
    with suppress(OSError, RunError), claimed(run):
        if {path.name for path in run.iterdir()} <= {FILE_NAME, SPLITS}:  # else they are what it can go on by
            for name in (SPLITS, FILE_NAME):
                (run / name).unlink(missing_ok=True)
            run.rmdir()


def read_settings(run: Path) -> Settings:
    """The settings that a run was started with.

    Raises:
        RunError: the folder is none of a run.
        ConfigError: its settings were changed by hand into something unusable.
    """
    if not (run / FILE_NAME).is_file():
        raise RunError(f"{run} holds no {FILE_NAME}; name the folder of a run that ada-segment has made")
    settings = resolve(file=run / FILE_NAME)
    said = flat(yaml.safe_load((run / FILE_NAME).read_text()) or {})
    unsaid = {key: value for key, value in BEFORE.items() if key not in said}
    return resolve(file=run / FILE_NAME, flags=unsaid) if unsaid else settings


def usual_settings() -> dict[str, object]:
    """By dotted key, how runs were trained that do not have a setting yet."""
    return flat(asdict(Settings())) | BEFORE


def check_same(run: Path, settings: Settings) -> Settings:
    """Refuse to go on with a run under other settings.

    Returns:
        Those to go on with: as they were written down, where a path may have another spelling, but for
        `WHERE_AND_HOW`.

    Raises:
        RunError: names the settings that differ, up to three, with both values.
    """
    known = read_settings(run)
    stored, asked = flat(asdict(known)), flat(asdict(settings))
    keys = sorted((stored.keys() | asked.keys()) - WHERE_AND_HOW)
    others = [key for key in keys if comparable(key, stored.get(key)) != comparable(key, asked.get(key))]
    if others:
        told = [f"{key} = {stored.get(key)!r}, not {asked.get(key)!r}" for key in others[:3]]
        more = f", and {len(others) - 3} more otherwise" if len(others) > 3 else ""
        raise RunError(
            f"{run} was started with {'; '.join(told)}{more}; resume it with its own settings (--config "
            f"{run / FILE_NAME} and no others), or name another folder"
        )
    how = [key.removeprefix("search.") for key in WHERE_AND_HOW]
    return replace(known, search=replace(known.search, **{key: getattr(settings.search, key) for key in how}))
