"""The page that follows a run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_histories import DEFAULTS, make_metrics, make_rounds, write_run
from page_checks import check_numbers, check_safe
from page_reader import Page

from ada_segment.errors import RunError
from ada_segment.report.watch import watch_run


def refresh_of(page: Page) -> str | None:
    (found,) = [tags.get("content") for tag, tags in page.tags if tags.get("http-equiv") == "refresh"] or [None]
    return found


class Play:
    """Stands for the time between two looks: each look, the next step of a run happens."""

    def __init__(self, page: Path, steps: list[Callable[[], object]]) -> None:
        self.page, self.steps, self.seen = page, steps, list[str | None]()

    def __call__(self, seconds: float) -> None:
        assert seconds > 0
        self.seen.append(self.page.read_text() if self.page.exists() else None)
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()


def test_it_follows_until_the_run_has_ended(tmp_path: Path) -> None:
    run, page, records = tmp_path / "run", tmp_path / "page.html", make_rounds(rounds=3)
    config = "search: {rounds: 3}\n"

    def write(done: int) -> None:
        write_run(run, records[:done], config=config, defaults=DEFAULTS, rounds=3)

    steps = [
        lambda: None,
        lambda: write(1),
        lambda: None,
        lambda: write(3),
        lambda: (run / "metrics.json").write_text(json.dumps(make_metrics({"ball": True}))),
    ]
    play, said = Play(page, list(steps)), list[str]()
    watch_run(run, page, say=said.append, wait=play)
    assert not play.steps
    first, second, third, fourth, fifth = play.seen
    assert first is second is None  # no journal yet
    assert third is not None
    assert third == fourth  # nothing new, not written again
    assert fifth is not None
    for text, rounds in ((third, 1), (fifth, 3)):
        found = check_safe(text)
        assert refresh_of(found) == "5"
        assert next(number.value for number in found.numbers if number.what == "rounds") == rounds
    last = check_safe(page.read_text())
    check_numbers(last)
    assert refresh_of(last) is None
    assert "Panoptic quality" in last.text
    assert len(said) == 2


def test_interrupted_it_leaves_a_page_that_stays(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", make_rounds(rounds=2), defaults=DEFAULTS, rounds=9)
    play = Play(tmp_path / "page.html", [])
    watch_run(run, tmp_path / "page.html", say=lambda _: None, wait=play)
    assert play.seen[0] is not None
    assert refresh_of(Page(play.seen[0])) == "5"
    assert refresh_of(Page((tmp_path / "page.html").read_text())) is None


def test_a_run_of_a_program_ends_with_its_rounds(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", make_rounds(rounds=2), defaults=DEFAULTS, rounds=2)
    watch_run(run, tmp_path / "page.html", say=lambda _: None, wait=Play(tmp_path / "page.html", []))
    assert refresh_of(Page((tmp_path / "page.html").read_text())) is None


def test_a_run_of_a_program_is_followed_through_its_first_round(tmp_path: Path) -> None:
    run, records = write_run(tmp_path / "run", []), make_rounds(rounds=2)
    steps = [
        lambda: write_run(run, records[:1]),  # before its checkpoint
        lambda: write_run(run, records[:1], defaults=DEFAULTS, rounds=2),
        lambda: write_run(run, records, defaults=DEFAULTS, rounds=2),
    ]
    play = Play(tmp_path / "page.html", list(steps))
    watch_run(run, tmp_path / "page.html", say=lambda _: None, wait=play)
    assert not play.steps
    assert refresh_of(Page((tmp_path / "page.html").read_text())) is None


def test_what_never_comes_is_named(tmp_path: Path) -> None:
    play = Play(tmp_path / "page.html", [])
    with pytest.raises(RunError, match=r"history\.jsonl did not come"):
        watch_run(tmp_path / "nothing", tmp_path / "page.html", say=lambda _: None, wait=play)
