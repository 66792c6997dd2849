"""Hooks of MkDocs: every page of docs/ is in the navigation, and the site can be read from a plain folder."""

from pathlib import Path
from typing import Any

# What comes first, in this order.
ORDER = (
    "index.md",
    "start.md",
    "own-data.md",
    "own-loop.md",
    "hugging-face.md",
    "weightings.md",
    "machines.md",
    "one-gpu.md",
    "eight-gpus.md",
    "ray-cluster.md",
    "report.md",
    "controller.md",
    "results.md",
    "results-earlier.md",
    "checks.md",
    "design.md",
)
LAST = ("reference.md",)


def on_files(files: Any, config: Any) -> Any:
    """Settle the navigation once it is known which pages there are; a page that nobody listed comes before the last."""
    pages = sorted(page.src_uri for page in files.documentation_pages())
    known = [page for page in ORDER if page in pages]
    config.nav = [*known, *(page for page in pages if page not in (*ORDER, *LAST)), *(p for p in LAST if p in pages)]
    return files


def on_post_build(config: Any) -> None:
    """Put the search's index into a script too, which the theme asks for where pages are read from a plain folder."""
    index = Path(config.site_dir) / "search" / "search_index.json"
    index.with_suffix(".js").write_text(f"var __index = {index.read_text(encoding='utf-8')}", encoding="utf-8")
