"""Tables for the terminal: what a run came to, and panoptic quality class by class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ada_segment.data.convert.left_out import Converted
from ada_segment.data.mending import Mended
from ada_segment.data.problems import Problem
from ada_segment.data.problems import group as by_kind
from ada_segment.data.statistics import ClassCount, Tally
from ada_segment.report.arms import MEASURES, alone, differences, group_runs, headline, of_arm, of_pairs, pairs_measured
from ada_segment.report.colours import GREEN, loss_styles
from ada_segment.report.display import bar
from ada_segment.report.figure_data import by_quality
from ada_segment.report.history import History
from ada_segment.report.run_files import read_run
from ada_segment.report.student import Estimate
from ada_segment.report.wording import duration, factor, fine, percent, relative, score

FOLDER_HOLDS = {
    "history.jsonl": "every round and member",
    "schedule.json": "the weights, round by round; train --weights replays them",
    "controller.safetensors": "the controller; train --weights RUN applies it elsewhere",
    "best.safetensors": "the best model",
    "metrics.json": "PQ on the test split",
    "examples.json": "PQ of each test picture; drawings of some in examples/",
    "overlays.png": "what the best model sees",
    "tensorboard": "curves and pictures: tensorboard --logdir",
    "report.html": "all of this in pictures",
}


def summary(
    history: History,
    *,
    defaults: Mapping[str, float] | None = None,
    run: Path | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> RenderableType:
    """What a search came to: best reward, PQ where it was measured, last weights, time and cost, where to look next.

    Args:
        history: of the run.
        defaults: default weight of each loss.
        run: its folder; the files that are there are listed.
        metrics: content of metrics.json.
    """
    facts = Table.grid(padding=(0, 2))
    best = history.best
    if best is None:
        facts.add_row("best reward", "none; no member has ended a round well")
    else:
        record, member = best
        facts.add_row("best reward", Text(f"{score(member.reward)} in round {record.round + 1}", style=f"bold {GREEN}"))
    for line in _headlines(metrics):
        facts.add_row(*line)
    members = max((len(record.members) for record in history.rounds), default=0)
    facts.add_row("time", f"{duration(history.seconds)} for {len(history.rounds)} rounds of {members} members")
    facts.add_row("cost", f"{history.trainings:.3g} trainings of one model")
    if failures := history.failures:
        facts.add_row("failures", f"{len(failures)} of the members' rounds; history.jsonl says why")
    parts: list[RenderableType] = [facts]
    chosen = next((record.chosen for record in reversed(history.rounds) if record.chosen is not None), None)
    if chosen is not None:
        parts.append(Text("weights of the last round, relative to the defaults", style="bold"))
        parts.append(Padding(weights_table(chosen.weights, defaults=defaults), (0, 0, 0, 2)))
    if run is not None:
        parts.append(where_to_look(run))
    return Group(*parts)


def weights_table(weights: Mapping[str, float], *, defaults: Mapping[str, float] | None = None) -> Table:
    """Name, bar, weight relative to its default, and the weight itself; a line a loss."""
    table = Table.grid(padding=(0, 1))
    styles = loss_styles(weights)
    for name, value in relative(weights, defaults).items():
        table.add_row(Text(name), bar(value, styles[name].colour), factor(value), Text(f"= {weights[name]:.4g}"))
    return table


def where_to_look(run: Path) -> RenderableType:
    """The files of the run folder that are there, and what each is good for."""
    table = Table.grid(padding=(0, 2))
    for name, what in FOLDER_HOLDS.items():
        if (run / name).exists():
            table.add_row(name, what)
    return Group(Text.assemble(("where to look next", "bold"), f"  {run}"), Padding(table, (0, 0, 0, 2)))


def quality_table(quality: Mapping[str, Any]) -> Table:
    """PQ, SQ and RQ in percent: all classes, things, stuff, then class by class with counts, the best first.

    Args:
        quality: one of the two figures' dicts of metrics.json: "all", "things", "stuff" (null where the group is
            empty) and "per_class".
    """
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    for heading in ("PQ", "SQ", "RQ", "TP", "FP", "FN"):
        table.add_column(heading, justify="right")
    for name in ("all", "things", "stuff"):
        figures = quality.get(name)
        if figures is None:
            table.add_row(name, "–", "–", "–", style="bold")
        else:
            label = f"{name} ({figures['n']})" if "n" in figures else name
            table.add_row(label, *(percent(figures[key]) for key in ("pq", "sq", "rq")), style="bold")
    table.add_section()
    for name, figures in by_quality(quality):
        if figures is None:
            table.add_row(Text(name), "–", "–", "–")
            continue
        counts = (str(figures[key]) for key in ("tp", "fp", "fn"))
        table.add_row(Text(name), *(percent(figures[key]) for key in ("pq", "sq", "rq")), *counts)
    return table


def metrics_tables(metrics: Mapping[str, Any]) -> RenderableType:
    """The content of metrics.json: a table under the tuned thresholds, and the figures under the usual ones."""
    split = metrics.get("split", "test")
    parts: list[RenderableType] = []
    tuned, usual = metrics.get("tuned"), metrics.get("usual")
    if tuned is not None:
        parts += [Text(f"{split} split, thresholds tuned on the reward split, %"), quality_table(tuned)]
    if usual is not None and tuned is None:
        parts += [Text(f"{split} split, usual thresholds, %"), quality_table(usual)]
    elif usual is not None:
        parts.append(Text(f"with the usual thresholds: {groups_line(usual)}"))
    return Group(*parts)


def groups_line(quality: Mapping[str, Any]) -> str:
    """`PQ 53.4 (things 15.8, stuff 90.9)`."""
    pq = {name: percent((quality.get(name) or {}).get("pq")) for name in ("all", "things", "stuff")}
    return f"PQ {pq['all']} (things {pq['things']}, stuff {pq['stuff']})"


def _headlines(metrics: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    lines = []
    for key, how in (("tuned", "tuned thresholds"), ("usual", "usual thresholds")):
        if metrics is not None and metrics.get(key) is not None:
            lines.append((f"{metrics.get('split', 'test')} split, {how}", groups_line(metrics[key])))
    return lines


def comparison(run: Path, baseline: Path) -> RenderableType:
    """Two runs' PQ in percent and their best rewards, one below the other."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    for heading in ("PQ", "things", "stuff", "PQ, usual thresholds", "best reward"):
        table.add_column(heading, justify="right")
    for one in (read_run(path) for path in (run, baseline)):
        metrics, best = one.metrics or {}, one.history.best
        tuned, usual = metrics.get("tuned") or {}, metrics.get("usual") or {}
        figures = [percent((tuned.get(group) or {}).get("pq")) for group in ("all", "things", "stuff")]
        reward = "–" if best is None or best[1].reward is None else score(best[1].reward)
        table.add_row(Text(one.path.resolve().name), *figures, percent((usual.get("all") or {}).get("pq")), reward)
    return Group(table, Text("One run each: a difference of a few PQ can be chance.", style="italic"))


def arms_table(paths: Sequence[Path], *, usual: Mapping[str, Any] | None = None) -> RenderableType:
    """Runs by arms: mean and 95 % interval of the first measure that all have, and differences paired by seed.
    Arguments as of `write_arms_page`."""
    runs = [read_run(path, usual=usual) for path in paths]
    arms, measure = group_runs(runs), headline(runs)
    compared = differences(arms)
    against, left = {one.arm.name: one for one in compared}, alone(arms, compared)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("arm")
    for heading in ("seeds", MEASURES[measure], "paired difference"):
        table.add_column(heading, justify="right")
    for arm in arms:
        other = against.get(arm.name)
        gap = None if other is None else of_pairs(pairs_measured(other, runs, measure), runs, measure)
        nothing = "nothing on the same data" if arm in left and len(arms) > 1 else ""
        cells = (_interval(of_arm(arm, measure)), nothing if other is None else _interval(gap, sign=True))
        table.add_row(Text(arm.name), str(len(arm.runs)), *cells)
    notes = "95 % intervals by Student's t; of one seed there is none."
    if going := [run.path.resolve().name for run in runs if not run.has_ended]:
        notes += f" Not at their end: {', '.join(going)}."
    return Group(table, Text(notes, style="italic"))


def _interval(found: Estimate | None, *, sign: bool = False) -> str:
    if found is None:
        return "–"
    return fine(found.mean, sign=sign) + ("" if found.half is None else f" ± {fine(found.half)}")


def problems_table(problems: Sequence[Problem], *, shown: int = 3) -> Table:
    """What is wrong with a dataset, by kind with counts, the first few of each with the way out."""
    table = Table(box=SIMPLE_HEAD, title=f"{len(problems)} problems", title_justify="left")
    table.add_column("kind")
    table.add_column("count", justify="right")
    table.add_column(f"the first {shown}", overflow="fold")
    for kind, found in by_kind(problems).items():
        table.add_row(Text(kind), str(len(found)), Text("\n".join(str(problem) for problem in found[:shown])))
    return table


def converted_tables(parts: Sequence[Converted]) -> RenderableType:
    """What a conversion has written, split by split, and what it had to leave out and why."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("split")
    for heading in ("pictures", "things", "stuff", "crowds"):
        table.add_column(heading, justify="right")
    left_out = Table(box=SIMPLE_HEAD, title="left out", title_justify="left")
    left_out.add_column("split")
    left_out.add_column("count", justify="right")
    left_out.add_column("what", overflow="fold")
    left_out.add_column("first", overflow="fold")
    for part in parts:
        table.add_row(part.split, *(str(n) for n in (part.pictures, part.things, part.stuff, part.crowds)))
        for reason, count in part.left_out.counts.items():
            left_out.add_row(part.split, str(count), Text(reason), Text(part.left_out.first[reason]))
    return Group(table, left_out) if left_out.row_count else Group(table, Text("nothing was left out"))


def statistics_tables(tallies: Mapping[str, Tally]) -> RenderableType:
    """How often each class occurs, split by split, and its share of the pixels."""
    return Group(*(_statistics_table(split, tally) for split, tally in tallies.items()))


def _statistics_table(split: str, tally: Tally) -> Table:
    table = Table(box=SIMPLE_HEAD, title=Text(f"{split}: {tally.pictures} pictures"), title_justify="left")
    table.add_column("id", justify="right")
    table.add_column("class")
    table.add_column("")
    for heading in ("pictures", "segments", "crowds", "pixels"):
        table.add_column(heading, justify="right")
    for category in tally.categories:
        count = tally.classes.get(category.id, ClassCount())
        figures = (str(count.pictures), str(count.segments), str(count.crowds), _share(count.pixels, tally.pixels))
        table.add_row(str(category.id), Text(category.name), "thing" if category.isthing else "stuff", *figures)
    table.add_section()
    table.add_row("", "void", "", "", "", "", _share(tally.void, tally.pixels))
    return table


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "–"


def mended_table(mended: Sequence[Mended]) -> Table:
    """How often each field was mended in each new file."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ("written", "field"):
        table.add_column(heading, overflow="fold")
    table.add_column("mended", justify="right")
    for one in mended:
        for name, count in one.fields.items():
            table.add_row(Text(str(one.path)), name, str(count))
    return table
