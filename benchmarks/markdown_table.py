"""Markdown from lines of results: tables, and where something was measured."""

from typing import Any

Line = dict[str, Any]


def table(headings: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def latest(lines: list[Line], *keys: str) -> list[Line]:
    """The last line of each setting, in the order of the settings."""
    newest = {tuple(str(line[key]) for key in keys): line for line in lines}
    return [newest[key] for key in sorted(newest)]


def where(line: Line) -> str:
    return f"{line['device']}, {line['threads']} thread, torch {line['versions']['torch']}, {line['when'][:10]}"
