"""What holds for every page: it is safe to open, and its numbers follow from the run folders."""

import re
from collections.abc import Iterator

import pytest
from page_reader import Page, says
from recomputed import Files, recompute


def check_safe(markup: str) -> Page:
    """No script, no address that a browser would ask for, everything closed."""
    page = Page(markup)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")]
        for key, value in attributes.items():
            if key in ("src", "href", "xlink:href", "srcset", "action", "poster"):
                assert value is not None
                assert value.startswith(("data:image/webp;base64,", "#")), (tag, key, value[:60])
    assert all(target.startswith("#") for target in re.findall(r"url\([\"']?([^)\"']*)", markup))
    assert "@import" not in markup
    return page


def check_numbers(page: Page) -> None:
    """Every number of the page follows from the files of its run folders, and none is without an origin."""
    runs = [Files(path) for path in page.runs]
    assert page.numbers
    for number in page.numbers:
        assert number.value == pytest.approx(recompute(number, runs), rel=1e-9, abs=1e-9), number
        assert says(number.text, number.value), number
    names = {name for run in runs for name in names_in(run)}
    ordered = sorted(names, key=len, reverse=True)
    for piece in page.loose:
        left = piece.replace("95 %", "")
        for name in ordered:
            left = left.replace(name, "")
        assert not re.search(r"[0-9]", left), piece
    paths, texts = [str(run.path) for run in runs], [quoted for run in runs for quoted in quoted_in(run)]
    for code in page.code:
        if code not in texts:
            for path in paths:
                code = code.replace(path, "")
            assert not re.search(r"[0-9]", re.sub(r"members=1|\bdefaults = .*|losses = .*", "", code)), code


def names_in(run: Files) -> Iterator[str]:
    """What a page may quote: names that are not numbers, though digits may be in them."""
    yield run.path.name
    for record in run.rounds:
        for attempt in (*record.get("failed_attempts", []), record["members"]):
            for member in attempt:
                yield from (*member["weights"], member["status"])
    yield from (run.metrics.get("tuned") or {}).get("per_class") or {}
    yield from (one["name"] for one in run.examples)
    yield from (picture.name for picture in (run.path / "pictures").glob("*"))


def quoted_in(run: Files) -> Iterator[str]:
    """Files that a page shows as they are."""
    if (run.path / "config.yaml").exists():
        yield (run.path / "config.yaml").read_text()
    yield "\n".join(f"{key}: {value}" for key, value in run.asked.items())
