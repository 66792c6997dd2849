"""Several runs as one page: arms side by side with intervals, differences paired by seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ada_segment.report.arm_figures import data_of_arms, draw_arms
from ada_segment.report.arms import (
    MEASURES,
    Arm,
    Difference,
    alone,
    differences,
    group_runs,
    headline,
    measured,
    of_arm,
    of_pairs,
    pairs_measured,
)
from ada_segment.report.colours import loss_styles
from ada_segment.report.figure_files import save_figures
from ada_segment.report.figure_style import INK_OF_PAGE
from ada_segment.report.markup import Html, element, join, legend, table
from ada_segment.report.numbers import DASH, Numbers
from ada_segment.report.page_shell import section, shown, wrap
from ada_segment.report.run_files import Run, read_run
from ada_segment.report.student import Estimate
from ada_segment.report.wording import fine
from ada_segment.storage import write_text


def write_arms_page(paths: Sequence[Path], out: Path, *, usual: Mapping[str, Any] | None = None) -> None:
    """Write the comparison of several runs, finished or not, as one self-contained HTML file.

    Args:
        paths: folders of the runs, two or more.
        out: file to write.
        usual: see `read_run`.

    Raises:
        RunError: a folder holds no run, a file in one is damaged, or two runs are one arm with the same seed.
    """
    write_text(out, render_arms_page([read_run(path, usual=usual) for path in paths]))


def write_arm_figures(paths: Sequence[Path], folder: Path, *, usual: Mapping[str, Any] | None = None) -> list[Path]:
    """Write the figures of the comparison as SVG, PNG and CSV into `folder`; the files. Raises like the page."""
    runs = [read_run(path, usual=usual) for path in paths]
    arms = group_runs(runs)
    return save_figures(draw_arms(runs, arms), folder, data=data_of_arms(runs, arms))


def render_arms_page(runs: Sequence[Run]) -> str:
    """The page as text; see `write_arms_page`."""
    arms, say = group_runs(runs), Numbers()
    compared = differences(arms)
    counted = (say.count(len(arms), "arms", [list(arm.places) for arm in arms]), " arms, ")
    parts = [
        element("h1", "Comparison of ", say.count(len(runs), "runs"), " runs"),
        element(
            "p", *counted, "told apart by their settings; runs of an arm differ in their seed alone.", class_="faint"
        ),
        _answer(runs, arms, compared),
        _figures(runs, arms),
        _side_by_side(arms),
        _paired(runs, compared),
        _all_runs(arms),
    ]
    return wrap("Comparison – Ada-Segment", parts, runs=[run.path for run in runs])


def _answer(runs: Sequence[Run], arms: Sequence[Arm], compared: Sequence[Difference]) -> Html:
    """A tile an arm, and in a sentence what the differences show."""
    measure, say = headline(runs), Numbers()
    tiles = []
    for arm in arms:
        seeds = say.count(len(arm.places), "arm-count", list(arm.places))
        note = join([f"{MEASURES[measure]}; ", seeds, " seed" if len(arm.places) == 1 else " seeds"])
        figure = _mean_of_arm(say, arm, measure)
        tiles.append(
            element("div", element("dt", arm.name), element("dd", figure, element("span", note, class_="faint")))
        )
    sentences = [element("p", *_sentence(one, runs, measure)) for one in compared]
    if len(arms) > 1 and (left := alone(arms, compared)):
        names = ", ".join(arm.name for arm in left)
        sentences.append(element("p", element("b", names), ": nothing on the same data to be compared with."))
    if going := [place for place, run in enumerate(runs) if not run.has_ended]:
        sentences.append(_going(runs, going))
    caution = (
        "Intervals are 95 % intervals of the mean by Student's t. PQ is that of the test split; its merge thresholds "
        "are tuned on each run's reward split, but where the usual ones are named."
    )
    return join([element("dl", *tiles, class_="tiles"), *sentences, element("p", caution, class_="faint")])


def _sentence(one: Difference, runs: Sequence[Run], measure: str) -> tuple[object, ...]:
    say, pairs = Numbers(), pairs_measured(one, runs, measure)
    found = of_pairs(pairs, runs, measure)
    also = f" (also {one.also})" if one.also else ""
    start = (element("b", one.arm.name), " against ", element("b", one.reference.name), also, ": ")
    if found is None:
        if one.pairs and measure == "reward":
            return (*start, "their rewards are of other pictures or another kind; PQ will tell when both have ended.")
        return (*start, "no seed in common, so nothing can be paired.")
    value = _mean(say, found, "difference", measure, [list(pair) for pair in pairs], sign=True)
    count = say.count(found.count, "pairs", [list(pair) for pair in pairs])
    if found.half is None:
        return (*start, value, " with ", count, " seed: what chance does is not known; repeat both with more seeds.")
    verdict = "the interval leaves out zero." if found.differs_from_zero else "the interval holds zero: not told apart."
    return (*start, value, " over ", count, " seeds; ", verdict)


def _going(runs: Sequence[Run], places: Sequence[int]) -> Html:
    """Which runs have rounds to go, so that their rewards are not yet what they will be."""
    names: list[object] = []
    for place in places:
        run, say = runs[place], Numbers(place)
        done, wanted = say.count(len(run.history.rounds), "rounds"), say.count(run.rounds, "rounds-wanted")
        names.append(join([", " if names else "", run.path.resolve().name, " (", done, " of ", wanted, " rounds)"]))
    return element("p", element("b", "Not at their end: "), *names, ". Of these the best reward so far is compared.")


def _figures(runs: Sequence[Run], arms: Sequence[Arm]) -> Html:
    titles = {
        "arms": ("The arms", "A ring is a run, the diamond their mean, the line its 95 % interval."),
        "differences": (
            "Differences, paired by seed",
            "A ring is a pair of runs with the same seed; left of zero is worse.",
        ),
        "curves": (
            "Reward by round",
            "Of the model carried on, mean of the runs; the band is the interval of the mean.",
        ),
    }
    for place, arm in enumerate(arms):
        titles[f"curves{place}"] = ("Reward by round, of another kind or other pictures", titles["curves"][1])
        titles[f"weights{place}"] = (f"Weights of {arm.name}", "Relative to the defaults, geometric mean of the runs.")
    drawn = draw_arms(runs, arms, legend=False, ink=INK_OF_PAGE)
    figures = {
        name: shown(figure, name=name, title=titles[name][0], caption=titles[name][1]) for name, figure in drawn.items()
    }
    weights = [figure for name, figure in figures.items() if name.startswith("weights")]
    others = [figure for name, figure in figures.items() if not name.startswith("weights")]
    losses = loss_styles(dict.fromkeys(name for run in runs for name in run.history.losses))
    return join(
        [
            section("How it went", element("div", *others, class_="figures")),
            section("Weights", legend(losses), element("div", *weights, class_="figures")) if weights else None,
        ]
    )


def _side_by_side(arms: Sequence[Arm]) -> Html:
    say = Numbers()
    rows = [
        [
            arm.name,
            say.count(len(arm.places), "arm-count", list(arm.places)),
            *(_mean_of_arm(say, arm, measure) for measure in MEASURES),
        ]
        for arm in arms
    ]
    return section("Arms side by side", table(("arm", "seeds", *MEASURES.values()), rows))


def _paired(runs: Sequence[Run], compared: Sequence[Difference]) -> Html:
    if not compared:
        return Html("")
    say, rows = Numbers(), []
    for one in compared:
        row: list[object] = [one.arm.name, one.reference.name]
        row.append(say.count(len(one.pairs), "pairs", [list(pair) for pair in one.pairs]))
        for measure in MEASURES:
            pairs = pairs_measured(one, runs, measure)
            which = [list(pair) for pair in pairs]
            gap = _mean(say, of_pairs(pairs, runs, measure), "difference", measure, which, sign=True)
            partly = 0 < len(pairs) < len(one.pairs)
            row.append(join([gap, " of ", say.count(len(pairs), "pairs", which)]) if partly else gap)
        rows.append(row)
    headings = ("arm", "against", "seeds in common", *MEASURES.values())
    return section("Differences, paired by seed", table(headings, rows))


def _all_runs(arms: Sequence[Arm]) -> Html:
    rows = []
    for arm in arms:
        for place, run in zip(arm.places, arm.runs, strict=True):
            say, history = Numbers(place), run.history
            rows.append(
                [
                    arm.name,
                    say.count(run.seed, "seed"),
                    run.path.resolve().name,
                    *(_measure(say, run, measure) for measure in MEASURES),
                    say.text(f"{history.trainings:.3g}", history.trainings, "trainings"),
                    say.duration(history.seconds, "seconds"),
                    say.count(len(history.rounds), "rounds"),
                    say.count(len(history.failures), "failures"),
                ]
            )
    headings = ("arm", "seed", "run", *MEASURES.values(), "cost, trainings", "time", "rounds", "failures")
    return section("All runs", table(headings, rows))


def _measure(say: Numbers, run: Run, measure: str) -> Html:
    value = measured(run, measure)
    return DASH if value is None else say.text(fine(value), value, "measure", measure)


def _mean_of_arm(say: Numbers, arm: Arm, measure: str) -> Html:
    """With the number of its runs for which the measure is known, where it is not known for all."""
    found, places = of_arm(arm, measure), list(arm.places)
    mean = _mean(say, found, "arm", measure, places)
    if found is None or found.count == len(places):
        return mean
    return join([mean, " of ", say.count(found.count, "measured", measure, places)])


def _mean(say: Numbers, found: Estimate | None, what: str, *which: object, sign: bool = False) -> Html:
    """`10.23 ± 1.30`, or the mean alone."""
    if found is None:
        return DASH
    name = "arm-mean" if what == "arm" else what
    mean = say.text(fine(found.mean, sign=sign), found.mean, name, *which)
    if found.half is None:
        return mean
    return join([mean, " ± ", say.text(fine(found.half), found.half, f"{what}-half", *which)])
