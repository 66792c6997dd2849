"""Several runs as arms of an experiment: what was done alike but for the seed belongs together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ada_segment.errors import RunError
from ada_segment.report.run_files import (
    WHERE_AND_HOW,
    Run,
    comparable,
    flat,
    rewards_apart,
    same_names,
    test_pictures_apart,
)
from ada_segment.report.student import Estimate, estimate

# Settings that say where and how a run is computed, or only which of an arm's runs it is.
ASIDE = {"seed", "training.workers"} | WHERE_AND_HOW
MEASURES = {
    "tuned all": "PQ, %",
    "tuned things": "PQ of things, %",
    "tuned stuff": "PQ of stuff, %",
    "usual all": "PQ with the usual thresholds, %",
    "reward": "best reward",
}
"""What arms are compared by, and its name: thresholds and group of metrics.json, or the best reward."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Runs that differ in their seed alone.

    Attributes:
        name: what sets it apart from the other arms.
        places: of its runs among all, in the order of the seeds.
        runs: the runs.
        is_default: whether it kept to the default weights.
        conditions: settings by dotted key that are not of how weights came about: data, model, training, length.
    """

    name: str
    places: tuple[int, ...]
    runs: tuple[Run, ...]
    is_default: bool
    conditions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm against another, seed by seed.

    Attributes:
        arm, reference: the two.
        pairs: places of the runs that share a seed, the arm's first.
        also: in what else they differ, as "rounds 40, not 14"; empty where in nothing.
    """

    arm: Arm
    reference: Arm
    pairs: tuple[tuple[int, int], ...]
    also: str


def group_runs(runs: Sequence[Run]) -> list[Arm]:
    """The arms, in the order in which their first runs are given.

    Raises:
        RunError: two runs have the same settings and the same seed.
    """
    # A search that was started from a program has no config.yaml, and tells what was asked of it.
    trees = [flat(run.settings or run.identity) for run in runs]
    for place, run in enumerate(runs):  # one folder may have several names, and lie elsewhere on another machine
        alike = (
            before.data["source"]
            for before in runs[:place]
            if "source" in before.data and same_names(run, before) and test_pictures_apart(run, before) is None
        )
        if "source" in run.data:
            trees[place]["data.source"] = next(alike, run.data["source"])
    groups: dict[str, list[int]] = {}
    for place, tree in enumerate(trees):
        same = {key: comparable(key, value) for key, value in tree.items() if key not in ASIDE}
        groups.setdefault(repr(sorted(same.items())) if same else str(runs[place].path), []).append(place)
    for places in groups.values():
        _refuse_twins([runs[place] for place in places])
    names = _names([(runs[places[0]], trees[places[0]]) for places in groups.values()])
    arms = []
    for name, places in zip(names, groups.values(), strict=True):
        ordered = sorted(places, key=lambda place: runs[place].seed or 0)
        arms.append(
            Arm(
                name,
                tuple(ordered),
                tuple(runs[place] for place in ordered),
                is_default=runs[places[0]].is_default,
                conditions=_conditions(trees[places[0]]),
            )
        )
    return arms


def differences(arms: Sequence[Arm]) -> list[Difference]:
    """Arms against one with default weights, or against the first where there is none, paired by seed.

    Of several the one that differs in the fewest other settings. Arms with other test pictures are not compared.
    """
    references = [arm for arm in arms if arm.is_default] or list(arms[:1])
    found = []
    for arm in arms:
        before = references[: references.index(arm)] if arm in references else references
        others = [other for other in before if test_pictures_apart(other.runs[0], arm.runs[0]) is None]
        if not others:
            continue
        reference = min(others, key=lambda other: len(_apart(arm, other)))
        theirs = {run.seed: place for run, place in zip(reference.runs, reference.places, strict=True)}
        mine = zip(arm.runs, arm.places, strict=True)
        pairs = [(place, theirs[run.seed]) for run, place in mine if run.seed is not None and run.seed in theirs]
        also = ", ".join(
            f"{key.rpartition('.')[2]} {arm.conditions.get(key)}, not {reference.conditions.get(key)}"
            for key in _apart(arm, reference)
        )
        found.append(Difference(arm, reference, tuple(pairs), also))
    return found


def by_reward(arms: Sequence[Arm]) -> list[list[int]]:
    """Places of the arms whose rewards are of one kind and of the same pictures, in the order of their first."""
    found: list[list[int]] = []
    for place, arm in enumerate(arms):
        like = (places for places in found if rewards_apart(arms[places[0]].runs[0], arm.runs[0]) is None)
        if (places := next(like, None)) is not None:
            places.append(place)
        else:
            found.append([place])
    return found


def alone(arms: Sequence[Arm], compared: Sequence[Difference]) -> list[Arm]:
    """Arms that are in none of the differences."""
    told = [arm for one in compared for arm in (one.arm, one.reference)]
    return [arm for arm in arms if arm not in told]


def measured(run: Run, measure: str) -> float | None:
    """One of `MEASURES` of a run; PQ in percent; None where it is not known (yet)."""
    if measure == "reward":
        return None if run.history.best is None else run.history.best[1].reward
    thresholds, group = measure.split(" ")
    figures = ((run.metrics or {}).get(thresholds) or {}).get(group)
    return None if figures is None else 100 * float(figures["pq"])


def headline(runs: Sequence[Run]) -> str:
    """The measure that comes first: the test split's PQ where every run has it, the reward otherwise."""
    return next((name for name in MEASURES if all(measured(run, name) is not None for run in runs)), "reward")


def of_arm(arm: Arm, measure: str) -> Estimate | None:
    """Mean and interval over the arm's runs."""
    return estimate([value for run in arm.runs if (value := measured(run, measure)) is not None])


def pairs_measured(difference: Difference, runs: Sequence[Run], measure: str) -> list[tuple[int, int]]:
    """Those pairs of runs for which the measure is known; none where it is the reward, and that of another kind."""
    if measure == "reward" and rewards_apart(difference.arm.runs[0], difference.reference.runs[0]) is not None:
        return []
    return [pair for pair in difference.pairs if None not in [measured(runs[place], measure) for place in pair]]


def of_pairs(pairs: Sequence[tuple[int, int]], runs: Sequence[Run], measure: str) -> Estimate | None:
    """Mean and interval of the differences within pairs, each of which has the measure."""
    values = [(measured(runs[one], measure), measured(runs[other], measure)) for one, other in pairs]
    return estimate([ours - theirs for ours, theirs in values if ours is not None and theirs is not None])


def _conditions(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Of a search from a program what is asked of all strategies alike."""
    if not any(key.startswith("search.") for key in tree):
        return {key: value for key, value in tree.items() if key.split(".")[0] in ("losses", "defaults", "rounds")}
    return {
        key: value
        for key, value in tree.items()
        if key not in ASIDE and (key == "search.rounds" or not key.startswith("search."))
    }


def _apart(arm: Arm, other: Arm) -> list[str]:
    """Conditions in which two arms differ."""
    return _differing(arm.conditions, other.conditions)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Keys of what is set otherwise in two trees by dotted key."""
    keys = sorted({*one, *other})
    return [key for key in keys if comparable(key, one.get(key)) != comparable(key, other.get(key))]


def _names(firsts: Sequence[tuple[Run, Mapping[str, Any]]]) -> list[str]:
    """How the weights came about, and where that is the same, the settings that differ."""
    mains = [_main(run, tree) for run, tree in firsts]
    names = []
    for main, (_, tree) in zip(mains, firsts, strict=True):
        rivals = [other for name, (_, other) in zip(mains, firsts, strict=True) if name == main and other is not tree]
        keys = {key for other in rivals for key in _differing(tree, other)} - ASIDE
        told = ", ".join(f"{key.rpartition('.')[2]} {tree.get(key)}" for key in sorted(keys))
        names.append(f"{main} ({told})" if told else main)
    for fallback in ([run.path.name for run, _ in firsts], [str(run.path) for run, _ in firsts]):
        names = [name if names.count(name) == 1 else other for name, other in zip(names, fallback, strict=True)]
    return names


def _main(run: Run, tree: Mapping[str, Any]) -> str:
    if run.is_default:
        return "default weights"
    weights = tree.get("search.weights")
    if weights not in (None, "none"):
        return f"weights {', '.join(Path(name.strip()).name for name in str(weights).split(','))}"
    return str(tree.get("search.strategy") or tree.get("strategy") or run.path.name)


def _refuse_twins(runs: Sequence[Run]) -> None:
    seen: dict[int | None, Run] = {}
    for run in runs:
        if run.seed is not None and run.seed in seen:
            raise RunError(
                f"{seen[run.seed].path} and {run.path} are one arm with the same seed, {run.seed}; name one of the two"
            )
        seen[run.seed] = run
