"""What every page is wrapped in: no script, no request to any address, light and dark, phone and desk."""

import json
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from matplotlib.figure import Figure

from ada_segment.report.figure_files import inline_svg
from ada_segment.report.markup import Html, element, html, join

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def wrap(title: str, parts: Iterable[object], *, runs: Sequence[Path], refresh: int | None = None) -> str:
    """The page as text.

    Args:
        title: of the window.
        parts: what it shows, from top to bottom.
        runs: the folders that its numbers come from, in the order of their `data-run`.
        refresh: seconds after which it loads itself again; None for a page that stays.
    """
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    again = "" if refresh is None else f'<meta http-equiv="refresh" content="{refresh}">'
    body = element("body", *parts, _foot(), data_runs=json.dumps([str(run) for run in runs]))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">{again}'
        f"<title>{html(title)}</title><style>{style}</style></head>\n{body}</html>\n"
    )


def _foot() -> Html:
    return element(
        "footer",
        "Made by ada-segment report. Each number carries its full precision and where it comes from, as data-from.",
        class_="faint",
    )


def section(title: str, *parts: object) -> Html:
    """A heading and what belongs to it; nothing where there is nothing."""
    inside = join(parts)
    return join([element("h2", title), inside]) if inside else Html("")


def shown(figure: Figure, *, name: str, title: str, caption: str) -> Html:
    """A figure, drawn with `ink=INK_OF_PAGE`, between its title and its caption. name: see `inline_svg`."""
    drawn = Html(inline_svg(figure, name=name, described=str(html(caption))))
    return element("figure", element("h3", title), drawn, element("figcaption", caption))
