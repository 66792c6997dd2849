"""Journals of searches and runs, to be compared: without what differs each time that the same is done."""

from pathlib import Path
from typing import Any

from ada_segment.population.journal import FILE_NAME, read_journal


def without_times(value: Any) -> Any:
    """A record, a journal or any other JSON without the seconds in it."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if "seconds" not in key}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def journal_of(folder: Path) -> list[Any]:
    """The journal in a run folder."""
    return [without_times(record) for record in read_journal(folder / FILE_NAME)]
