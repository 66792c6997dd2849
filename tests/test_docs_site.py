"""The documents as a site: built strictly, complete, and asking nothing of any other address."""

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))

pytest.importorskip("mkdocs", reason="mkdocs is not installed; make install")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site on a server of its own, on this machine alone."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def test_every_document_is_in_the_navigation(site: Path) -> None:
    assert Path("index.md") in PAGES
    navigation = re.findall(r'<a href="([^"]+)" class="md-nav__link', (site / "index.html").read_text())
    assert {str(page.with_suffix(".html")) for page in PAGES} <= {"index.html", *navigation}


def test_the_reference_has_every_public_name(site: Path) -> None:
    import ada_segment

    reference = (site / "reference.html").read_text()
    missing = [name for name in ada_segment.__all__ if f'id="ada_segment.{name}"' not in reference]
    assert not missing


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_ask_nothing_of_any_other_address(browser: Browser, address: str, width: int) -> None:
    for page in PAGES:
        browser.show(f"{address}/{page.with_suffix('.html')}", width=width, dark=width == 390)
        assert [request for request in browser.requests if not request.startswith((address, "data:", "blob:"))] == []
        assert [one for one in browser.complaints if "favicon" not in one] == []
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
