"""The history of a search: one JSON object a round, appended durably."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ada_segment.errors import RunError
from ada_segment.population.schedule import Schedule
from ada_segment.storage import write_text

FILE_NAME = "history.jsonl"
Record = dict[str, Any]


def append_record(path: Path, record: Mapping[str, Any]) -> None:
    """Add `record` as one line and wait until it is on the disk. Raises OSError, which names `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def write_journal(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace the journal by `records`."""
    write_text(path, "".join(map(_line, records)))


def read_journal(path: Path) -> list[Record]:
    """The records of a journal, without the part of a line that an interrupted write may have left at its end.

    Raises:
        RunError: the file is missing, or a line is no round's record; names the line.
    """
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise RunError(f"{path} is missing; name a folder that ada-segment search or train has written") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    records: list[Record] = []
    for number, line in enumerate(text.splitlines(keepends=True)):
        if not line.endswith("\n"):
            break
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise RunError(f"{path}, line {number + 1} is no JSON ({error}); the journal is damaged") from None
        if not isinstance(record, dict) or record.get("round") != number:
            raise RunError(f"{path}, line {number + 1} is not the record of round {number}; the journal is damaged")
        records.append(record)
    return records


def schedule_of(journal: list[Record]) -> Schedule:
    """The weights, round by round, under which the state that stands for the last round was trained.

    Where the best member is broadcast after each round these are the weights of the broadcast members; where members
    keep their own states, the path back through the parents.
    """
    if not journal:
        return []
    index = journal[-1]["best"]
    schedule: Schedule = []
    for record in reversed(journal):
        member = record["members"][index]
        schedule.append(dict(member["weights"]))
        index = member["parent"]
    return schedule[::-1]


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"
