"""Panoptic quality class by class, on a page."""

from collections.abc import Mapping
from typing import Any

from ada_segment.report.figure_data import by_quality, thresholds_shown
from ada_segment.report.markup import Html, element, join, meter, table
from ada_segment.report.numbers import DASH, Numbers
from ada_segment.report.page_shell import section
from ada_segment.report.run_files import Run

MANY_CLASSES = 40  # more are folded away

Figures = Mapping[str, Any]


def quality(run: Run, baseline: Run | None) -> Html:
    """Groups, then every class by falling PQ, with what was gained over the baseline."""
    metrics, say = run.metrics or {}, Numbers()
    key = thresholds_shown(metrics)
    ours = metrics.get(key)
    if not ours:
        return Html("")
    other = (baseline.metrics or {}).get(key) if baseline else None
    headings = ["", "PQ", "", *(["gain"] if other else []), "SQ", "RQ", "TP", "FP", "FN"]
    groups, classes = {name: ours.get(name) for name in ("all", "things", "stuff")}, dict(by_quality(ours))
    theirs = (other or {}).get("per_class") or {}
    rows = [
        _row(
            say,
            _group_name(say, key, name, figures),
            figures,
            (other or {}).get(name),
            ("pq", "gain", key, name),
            other,
        )
        for name, figures in groups.items()
    ]
    details = [
        _row(say, name, figures, theirs.get(name), ("class", "class-gain", key, name), other)
        for name, figures in classes.items()
    ]
    how = "thresholds tuned on the reward split" if key == "tuned" else "usual thresholds"
    split = metrics.get("split", "test")
    note = f"In percent, on the {split} split, {how}. TP, FP, FN: segments matched, too many, missed."
    parts = [element("p", note, class_="faint")]
    if len(classes) <= MANY_CLASSES:
        return section("Panoptic quality by class", *parts, table(headings, rows + details, groups=len(rows)))
    heading = element("summary", "all ", say.count(len(classes), "classes", key), " classes")
    folded = element("details", heading, table(headings, details))
    return section("Panoptic quality by class", *parts, table(headings, rows, groups=len(rows)), folded)


def _group_name(say: Numbers, key: str, name: str, figures: Figures | None) -> object:
    if "n" not in (figures or {}):
        return name
    assert figures is not None
    return join([f"{name} (", say.count(figures["n"], "pq", key, name, "n"), " classes)"])


def _row(
    say: Numbers,
    label: object,
    figures: Figures | None,
    their: Figures | None,
    of: tuple[str, str, str, str],
    other: object,
) -> list[object]:
    """PQ with a bar, gain, SQ, RQ and counts; `of` holds the quantities' names, the thresholds, and group or class."""
    what, gained, key, name = of
    figures = figures or {}
    row: list[object] = [label, say.percent(figures.get("pq"), what, key, name, "pq"), meter(figures.get("pq"))]
    if other:
        known = their is not None and "pq" in figures
        gain = 100 * (figures["pq"] - their["pq"]) if known and their is not None else None
        row.append(DASH if gain is None else say.signed(gain, gained, key, name, decimals=1))
    row += [say.percent(figures.get(part), what, key, name, part) for part in ("sq", "rq")]
    return row + [
        say.count(figures[part], what, key, name, part) if part in figures else "" for part in ("tp", "fp", "fn")
    ]
