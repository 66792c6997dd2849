"""The display of a running search: what it says, on a terminal and elsewhere."""

import io
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_histories import DEFAULTS, make_rounds, with_failures
from rich.console import Console

from ada_segment.report.display import LiveDisplay, PlainDisplay, bar, make_display
from ada_segment.report.wording import duration, factor, log_factor, percent, relative, score, signed, spark


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def play(display: LiveDisplay | PlainDisplay, records: list[dict[str, Any]], *, rounds: int, stop: int = -1) -> None:
    """Tell `display` of these rounds as a search does; of the last one only the first `stop` members when given."""
    for record in records:
        display.round_started(record["round"], rounds, [member["weights"] for member in record["members"]])
        last = record is records[-1] and stop >= 0
        for index, member in list(enumerate(record["members"]))[: stop if last else None]:
            display.member_finished(record["round"], index, member)
        if not last:
            display.round_finished(record)


def test_a_resumed_search_knows_the_rounds_before() -> None:
    records = make_rounds(rounds=3)
    one, other = (LiveDisplay(Console(file=io.StringIO()), clock=Clock()) for _ in range(2))
    play(one, records, rounds=3)
    other.resumed(records[:2])
    play(other, records[2:], rounds=3)
    assert other.best == one.best
    assert rendered(other) == rendered(one)


def rendered(display: LiveDisplay, *, width: int = 100) -> str:
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(display.render())
    return console.export_text()


def plain(records: list[dict[str, Any]], *, rounds: int, **more: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=60)
    play(PlainDisplay(console, **more), records, rounds=rounds)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, height=40)


def test_the_console_decides() -> None:
    assert isinstance(make_display(terminal()), LiveDisplay)
    assert isinstance(make_display(Console(file=io.StringIO())), PlainDisplay)
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(make_display(dumb), PlainDisplay)


def test_plain_lines_one_a_member_and_one_a_round() -> None:
    records = make_rounds(rounds=3, members=4)
    lines = plain(records, rounds=3, defaults=DEFAULTS)
    assert len(lines) == 3 * (4 + 1)
    first = records[0]["members"][0]
    assert lines[0].startswith(f"round 1/3, member 0: reward {first['reward']:.2f}; loss_rpn_cls ×")
    assert f"loss_sem_seg ×{first['weights']['loss_sem_seg'] / 0.5:.2f}" in lines[0]
    best = records[0]["members"][records[0]["best"]]["reward"]
    assert f"member {records[0]['best']} goes on, reward {best:.2f}" in lines[4]
    assert "left" in lines[4]
    assert "left" not in lines[-1]


def test_plain_tells_of_failures() -> None:
    lines = plain(with_failures(make_rounds(rounds=1), rounds=(0,)), rounds=2)
    assert any("failed: LossError: loss_mask = nan" in line for line in lines)


def test_live_shows_round_members_weights_best_and_time() -> None:
    records = with_failures(make_rounds(rounds=8), rounds=(7,))
    clock = Clock()
    display = LiveDisplay(terminal(), defaults=DEFAULTS, clock=clock)
    play(display, records, rounds=12, stop=4)
    text = rendered(display)
    assert "round 8 of 12" in text
    best = max((r["members"][r["best"]]["reward"], r["round"]) for r in records[:7])
    assert f"best {best[0]:.2f} in round {best[1] + 1}" in text
    assert "member 4 …" in text
    failed = next(k for k, member in enumerate(records[7]["members"]) if member["reward"] is None)
    assert f"member {failed} failed" in text
    assert "loss_mask = nan" in text
    mean = math.exp(sum(math.log(m["weights"]["loss_sem_seg"] / 0.5) for m in records[7]["members"]) / 5)
    assert f"×{mean:.2f}" in text


def test_time_left_is_the_mean_round_times_those_to_come() -> None:
    clock = Clock()
    display = PlainDisplay(Console(file=io.StringIO()), clock=clock)
    assert display.seconds_left() is None
    records = make_rounds(rounds=2)
    for record, seconds in zip(records, (10.0, 30.0), strict=True):
        record["seconds"] = seconds
    play(display, records, rounds=5)
    assert display.seconds_left() == 3 * 20
    clock.now = 100.0
    display.round_started(2, 5, [records[0]["members"][0]["weights"]])
    clock.now = 105.0
    assert display.seconds_left() == 3 * 20 - 5
    clock.now = 999.0
    assert display.seconds_left() == 2 * 20


def test_a_resumed_search_counts_only_the_rounds_it_has_seen() -> None:
    display = PlainDisplay(Console(file=io.StringIO()))
    records = make_rounds(rounds=12)[10:]
    for record in records:
        record["seconds"] = 7.0
    play(display, records[:1], rounds=12)
    assert display.seconds_left() == 7.0


def test_a_repeated_round_starts_over() -> None:
    display = LiveDisplay(terminal())
    records = with_failures(make_rounds(rounds=1), rounds=(0,))
    play(display, records, rounds=2, stop=3)
    display.round_started(0, 2, [member["weights"] for member in records[0]["members"]])
    assert rendered(display).count("…") == 5


@given(losses=st.integers(1, 40), members=st.integers(1, 20), rounds=st.integers(1, 3), width=st.integers(20, 200))
def test_anything_can_be_rendered(losses: int, members: int, rounds: int, width: int) -> None:
    names = tuple(f"[bold]loss_{k}[/]" for k in range(losses))
    display = LiveDisplay(terminal())
    assert "starting" in rendered(display)
    play(display, make_rounds(rounds=rounds, members=members, losses=names), rounds=200)
    text = rendered(display, width=width)
    if width >= 60:
        assert all(f"[bold]loss_{k}[/]" in text for k in range(losses))


def test_the_terminal_is_left_in_order_after_an_error() -> None:
    console = terminal()

    def broken_search() -> None:
        with make_display(console) as display:
            play(display, make_rounds(rounds=1), rounds=2)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        broken_search()
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert "\x1b[?25l" in written  # the cursor was hidden
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # and is back


def test_weights_of_zero_and_beyond_the_bounds() -> None:
    display = LiveDisplay(terminal(), defaults={"a": 0.0})
    display.round_started(0, 1, [{"a": 0.0, "b": 1e-9, "c": 1e9}])
    text = rendered(display)
    assert "×0 " in text
    assert "×1e+09" in text


@given(value=st.floats(1e-6, 1e6))
def test_bars_grow_from_the_middle_and_keep_their_width(value: float) -> None:
    text = bar(value, "#000000").plain
    assert len(text) == 21
    left, right = text.split("│")
    assert left.count("━") * right.count("━") == 0
    assert (right.count("━") > 0) <= (value > 1)
    assert (left.count("━") > 0) <= (value < 1)
    assert bar(1 / value, "#000000").plain == text[::-1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
        (3599.9, "1 h 00 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_wording() -> None:
    assert [score(v) for v in (None, 0.0, 0.12345, -53.456, 1e6)] == ["–", "0.00", "0.1235", "-53.46", "1e+06"]
    assert [factor(v) for v in (1.0, 0.254, 4e-5, 300.0)] == ["×1.00", "×0.25", "×4e-05", "×3e+02"]
    assert [percent(None), percent(0.5344)] == ["–", "53.4"]
    assert [signed(2.6), signed(-0.304), signed(0, 1)] == ["+2.60", "−0.30", "+0.0"]
    assert relative({"a": 1.0, "b": 3.0, "c": 2.0}, {"a": 0.5, "b": 0.0}) == {"a": 2.0, "b": 3.0, "c": 2.0}


@given(values=st.lists(st.floats(-10, 10), max_size=30))
def test_sparks_rise_with_the_values(values: list[float]) -> None:
    text = spark(values, -5, 5)
    assert len(text) == len(values)
    assert sorted(text) == [mark for _, mark in sorted(zip(values, text, strict=True))]


@given(value=st.floats(0, 1e300))
def test_log_factors_stay_within_the_bars(value: float) -> None:
    assert abs(log_factor(value)) <= math.log(4)


def test_a_reader_that_leaves_does_not_end_the_work() -> None:
    """As `| head` does, or a pager that is closed."""
    program = (
        "import sys\n"
        "from ada_segment.report.display import LastingConsole\n"
        "console = LastingConsole()\n"
        "for line in range(20000):\n"
        "    console.print(line)\n"
        "print('went on', file=sys.stderr)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as working:
        assert working.stdout is not None
        assert working.stderr is not None
        assert working.stdout.readline() == "0\n"
        working.stdout.close()
        assert working.stderr.read() == "went on\n"
    assert working.returncode == 0
