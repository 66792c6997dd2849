"""Pages in a browser: readable at any width, light and dark, without complaint and without a request."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser
from made_histories import make_metrics, make_rounds, with_controller, with_failures, write_examples, write_run
from page_checks import check_numbers, check_safe
from PIL import Image
from small_runs import small

from ada_segment.report.page import write_page
from ada_segment.report.page_arms import write_arms_page
from ada_segment.runs.search_run import run_search

ROOT = Path(__file__).parents[1]
SEEN = (Path(__file__).parent / "page_in_browser.js").read_text()
VIEWS = [(1280, False), (1280, True), (390, False), (390, True)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of real runs, small ones, and of made ones at the edges."""
    folder = tmp_path_factory.mktemp("pages")
    runs = [folder / "search-0", folder / "search-1", folder / "default-0"]
    for run in runs:
        kind, seed = run.name.split("-")
        more = {"search__weights": "default", "search__members": 1} if kind == "default" else {}
        run_search(small(search__rounds=2, seed=int(seed), **more), run)
    made = {name: folder / f"{name}.html" for name in ("run", "three runs", "crowded", "failed", "new")}
    write_page(runs[0], made["run"], baseline=runs[2])
    write_arms_page(runs, made["three runs"])

    losses = ("<script>alert(1)</script>", *(f"layers.{k}.loss_of_something" for k in range(29)))
    records = with_controller(with_failures(make_rounds(rounds=200, members=8, losses=losses), rounds=(3, 90)))
    classes = {f"class <b>{k}</b>": k < 80 for k in range(133)}
    crowded = write_run(folder / "many <i>", records, metrics=make_metrics(classes), config="seed: 1\n")
    write_examples(crowded, seed=1)
    write_page(crowded, made["crowded"], baseline=crowded)
    broken = make_rounds(rounds=2, members=3)
    for record in broken:
        record["best"] = None
        for member in record["members"]:
            member.update(reward=None, losses={}, status="failed: RuntimeError: out of memory")
    write_page(write_run(folder / "broken", broken), made["failed"])
    write_page(write_run(folder / "empty", [], rounds=9), made["new"])
    return made


@pytest.mark.parametrize(("width", "dark"), VIEWS, ids=[f"{w}-{'dark' if d else 'light'}" for w, d in VIEWS])
@pytest.mark.parametrize("name", ["run", "three runs", "crowded", "failed", "new"])
def test_it_reads_well(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, name: str, width: int, dark: bool
) -> None:
    page = pages[name]
    browser.show(page.as_uri(), width=width, dark=dark)
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]
    # The edges have few texts, which is no fault of theirs.
    assert [one for one in browser.ask(SEEN) if not one.startswith("only ") or name in ("run", "three runs")] == []
    browser.shoot(tmp_path / "shot.png", whole=False)
    with Image.open(tmp_path / "shot.png") as shot:
        pixels = np.asarray(shot.convert("L"))
    assert pixels.shape == (900, width)
    assert (np.median(pixels) < 100) == dark


def test_charts_are_drawn(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    """Each chart's own pixels: lines in several colours on the ground of the page."""
    for dark in (False, True):
        browser.show(pages["run"].as_uri(), width=1280, dark=dark)
        browser.shoot(tmp_path / "shot.png")
        boxes = browser.ask(
            "[...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect())"
            ".map(b => [b.left, b.top + scrollY, b.right, b.bottom + scrollY])"
        )
        assert len(boxes) == 6
        with Image.open(tmp_path / "shot.png") as shot:
            for box in boxes:
                chart = np.asarray(shot.convert("RGB").crop([round(side) for side in box])).astype(int)
                coloured = chart.max(axis=2) - chart.min(axis=2) > 60
                assert coloured.mean() > 0.002


def test_the_browser_is_a_witness(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    """What this file takes as good would be noticed if it were bad."""
    good, page = pages["run"].read_text(), tmp_path / "bad.html"
    page.write_text(good.replace("</body>", '<img src="http://example.invalid/x.png"></body>'))
    browser.show(page.as_uri(), width=1280, dark=False)
    assert browser.complaints
    for bad in (
        '<p style="color:#eee">pale</p>',
        '<div style="width:2000px">wide</div>',
        "<figure><svg></svg></figure>",
    ):
        page.write_text(good.replace("</body>", f"{bad}</body>"))
        browser.show(page.as_uri(), width=1280, dark=False)
        assert len(browser.ask(SEEN)) == 1


def test_numbers_of_real_runs_come_from_their_folders(pages: dict[str, Path]) -> None:
    for name in ("run", "three runs", "crowded", "failed", "new"):
        check_numbers(check_safe(pages[name].read_text()))


@pytest.mark.skipif(not (ROOT / "runs/demo/metrics.json").exists(), reason="make demo has not been run here")
def test_the_demos_own_page(browser: Browser, tmp_path: Path) -> None:
    base = ROOT / "runs/default"
    write_page(ROOT / "runs/demo", tmp_path / "demo.html", baseline=base if (base / "metrics.json").exists() else None)
    check_numbers(check_safe((tmp_path / "demo.html").read_text()))
    for width, dark in VIEWS:
        browser.show((tmp_path / "demo.html").as_uri(), width=width, dark=dark)
        assert (browser.complaints, browser.ask(SEEN)) == ([], [])
