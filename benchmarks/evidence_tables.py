"""Tables of the comparison of arms, from the lines that benchmarks/evidence.py wrote."""

from collections.abc import Iterable, Sequence
from functools import cache
from statistics import fmean

import results_file
from evidence import ABLATIONS, ALIGNED_MASKS, ARMS, FIVE, LONGER, LOOK_AT_LOSSES, NAME, ONE_SIDE, PAST, SHIFTED
from markdown_table import Line, latest, table, where

from ada_segment.report.student import Estimate, estimate

BASELINE = "default"
LONG = ", same compute"  # of one model, for as many epochs as all members of a search
OURS = "ada-segment"
FOUND = (OURS, "transfer", "replayed", "last weights", "shuffled")
"""How the names of arms begin that search, or use what searches have found."""


def arms(regime: str, population: str = "", *, ours: str = OURS) -> str:
    """Every arm but ablations and those with shifted weights or in longer trainings: means over seeds with 95 %
    intervals, and differences to the default weights and to the search, paired by seed.

    `population`: what ends the names of arms whose population is not the regime's; these alone, beside the default
    weights. `ours`: the search that the others are compared with.
    """
    lines = [line for line in of_regime(regime) if line["arm"] == BASELINE or of_size(line["arm"]) == population]
    search = ours + population
    baseline, searches = by_seed(lines, BASELINE), by_seed(lines, search)
    rows: list[list[object]] = []
    for arm in (*ARMS, *PAST):
        runs = [line for line in lines if line["arm"] == arm]
        if not runs or (is_elsewhere(arm) and arm not in (search, BASELINE + LONG)):
            continue
        bases = baseline if arm != BASELINE else {}
        rows.append(
            [
                arm.removesuffix(population),
                len(runs),
                shown(estimate([pq(run) for run in runs])),
                shown(estimate(changes(runs, bases)), signed=True),
                shown(estimate(changes(searches.values(), by_seed(runs, arm)) if arm != search else []), signed=True),
                shown(estimate([pq(run, "tuned", "things") for run in runs])),
                shown(estimate([pq(run, "tuned", "stuff") for run in runs])),
                shown(estimate([pq(run, "usual") for run in runs])),
                shown(estimate(changes(runs, bases, "usual")), signed=True),
                f"{fmean(run['epochs'] for run in runs):.0f}",
                f"{fmean(run['seconds'] for run in runs) / 60:.1f}",
            ]
        )
    headings = ["arm", "seeds", "PQ", "less default", f"{ours} less this", "things", "stuff"]
    headings += ["PQ, usual thresholds", "less default", "epochs in all", "minutes"]
    return f"{_machines(lines)}\n\n{table(headings, rows)}"


def _machines(lines: Sequence[Line]) -> str:
    """On which machines, and from when to when, the arms were trained; nothing without lines."""
    if not lines:
        return ""
    days = sorted({line["when"][:10] for line in lines})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    names = sorted({_processor(line["processor"]) for line in lines if "processor" in line})
    devices = sorted({where(line).rsplit(", ", 1)[0] for line in lines})  # without the day
    return f"{' and '.join(devices)}; {when}{'; ' if names else ''}{', '.join(names)}."


def _processor(noted: str) -> str:
    """As "AMD EPYC (25.1)", with family and model: processors of one name can differ by a factor of two."""
    *numbers, name = noted.split(", ")
    return f"{name} ({'.'.join(numbers)})" if numbers else name


def ablation(regime: str) -> str:
    """The search with one thing changed, paired by seed with the search as it is."""
    lines = of_regime(regime)
    baseline, as_it_is = by_seed(lines, BASELINE), by_seed(lines, OURS)
    rows: list[list[object]] = []
    for arm, change in ((OURS, "nothing"), *ABLATIONS.items()):
        runs = [line for line in lines if line["arm"] == arm]
        if not runs:
            continue
        row: list[object] = [change, runs[0]["members"], len(runs), shown(estimate([pq(run) for run in runs]))]
        row.append(shown(estimate(changes(runs, baseline)), signed=True))
        bases = as_it_is if arm != OURS else {}
        for how, group in (("tuned", "all"), ("tuned", "things"), ("tuned", "stuff"), ("usual", "all")):
            row.append(shown(estimate(changes(runs, bases, how, group)), signed=True))
        rows.append(row)
    headings = ["changed", "members", "seeds", "PQ", "less default", "less the search as it is", "things", "stuff"]
    return table([*headings, "PQ, usual thresholds"], rows)


def recognition(regime: str) -> str:
    """Where the PQ comes from: how well segments are cut (SQ) and how many are found (RQ)."""
    lines = of_regime(regime)
    baseline = by_seed(lines, BASELINE)
    rows: list[list[object]] = []
    for arm in ARMS:
        runs = [line for line in lines if line["arm"] == arm and line["seed"] in baseline]
        if not runs or is_elsewhere(arm) or of_size(arm):
            continue
        row: list[object] = [arm, len(runs)]
        for group in GROUPS[1:]:
            for measure in ("sq", "rq"):
                row.append(f"{fmean(pq(run, 'tuned', group, measure) for run in runs):.1f}")
                gained = changes(runs, baseline if arm != BASELINE else {}, "tuned", group, measure)
                row.append(shown(estimate(gained), signed=True))
        rows.append(row)
    headings = [f"{measure}, {group}" for group in GROUPS[1:] for measure in ("SQ", "RQ")]
    return table(["arm", "seeds", *(name for heading in headings for name in (heading, "less default"))], rows)


def longer(regime: str) -> str:
    """Three times the epochs (of one model, those of all members of a search), beside one under the default weights."""
    lines = of_regime(regime)
    baseline = by_seed(lines, BASELINE + LONG)
    rows: list[list[object]] = []
    for arm in ARMS:
        runs = [line for line in lines if line["arm"] == arm and is_long(arm)]
        if not runs:
            continue
        row: list[object] = [arm.removesuffix(LONG), len(runs)]
        for group in GROUPS:
            row.append(shown(estimate([pq(run, "tuned", group) for run in runs])))
            gained = changes(runs, baseline if arm != BASELINE + LONG else {}, "tuned", group)
            row.append(shown(estimate(gained), signed=True))
        rows.append(row)
    return table(["weights", "seeds", "PQ", "less default", "things", "less default", "stuff", "less default"], rows)


ELSEWHERE = "transfer from scenes"
FURTHER = "ada-segment after four searches on scenes"


def carried(side: str = "", *, arm: str = ELSEWHERE) -> str:
    """One model under what searches on scenes have learned, in other regimes, or a search that begins with it.

    `side`: ONE_SIDE for what such searches have learned.
    """
    rows: list[list[object]] = []
    for regime, name in KINDS.items():
        runs, baseline = _with_bases(regime + side, arm, BASELINE)
        if not runs:
            continue
        bases = [baseline[run["seed"]] for run in runs]
        row: list[object] = [name, len(runs), *(shown(estimate([pq(line) for line in some])) for some in (bases, runs))]
        for how, group in (("tuned", "all"), ("tuned", "things"), ("tuned", "stuff"), ("usual", "all")):
            row.append(shown(estimate(changes(runs, baseline, how, group)), signed=True))
        rewards = [run["rewards"][-1] - base["rewards"][-1] for run, base in zip(runs, bases, strict=True)]
        row.append(shown(estimate(rewards), signed=True))
        row.append(", ".join(f"{gained:+.1f}" for gained in changes(runs, baseline)))
        row.append(f"{fmean(run['seconds'] for run in runs) / 60:.1f}")
        if arm != ELSEWHERE:
            one_model = by_seed(of_regime(regime + side), ELSEWHERE)
            row.append(shown(estimate(changes(runs, one_model)), signed=True))
        rows.append(row)
    headings = ["training", "seeds", "PQ, default weights", "PQ", "less default", "things", "stuff"]
    headings += ["usual thresholds", "reward split", "seed by seed", "minutes"]
    return table(headings if arm == ELSEWHERE else [*headings, "less one model under it"], rows)


def of_size(arm: str) -> str:
    """What the arm's name says of its population: nothing where it is the regime's."""
    return FIVE if arm.endswith(FIVE) else ""


def is_elsewhere(arm: str) -> bool:
    """Whether it has a table of its own."""
    return arm in SHIFTED or arm in ABLATIONS or arm.endswith(ALIGNED_MASKS) or is_long(arm)


def is_long(arm: str) -> bool:
    """Whether it trains three times as long as its regime."""
    return arm.endswith((LONG, LONGER))


TAUGHT_IN = "scenes-ema"
KINDS = {
    "scenes-resnet18": "ResNet-18 in place of the thin ResNet",
    "scenes-ten-losses": "a cascade, ten losses in place of six",
    "facades-crops": "photographs of house fronts, crops of 64 px",
    "facades-ten-losses": "photographs of house fronts, crops of 64 px, ten losses",
    "facades-gpu": "whole photographs of house fronts, 256 px, on a GPU, ten losses",
    "facades-imagenet": "whole photographs of house fronts on a GPU from ImageNet weights, ten losses",
    "coco-mini-imagenet": "223 photographs of COCO on a GPU from ImageNet weights, ten losses",
}
"""Regimes to which what was learned on scenes is carried, in the words of the tables."""
COMPARED = {
    TAUGHT_IN: "scenes, six losses",
    "scenes-ten-losses": "scenes, ten losses",
    "facades-imagenet": "photographs of house fronts, ImageNet weights, ten losses (GPU)",
}
"""Regimes in which ours was compared with other arms, in the words of the tables."""
GAINS = {
    "one model under what searches on scenes have taught (`--weights scenes`)": (ELSEWHERE, "transfer, four searches"),
    "a search that begins with it (`--learned scenes`)": (FURTHER, "ada-segment after four searches"),
    "a search that begins with nothing": (OURS,),
    "the paper's own controller (`published`)": ("published",),
    "population-based training (`pbt`)": ("pbt",),
    "the best of as many random fixed weightings (`random`)": ("random",),
    "the default weights, the best model of each round kept (`select-only`)": ("select-only",),
    **{f"`{name}`": (name,) for name in LOOK_AT_LOSSES},
    "one model under the default weights, as long as all members of a search": (BASELINE + LONG,),
}
"""Rows of the first table: their words, and what the arm is called in one regime or another."""


def gain() -> str:
    """What each arm gains over the default weights, in every regime where it was compared, and what it costs."""
    rows: list[list[object]] = []
    for words, names in GAINS.items():
        cells, costs = [], set()
        for regime in COMPARED:
            found = [_with_bases(regime, name, BASELINE) for name in names]
            runs, bases = max(found, key=lambda pair: len(pair[0]))
            cells.append(_with_count(changes(runs, bases)))
            costs |= {f"{run['epochs'] / bases[run['seed']]['epochs']:.0f}" for run in runs}
        rows.append([words, ", ".join(sorted(costs)), *cells])
    return table(["", "trainings it costs", *COMPARED.values()], rows)


def carried_gain() -> str:
    """What searches on scenes have taught, where no other arm was tried beside it."""
    rows: list[list[object]] = []
    for regime, name in KINDS.items():
        runs, bases = _with_bases(regime, ELSEWHERE, BASELINE)
        if runs and regime not in COMPARED:
            compared = [pq(bases[run["seed"]]) for run in runs]
            rows.append([name, shown(estimate(compared)), _with_count(changes(runs, bases))])
    return table(["one model under what scenes have taught", "PQ, default weights", "gain"], rows)


def _with_count(gained: list[float]) -> str:
    """The estimate, and of how many seeds it is."""
    return f"{shown(estimate(gained), signed=True)} ({len(gained)})" if gained else ""


def _with_bases(regime: str, arm: str, base: str) -> tuple[list[Line], dict[int, Line]]:
    """The runs of an arm that have one of `base` with their seed, and those."""
    lines = of_regime(regime)
    bases = by_seed(lines, base)
    return [line for line in lines if line["arm"] == arm and line["seed"] in bases], bases


def aligned(regime: str) -> str:
    """Arms whose masks are learned where they are pasted, beside the same with torchvision's masks."""
    lines = of_regime(regime)
    baseline = by_seed(lines, BASELINE + ALIGNED_MASKS)
    rows: list[list[object]] = []
    for arm in ARMS:
        if not arm.endswith(ALIGNED_MASKS):
            continue
        runs, theirs = _with_bases(regime, arm, arm.removesuffix(ALIGNED_MASKS))
        row: list[object] = [arm.removesuffix(ALIGNED_MASKS), len(runs), shown(estimate([pq(run) for run in runs]))]
        for group, measure in (("all", "pq"), ("things", "pq"), ("stuff", "pq"), ("things", "sq")):
            row.append(shown(estimate(changes(runs, theirs, "tuned", group, measure)), signed=True))
        bases = {} if arm == BASELINE + ALIGNED_MASKS else baseline
        rows.append([*row, shown(estimate(changes(runs, bases)), signed=True)])
    headings = ["arm", "seeds", "PQ", "less the same with torchvision's masks", "things", "stuff", "SQ of things"]
    return table([*headings, "less default, both aligned"], rows)


EPOCHS = (2, 4, 7, 10, 14)
GROUPS = ("all", "things", "stuff")


def shifted(regime: str) -> str:
    """Fixed weights, one part of the model up or down: what the reward says on the way, and the test at the end."""
    lines = of_regime(regime)
    baseline = by_seed(lines, BASELINE)
    rows: list[list[object]] = []
    for arm in (BASELINE, *SHIFTED):
        runs = [line for line in lines if line["arm"] == arm and line["seed"] in baseline]
        if not runs:
            continue
        bases = [baseline[run["seed"]] for run in runs]
        by_epoch = []
        for epoch in EPOCHS:
            mine, theirs = (fmean(line["rewards"][epoch - 1] for line in some) for some in (runs, bases))
            by_epoch.append(f"{mine:.1f}" if arm == BASELINE else f"{mine - theirs:+.1f}")
        ends = []
        for group in GROUPS:
            if arm == BASELINE:
                ends.append(shown(estimate([pq(run, "tuned", group) for run in runs])))
            else:
                ends.append(shown(estimate(changes(runs, baseline, "tuned", group)), signed=True))
        rows.append([arm, len(runs), *by_epoch, *ends])
    headings = ["arm", "seeds", *(f"reward, epoch {epoch}" for epoch in EPOCHS), "test PQ", "things", "stuff"]
    return table(headings, rows)


def seeds(regime: str) -> str:
    """PQ of every training, thresholds tuned."""
    lines = of_regime(regime)
    numbers = sorted({line["seed"] for line in lines})
    rows: list[list[object]] = []
    for arm in (*ARMS, *PAST):
        if runs := by_seed(lines, arm):
            rows.append([arm, *(f"{pq(runs[number]):.1f}" if number in runs else "" for number in numbers)])
    return table(["arm", *(f"seed {number}" for number in numbers)], rows)


@cache
def of_regime(regime: str) -> list[Line]:
    """One line a cell; the newest that is no mere repetition of one that was there.

    Beside searches that asked on one side stand the arms that are no searches.
    """
    lines = latest([line for line in results_file.read(NAME) if not line.get("repeat")], "regime", "arm", "seed")
    beside = regime.removesuffix(ONE_SIDE)
    return [
        line
        for line in lines
        if line["regime"] == regime or (line["regime"] == beside and not line["arm"].startswith(FOUND))
    ]


def by_seed(lines: Sequence[Line], arm: str) -> dict[int, Line]:
    return {line["seed"]: line for line in lines if line["arm"] == arm}


def pq(line: Line, how: str = "tuned", group: str = "all", measure: str = "pq") -> float:
    """In percent, on the test split; or SQ or RQ."""
    return 100 * float(line["test"][how][group][measure])


def changes(runs: Iterable[Line], bases: dict[int, Line], *of: str) -> list[float]:
    """What each run has more than the one with the same seed among `bases`, where there is one; `of`: see `pq`."""
    return [pq(run, *of) - pq(bases[run["seed"]], *of) for run in runs if run["seed"] in bases]


def shown(value: Estimate | None, *, signed: bool = False) -> str:
    """Mean and half the width of its 95 % interval; an interval that leaves 0 out is set in bold."""
    if value is None:
        return ""
    mean = f"{value.mean:+.1f}" if signed else f"{value.mean:.1f}"
    text = mean if value.half is None else f"{mean} ± {value.half:.1f}"
    return f"**{text}**" if signed and value.differs_from_zero else text
