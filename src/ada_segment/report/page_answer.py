"""The head of a page: the answer first, what it cost, and how to use the run now."""

from collections.abc import Mapping
from shlex import quote
from typing import Any

from ada_segment.report.markup import Html, element, join
from ada_segment.report.run_files import Run
from ada_segment.report.wording import duration, percent, score, signed


def page_head(run: Run) -> Html:
    """Name of the run, strategy, seed, and how far it has come."""
    done, wanted = len(run.history.rounds), run.rounds
    asked = run.identity
    what = [f"strategy {asked['strategy']}"] if "strategy" in asked else []
    what += [f"seed {asked['seed']}"] if "seed" in asked else []
    if wanted is None or done >= wanted:
        what.append(f"{done} rounds")
    else:
        what.append(f"{done} of {wanted} rounds so far; the run goes on, or was interrupted and can be resumed")
    return join([element("h1", run.path.resolve().name), element("p", ", ".join(what), class_="faint")])


def answer(run: Run, baseline: Run | None) -> Html:
    """PQ of the best, against the baseline where it is known; cost; commands."""
    tiles = [*_score_tiles(run, baseline)]
    if run.history.rounds:
        members = max(len(record.members) for record in run.history.rounds)
        cost = f"{run.history.trainings:.3g} × one training"
        tiles.append(_tile("cost", cost, f"{members} members; {duration(run.history.seconds)} of wall time"))
    if failures := len(run.history.failures):
        tiles.append(_tile("failures", str(failures), "rounds of a member that failed; listed below"))
    use = join([element("h2", "Use it now"), element("pre", "\n".join(_commands(run)))])
    caution = "One run each: before you trust a difference, repeat both with several seeds." if baseline else None
    return join(
        [
            element("dl", *tiles, class_="tiles"),
            element("p", caution, class_="faint") if caution else None,
            use if run.history.rounds else None,
        ]
    )


def _commands(run: Run) -> list[str]:
    """What to do with the run: on the command line where it came from there, otherwise in a program."""
    what = "controller" if run.has_controller else "schedule"
    if run.config is not None:
        source = run.path if run.has_controller else run.path / "schedule.json"
        return [
            "# segment pictures with the best model",
            f"ada-segment predict {quote(str(run.path))} IMAGE... --out DIR",
            f"# train one model, on these pictures or others, under the {what} of this run",
            f"ada-segment train --data DATA --weights {quote(str(source))} --epochs N --out NEW",
        ]
    folder = repr(str(run.path))
    names, strategy = "Replay", f"Replay.load({folder})"
    if run.has_controller:
        names, strategy = "Transfer, load_controller", f"Transfer(load_controller({folder}))"
    return [
        f"# train one model, on this task or another, under the {what} of this run",
        f"from ada_segment import {names}, search",
        f"strategy = {strategy}",
        f"losses = {list(run.history.losses)!r}",
        f"defaults = {run.defaults!r}",
        "search(make_member, losses=losses, defaults=defaults, rounds=rounds, members=1, strategy=strategy)",
    ]


def _score_tiles(run: Run, baseline: Run | None) -> list[Html]:
    tiles = []
    metrics, other = run.metrics or {}, (baseline.metrics if baseline else None) or {}
    for key, how in (("tuned", "tuned merge thresholds"), ("usual", "usual merge thresholds")):
        quality, theirs = metrics.get(key) or {}, other.get(key) or {}
        if not quality.get("all"):
            continue
        notes: list[object] = [f"things {_group(quality, 'things')}, stuff {_group(quality, 'stuff')}"]
        if theirs.get("all"):
            gain = 100 * (quality["all"]["pq"] - theirs["all"]["pq"])
            notes.append(f"{signed(gain)} against {_name(baseline)} ({_group(theirs, 'all')})")
        split = metrics.get("split", "test")
        tiles.append(_tile(f"PQ on the {split} split, {how}", percent(quality["all"]["pq"]), *notes))
    best, rival = run.history.best, baseline.history.best if baseline else None
    if best is not None:
        reward = best[1].reward or 0.0
        notes = [f"of round {best[0].round + 1}, on the reward split"]
        if rival is not None:
            theirs_reward = rival[1].reward or 0.0
            notes.append(f"{signed(reward - theirs_reward)} against {_name(baseline)} ({score(theirs_reward)})")
        tiles.append(_tile("best reward", score(reward), *notes))
    elif not tiles:
        tiles.append(_tile("best reward", "–", "no member has ended a round well yet"))
    return tiles


def _group(quality: Mapping[str, Any], name: str) -> str:
    return percent((quality.get(name) or {}).get("pq"))


def _tile(name: str, figure: str, *notes: object) -> Html:
    lines = (element("span", note, class_="faint") for note in notes)
    return element("div", element("dt", name), element("dd", figure, *lines))


def _name(baseline: Run | None) -> str:
    assert baseline is not None
    return "default weights" if baseline.is_default else baseline.path.resolve().name
