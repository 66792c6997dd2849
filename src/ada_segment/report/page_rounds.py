"""The rounds of a run on its page: times, rewards, what was predicted, what failed."""

from statistics import mean

from ada_segment.report.figure_data import noise, spread
from ada_segment.report.history import RoundRecord
from ada_segment.report.markup import Html, element, join, table
from ada_segment.report.numbers import DASH, Numbers
from ada_segment.report.page_shell import section
from ada_segment.report.run_files import Run

FAILURES = 100  # most that are listed
HEADINGS = (
    *("round", "reward of its best", "as predicted", "member", "mean of members", "their spread (SD)"),
    *("noise as estimated (SD)", "failed", "time"),
)


def rounds(run: Run) -> Html:
    """Times, and all rounds in a table that unfolds."""
    if not run.history.rounds:
        return Html("")
    say, seconds = Numbers(), [record.seconds for record in run.history.rounds]
    times = (
        *(say.duration(sum(seconds), "seconds"), " in all; a round took "),
        *(say.duration(mean(seconds), "mean-seconds"), " on average, "),
        *(say.duration(min(seconds), "least-seconds"), " to ", say.duration(max(seconds), "greatest-seconds"), "."),
    )
    listed = table(HEADINGS, (_row(record, say) for record in run.history.rounds))
    heading = element("summary", "all ", say.count(len(seconds), "rounds"), " rounds")
    return section("Times and rounds", element("p", *times), element("details", heading, listed))


def _row(record: RoundRecord, say: Numbers) -> tuple[Html, ...]:
    t = record.round
    rewards = [member.reward for member in record.members if member.reward is not None]
    deviation = spread(record)
    return (
        say.count(t + 1, "round", t),
        say.score(record.chosen.reward, "chosen-reward", t) if record.chosen else DASH,
        say.score(_predicted(record), "predicted", t),
        say.count(record.best, "chosen", t),
        say.score(mean(rewards), "mean-reward", t) if rewards else DASH,
        say.score(deviation, "spread", t),
        say.score(noise(record), "noise", t),
        say.count(len(record.members) - len(rewards), "failed", t),
        say.duration(record.seconds, "round-seconds", t),
    )


def _predicted(record: RoundRecord) -> float | None:
    """The reward that the controller predicts for the member that stands for the round, where it does."""
    predicted = record.controller.get("predicted") or []
    return predicted[record.best] if record.best is not None and record.best < len(predicted) else None


def failures(run: Run) -> Html:
    """What failed, when, and why; which rounds were repeated."""
    failed = run.history.failures
    if not failed:
        return Html("")
    say = Numbers()
    rows = [
        (
            say.count(round + 1, "failure", place, "round"),
            say.count(index, "failure", place, "member"),
            element("span", status, class_="bad wrap"),
        )
        for place, (round, index, status) in enumerate(failed[:FAILURES])
    ]
    parts = [
        element("p", "A member that failed is left out of the update and goes on from the best one.", class_="faint")
    ]
    if repeats := run.history.repeats:
        again = " times every member of a round failed; it was repeated with half the step."
        parts.append(element("p", say.count(repeats, "repeats"), again))
    parts.append(table(("round", "member", "what happened"), rows))
    if (left := len(failed) - FAILURES) > 0:
        parts.append(element("p", say.count(left, "failures-left", FAILURES), " more are in history.jsonl."))
    return section("Failures", join(parts))
