"""The head of a page: the answer first, what it cost, and how to use the run now."""

from collections.abc import Mapping
from shlex import quote
from typing import Any

from ada_segment.report.markup import Html, element, join
from ada_segment.report.numbers import Numbers
from ada_segment.report.run_files import Run
from ada_segment.report.wording import fine


def page_head(run: Run) -> Html:
    """Name of the run, strategy, seed, and how far it has come."""
    done, say = len(run.history.rounds), Numbers()
    asked = run.identity
    what: list[object] = [f"strategy {asked['strategy']}, "] if "strategy" in asked else []
    what += ["seed ", say.count(asked["seed"], "seed"), ", "] if "seed" in asked else []
    if run.has_ended:
        what += [say.count(done, "rounds"), " rounds"]
    else:
        so_far = " rounds so far; the run goes on, or was interrupted and can be resumed"
        what += [say.count(done, "rounds"), " of ", say.count(run.rounds, "rounds-wanted"), so_far]
    return join([element("h1", run.path.resolve().name), element("p", *what, class_="faint")])


def answer(run: Run, baseline: Run | None) -> Html:
    """PQ of the best, against the baseline where it is known; cost; commands."""
    tiles, history, say = [*_score_tiles(run, baseline)], run.history, Numbers()
    if history.rounds:
        cost = join([say.text(f"{history.trainings:.3g}", history.trainings, "trainings"), " × one training"])
        seconds = say.duration(history.seconds, "seconds")
        tiles.append(
            _tile("cost", cost, join([say.count(history.members, "members"), " members; ", seconds]), "wall time")
        )
    if failures := len(history.failures):
        notes: list[object] = ["rounds of a member that failed; listed below"]
        if repeats := history.repeats:
            notes.append(join([say.count(repeats, "repeats"), " times all of a round failed and it was repeated"]))
        tiles.append(_tile("failures", say.count(failures, "failures"), *notes))
    use = join([element("h2", "Use it now"), element("pre", "\n".join(_commands(run)))])
    caution = "One run each: before you trust a difference, repeat both with several seeds." if baseline else None
    return join(
        [
            element("dl", *tiles, class_="tiles"),
            element("p", caution, class_="faint") if caution else None,
            use if history.rounds else None,
        ]
    )


def _commands(run: Run) -> list[str]:
    """What to do with the run: on the command line where it came from there, otherwise in a program."""
    what = "controller" if run.has_controller else "schedule"
    if run.config is not None:
        source = run.path if run.has_controller else run.path / "schedule.json"
        predict = [
            "# segment pictures with the best model",
            f"ada-segment predict {quote(str(run.path))} IMAGE... --out DIR",
        ]
        name = run.setting("model", "name")  # a preset or another file may have another, with other losses
        model = "" if name is None else f"--model {quote(str(name))} "
        return [
            *(predict if run.metrics is not None else []),  # its thresholds are tuned at the end
            f"# train one model, on these pictures or others, under the {what} of this run",
            f"ada-segment train --data DATA {model}--weights {quote(str(source))} --epochs N --out NEW",
        ]
    folder, groups = repr(str(run.path)), run.identity.get("groups") or {}
    tied = any(name != group for name, group in groups.items())
    names, strategy = "Replay", f"Replay.load({folder})"
    if run.has_controller:
        names, strategy = "Transfer, load_controller", f"Transfer(load_controller({folder}))"
    return [
        f"# train one model, on this task or another, under the {what} of this run",
        f"from ada_segment import {names}, search",
        f"strategy = {strategy}",
        f"losses = {list(run.history.losses)!r}",
        f"defaults = {run.defaults!r}",
        *([f"groups = {groups!r}"] if tied else []),
        f"search(make_member, losses=losses, defaults=defaults, {'groups=groups, ' if tied else ''}rounds=rounds, "
        "members=1, strategy=strategy)",
    ]


def _score_tiles(run: Run, baseline: Run | None) -> list[Html]:
    tiles, say, them = [], Numbers(), Numbers(1)
    metrics, other = run.metrics or {}, (baseline.metrics if baseline else None) or {}
    for key, how in (("tuned", "tuned merge thresholds"), ("usual", "usual merge thresholds")):
        quality, theirs = metrics.get(key) or {}, other.get(key) or {}
        if not quality.get("all"):
            continue
        groups = [("things ", "things"), (", stuff ", "stuff")]
        notes: list[object] = [
            join(
                [
                    part
                    for word, name in groups
                    for part in (word, say.percent(_pq(quality, name), "pq", key, name, "pq"))
                ]
            )
        ]
        if theirs.get("all") and baseline is not None:
            gain = say.signed(100 * (quality["all"]["pq"] - theirs["all"]["pq"]), "gain", key, "all")
            value = them.percent(theirs["all"]["pq"], "pq", key, "all", "pq")
            notes.append(join([gain, f" against {baseline.called} (", value, ")"]))
        split = metrics.get("split", "test")
        figure = say.percent(quality["all"]["pq"], "pq", key, "all", "pq")
        tiles.append(_tile(f"PQ on the {split} split, {how}, %", figure, *notes))
    best, rival = run.history.best, baseline.history.best if baseline else None
    if best is not None:
        reward = best[1].reward or 0.0
        notes = [join(["of round ", say.count(best[0].round + 1, "best-round"), f"; {run.reward_label}"])]
        if rival is not None and baseline is not None:
            theirs_reward = rival[1].reward or 0.0
            gain = say.text(fine(reward - theirs_reward, sign=True), reward - theirs_reward, "reward-gain")
            notes.append(join([gain, f" against {baseline.called} (", them.score(theirs_reward, "best-reward"), ")"]))
        tiles.append(_tile("best reward", say.score(reward, "best-reward"), *notes))
    elif not tiles:
        tiles.append(_tile("best reward", "–", "no member has ended a round well yet"))
    return tiles


def _pq(quality: Mapping[str, Any], name: str) -> float | None:
    figure = (quality.get(name) or {}).get("pq")
    return None if figure is None else float(figure)


def _tile(name: str, figure: object, *notes: object) -> Html:
    lines = (element("span", note, class_="faint") for note in notes)
    return element("div", element("dt", name), element("dd", figure, *lines))
