"""Tables: the figures of the files, in percent, whatever the names."""

import io
from pathlib import Path

from made_histories import DEFAULTS, make_metrics, make_rounds, with_failures, write_run
from rich.console import Console, RenderableType

from ada_segment.data.problems import Problem
from ada_segment.report.history import as_history, parse_round
from ada_segment.report.tables import by_quality, metrics_tables, problems_table, quality_table, summary, weights_table

CLASSES = {"ball": True, "[red]crate[/red]": True, "sky": False}


def text(renderable: RenderableType, *, width: int = 120) -> str:
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_quality_is_shown_in_percent_with_counts() -> None:
    quality = make_metrics(CLASSES)["tuned"]
    lines = text(quality_table(quality)).splitlines()
    for name, figures in quality["per_class"].items():
        (line,) = [line for line in lines if line.strip().startswith(name)]
        shown = line.replace(name, "").split()
        assert shown[:3] == [f"{100 * figures[key]:.1f}" for key in ("pq", "sq", "rq")]
        assert shown[3:] == [str(figures[key]) for key in ("tp", "fp", "fn")]
    (line,) = [line for line in lines if "things (2)" in line]
    assert line.split()[2] == f"{100 * quality['things']['pq']:.1f}"


def test_empty_groups_and_classes() -> None:
    quality = make_metrics({"ball": True})["usual"]
    quality["per_class"]["ghost"] = None
    assert quality["stuff"] is None
    shown = text(quality_table(quality)).splitlines()
    assert any(line.split() == ["stuff", "–", "–", "–"] for line in shown)
    assert by_quality(quality)[-1][0] == "ghost"
    assert text(metrics_tables({"split": "test", "usual": quality})).startswith("test split, usual thresholds")


def test_classes_are_sorted_by_quality() -> None:
    ranked = [figures["pq"] for _, figures in by_quality(make_metrics(CLASSES)["tuned"]) if figures]
    assert ranked == sorted(ranked, reverse=True)


def test_both_thresholds_are_told() -> None:
    metrics = make_metrics(CLASSES)
    shown = text(metrics_tables(metrics))
    assert f"with the usual thresholds: PQ {100 * metrics['usual']['all']['pq']:.1f}" in shown
    assert f"{100 * metrics['tuned']['all']['pq']:.1f}" in shown


def test_summary_tells_reward_cost_time_weights_and_files(tmp_path: Path) -> None:
    records = with_failures(make_rounds(), rounds=(3,))
    metrics = make_metrics(CLASSES)
    run = write_run(tmp_path, records, metrics=metrics)
    history = as_history([parse_round(record) for record in records])
    shown = text(summary(history, defaults=DEFAULTS, run=run, metrics=metrics), width=200)
    best = max(record["members"][record["best"]]["reward"] for record in records)
    assert f"{best:.2f} in round" in shown
    assert "12 rounds of 5 members" in shown
    assert "5 trainings of one model" in shown
    assert "1 of the members' rounds" in shown
    last = records[-1]["members"][records[-1]["best"]]["weights"]
    for name, weight in last.items():
        assert f"×{weight / DEFAULTS[name]:.2f} = {weight:.4g}" in shown
    assert "metrics.json" in shown
    assert "report.html" not in shown


def test_summary_of_nothing() -> None:
    assert "none" in text(summary(as_history([])))


def test_weights_without_defaults() -> None:
    assert "×0.50 = 0.5" in text(weights_table({"[b]a": 0.5}))


def test_problems_are_counted_and_named() -> None:
    problems = [
        Problem(kind="missing picture", file=f"[i]{k}.png", message="is not there", fix="add it") for k in range(5)
    ]
    shown = text(problems_table(problems, shown=2))
    assert "5 problems" in shown
    assert "[i]0.png" in shown
    assert "[i]2.png" not in shown
