"""A hook of MkDocs: every page of docs/ is in the navigation, those below first and in this order."""

from typing import Any

ORDER = (
    "index.md",
    "start.md",
    "own-data.md",
    "own-loop.md",
    "hugging-face.md",
    "weightings.md",
    "machines.md",
    "report.md",
    "controller.md",
    "results.md",
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
