"""A search as it runs: a live view on a terminal, plain lines elsewhere. Both are observers of `search`."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ada_segment.report.colours import GREEN, GREY, VERMILION, loss_styles
from ada_segment.report.history import RoundRecord, parse_round
from ada_segment.report.wording import LIMIT, duration, factor, geometric_mean, log_factor, relative, score, spark

BAR = 10  # characters on either side of the default
TAIL = 24  # rounds that a spark line shows
TALL = 14  # losses in one column; more are set in several


class LastingConsole(Console):
    """A console whose reader may leave (`| head`, a pager that is closed): what is shown goes nowhere then, and the
    work goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Progress:
    """What both displays know of a search: its rounds, the current weights, the best so far, the time.

    Args:
        console: where to write.
        defaults: default weight of each loss; weights are shown relative to them.
        clock: seconds, for the time left.
    """

    def __init__(
        self,
        console: Console,
        *,
        defaults: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console
        self.defaults = dict(defaults or {})
        self.clock = clock
        self.round = self.rounds = 0
        self.weights: list[dict[str, float]] = []
        self.finished: dict[int, Mapping[str, Any]] = {}
        self.past: list[RoundRecord] = []
        self.best: tuple[float, int] | None = None
        self.round_began = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def resumed(self, journal: Sequence[Mapping[str, Any]]) -> None:
        for record in journal:
            self._count(record)

    def round_started(self, round: int, rounds: int, weights: Sequence[Mapping[str, float]]) -> None:
        self.round, self.rounds = round, rounds
        self.weights = [relative(member, self.defaults) for member in weights]
        self.finished = {}
        self.round_began = self.clock()

    def member_finished(self, round: int, index: int, record: Mapping[str, Any]) -> None:
        self.finished[index] = record

    def round_finished(self, record: Mapping[str, Any]) -> None:
        self._count(record)

    def _count(self, record: Mapping[str, Any]) -> None:
        done = parse_round(record)
        self.past.append(done)
        chosen = done.chosen
        if chosen is not None and chosen.reward is not None and (self.best is None or chosen.reward > self.best[0]):
            self.best = (chosen.reward, done.round)

    def said(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)

    def seconds_left(self) -> float | None:
        """Rounds to come times the mean of those seen; None before the first is over."""
        if not self.past:
            return None
        mean = sum(done.seconds for done in self.past) / len(self.past)
        ahead = self.rounds - 1 - self.past[-1].round
        running = self.clock() - self.round_began if self.past[-1].round < self.round else 0.0
        return max(0.0, mean * ahead - min(running, mean))


class PlainDisplay(_Progress):
    """One line a member and one a round, for log files and pipes."""

    def member_finished(self, round: int, index: int, record: Mapping[str, Any]) -> None:
        super().member_finished(round, index, record)
        shown = relative(record["weights"], self.defaults)
        weights = ", ".join(f"{name} {factor(value)}" for name, value in shown.items())
        outcome = f"reward {score(record.get('reward'))}" if _is_ok(record) else str(record.get("status"))
        self.said(f"round {round + 1}/{self.rounds}, member {index}: {outcome}; {weights}")

    def round_finished(self, record: Mapping[str, Any]) -> None:
        super().round_finished(record)
        done, left = self.past[-1], self.seconds_left()
        chosen = "no member ended well"
        if done.chosen is not None:
            chosen = f"member {done.best} goes on, reward {score(done.chosen.reward)}"
        best = f", best so far {score(self.best[0])} in round {self.best[1] + 1}" if self.best else ""
        remaining = f", about {duration(left)} left" if left else ""
        self.said(f"round {done.round + 1}/{self.rounds} in {duration(done.seconds)}: {chosen}{best}{remaining}")


class LiveDisplay(_Progress):
    """A view that is drawn anew in place: members with their rewards, the moving weights, the best, the time left.

    Used in a `with` statement, so that the terminal is left in order whatever happens.

    Args:
        console: a terminal.
        defaults: default weight of each loss; bars start there.
        clock: seconds, for the time left.
    """

    def __init__(
        self,
        console: Console,
        *,
        defaults: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console, defaults=defaults, clock=clock)
        self._began = clock()
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=2)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def render(self) -> RenderableType:
        """The view of this moment."""
        parts: list[RenderableType] = [self._heading()]
        if self.weights:
            parts += [Padding(self._members(), (1, 0, 0, 2)), *self._failures()]
            parts.append(Padding(self._bars(), (1, 0, 0, 2)))
        return Group(*parts)

    def _heading(self) -> Text:
        if not self.rounds:
            return Text("starting", style="bold")
        over = bool(self.past) and self.past[-1].round == self.rounds - 1
        text = Text("all rounds done" if over else f"round {self.round + 1} of {self.rounds}", style="bold")
        text.append(f"  {duration(self.clock() - self._began)}", style="not bold")
        left = self.seconds_left()
        if left is not None and not over:
            text.append(f", about {duration(left)} left", style="not bold")
        if self.best is not None:
            text.append("  best ", style="not bold")
            text.append(score(self.best[0]), style=GREEN)
            text.append(f" in round {self.best[1] + 1}  ", style="not bold")
            rewards = [d.chosen.reward for d in self.past if d.chosen is not None and d.chosen.reward is not None]
            text.append(spark(rewards[-TAIL:], min(rewards[-TAIL:]), max(rewards[-TAIL:])), style=f"not bold {GREEN}")
        return text

    def _members(self) -> Columns:
        rewards = {k: r.get("reward") for k, r in self.finished.items() if _is_ok(r)}
        top = max((reward for reward in rewards.values() if reward is not None), default=None)
        cells = []
        for index in range(len(self.weights)):
            cell = Text.assemble((f"member {index} ", GREY))
            if index not in self.finished:
                cell.append("…")
            elif index not in rewards:
                cell.append("failed", style=VERMILION)
            else:
                style = f"bold {GREEN}" if rewards[index] == top else ""
                cell.append(score(rewards[index]), style=style)
            cells.append(cell)
        return Columns(cells, padding=(0, 2), equal=True)

    def _failures(self) -> list[RenderableType]:
        return [
            Padding(Text(f"member {index}: {record.get('status')}", style=VERMILION, overflow="ellipsis"), (0, 0, 0, 2))
            for index, record in self.finished.items()
            if not _is_ok(record)
        ]

    def _bars(self) -> RenderableType:
        names = list(self.weights[0])
        styles = loss_styles(names)
        trails = [relative(d.chosen.weights, self.defaults) for d in self.past[-TAIL:] if d.chosen is not None]
        roomy = len(names) <= TALL
        tables = []
        for start in range(0, len(names), TALL):
            table = Table.grid(padding=(0, 1))
            for name in names[start : start + TALL]:
                mean = geometric_mean([member[name] for member in self.weights if name in member] or [1.0])
                cells = [Text(name), bar(mean, styles[name].colour, BAR if roomy else BAR // 2), Text(factor(mean))]
                if roomy:
                    trail = spark([log_factor(past[name]) for past in trails if name in past], -LIMIT, LIMIT)
                    cells.append(Text(trail))
                table.add_row(*cells)
            tables.append(table)
        return Columns(tables, padding=(0, 3)) if len(tables) > 1 else tables[0]


def bar(value: float, colour: str, half: int = BAR) -> Text:
    """A weight relative to its default as a bar to the right (more) or left (less) of the middle, log scale.

    Args:
        value: weight / default.
        colour: of the bar, #rrggbb.
        half: characters on either side of the middle.
    """
    steps = round(log_factor(value) / LIMIT * half)
    left, right = max(0, -steps), max(0, steps)
    text = Text("╌" * (half - left), style=GREY)
    text.append("━" * left, style=colour)
    text.append("│", style="default")
    text.append("━" * right, style=colour)
    text.append("╌" * (half - right), style=GREY)
    return text


def make_display(console: Console, *, defaults: Mapping[str, float] | None = None) -> LiveDisplay | PlainDisplay:
    """The live view where `console` is a terminal that can move its cursor, plain lines otherwise.

    Args:
        console: where to draw.
        defaults: default weight of each loss; weights are shown relative to them, or to 1 where they are not known.
    """
    if console.is_terminal and not console.is_dumb_terminal and not console.is_jupyter:
        return LiveDisplay(console, defaults=defaults)
    return PlainDisplay(console, defaults=defaults)


def _is_ok(record: Mapping[str, Any]) -> bool:
    return str(record.get("status", "ok")) == "ok"
