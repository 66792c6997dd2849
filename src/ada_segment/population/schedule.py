"""Weights round by round, as a file that can be read, edited and replayed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ada_segment.errors import LossError, RunError
from ada_segment.storage import write_json
from ada_segment.weighting.base import check_names, check_weights

FILE_NAME = "schedule.json"
Schedule = list[dict[str, float]]


def check_schedule(entries: Sequence[Mapping[str, float]], *, what: str) -> Schedule:
    """The entries as dicts of floats, all over the same names.

    Raises:
        LossError: an entry is no object, its names differ from the first one's, or a weight is negative or not finite;
            the text begins with `what` and the index of the entry.
    """
    if not entries:
        raise LossError(f"{what} is empty; it needs the weights of at least one round")
    schedule: Schedule = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not entry:
            raise LossError(f"{what}, entry {index}: {entry!r} is not an object of loss name: weight")
        try:
            schedule.append(check_weights(entry))
            check_names(entry, schedule[0], "names of the losses")
        except LossError as error:
            raise LossError(f"{what}, entry {index}: {error}") from None
    return schedule


def save_schedule(path: Path, schedule: Schedule) -> None:
    """Write `schedule` so that `load_schedule` reads it."""
    write_json(path, {"losses": list(schedule[0]) if schedule else [], "schedule": schedule})


def load_schedule(path: str | Path) -> Schedule:
    """Read a schedule: the file a run wrote, its run folder, or a plain JSON object {name: weight} of fixed weights.

    Raises:
        RunError: the file is missing or no such JSON.
        LossError: a weight is not usable, or names differ between entries; names file and key.
    """
    path = Path(path)
    if path.is_dir():
        path = path / FILE_NAME
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing; name a {FILE_NAME}, or the run folder that holds one") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f'{path} holds no weights; write {{"loss name": weight, ...}}, or name a {FILE_NAME}')
    if "schedule" in content and "losses" in content:
        entries, losses = content["schedule"], content["losses"]
        if not isinstance(entries, list) or not isinstance(losses, list):
            raise RunError(f'{path}: "losses" and "schedule" must be lists')
        schedule = check_schedule(entries, what=str(path))
        try:
            check_names(schedule[0], map(str, losses), "names of the losses")
        except LossError as error:
            raise LossError(f"{path}, entry 0: {error}") from None
        return schedule
    return check_schedule([content], what=str(path))
