"""A page as a test reads it: tags, the text that a reader sees, and every number with where it says it comes from."""

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "img", "br", "hr", "link", "input"}


@dataclass(frozen=True, slots=True)
class Number:
    """A `<data>` element: the text, its full value, the run folder it is of, the quantity, and of what."""

    text: str
    value: float
    run: int
    what: str
    which: tuple[Any, ...]


class Page(HTMLParser):
    """Refuses tags that do not close.

    Attributes:
        tags: each with its attributes.
        runs: the folders that numbers come from.
        numbers: all of the page.
        loose: pieces of text outside of numbers, charts, code and the window's title.
        code: the content of each `<pre>`.
    """

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.pieces: list[str] = []
        self.runs: list[Path] = []
        self.numbers: list[Number] = []
        self.loose: list[str] = []
        self.code: list[str] = []
        self._data: dict[str, str | None] = {}
        self.feed(markup)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "body":
            self.runs = [Path(run) for run in json.loads(dict(attrs)["data-runs"] or "")]
        elif tag == "data":
            self._data = dict(attrs)
        elif tag == "pre":
            self.code.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            return
        self.pieces.append(data)
        if self.open and self.open[-1] == "data":
            found = self._data
            which = tuple(json.loads(found.get("data-of") or "[]"))
            value, run = float(found["value"] or "nan"), int(found["data-run"] or "")
            self.numbers.append(Number(data, value, run, found["data-from"] or "", which))
        elif "pre" in self.open:
            self.code[-1] += data
        elif not {"svg", "title"} & set(self.open):
            self.loose.append(data)

    @property
    def text(self) -> str:
        """What a reader sees; numbers and the text around them as they stand."""
        return " ".join("".join(self.pieces).split())


def says(text: str, value: float) -> bool:
    """Whether `text` is `value`, rounded to as many digits as it shows."""
    text = text.replace("−", "-").removeprefix("×").removeprefix("+")
    if times := re.fullmatch(r"(?:(\d+) h )?(?:(\d+) min(?: )?)?(?:(\d+) s)?", text):
        hours, minutes, seconds = (int(part or 0) for part in times.groups())
        unit = 60 if times[1] is not None else 1
        return abs(3600 * hours + 60 * minutes + seconds - value) <= unit
    digits = re.fullmatch(r"-?\d+(?:\.(\d+))?(?:e([+-]\d+))?", text)
    assert digits, text
    step = 10.0 ** (int(digits[2] or 0) - len(digits[1] or ""))
    return abs(float(text) - value) <= 0.5 * step * (1 + 1e-6) + 1e-12
