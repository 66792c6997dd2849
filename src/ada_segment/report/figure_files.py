"""Figures as files, and as elements of a page."""

import io
import re
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from ada_segment.report.colours import BLUE
from ada_segment.report.figure_data import Data
from ada_segment.report.figure_style import INK_OF_PAGE
from ada_segment.storage import write_text, write_whole


def save_figures(figures: Mapping[str, Figure], folder: Path, *, data: Mapping[str, Data]) -> list[Path]:
    """Write each as SVG and as PNG (200 dots an inch, on white) into `folder`, and its data as CSV; the paths."""
    paths = []
    for name, figure in figures.items():
        write_text(folder / f"{name}.csv", data[name].csv())
        write_text(folder / f"{name}.svg", svg(figure, text_as_paths=True))
        write_whole(folder / f"{name}.png", lambda path, f=figure: _save_png(f, path))  # type: ignore[misc]
        paths += [folder / f"{name}.{ending}" for ending in ("csv", "svg", "png")]
    return paths


def svg(figure: Figure, *, text_as_paths: bool) -> str:
    """The figure as an SVG document, the same for the same figure.

    Args:
        figure: to write.
        text_as_paths: looks the same everywhere, instead of text that can be searched and read aloud.
    """
    buffer = io.StringIO()
    fonts = "path" if text_as_paths else "none"
    with mpl.rc_context({"svg.fonttype": fonts, "svg.hashsalt": "ada-segment"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=not text_as_paths)
    return buffer.getvalue()


def inline_svg(figure: Figure, *, name: str, described: str) -> str:
    """The figure as an element of a page: its ink follows the page's text colour.

    Args:
        figure: drawn with `ink=INK_OF_PAGE`.
        name: of the figure, letters only; the ids of its parts begin with it, since a page has several figures.
        described: what it shows, escaped, for those who cannot see it.
    """
    text = svg(figure, text_as_paths=False)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'( id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace("<svg", f'<svg role="img" aria-label="{described}"', 1)
    # Blue is too dark on a dark page, so the page says which blue it is.
    return text.replace(INK_OF_PAGE, "currentColor").replace(BLUE, f"var(--blue, {BLUE})")


def _save_png(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", dpi=200)
