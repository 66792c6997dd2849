"""Every quantity that a page shows, computed again from the files of the run folders, by other code than the page's."""

import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from page_reader import Number


class Files:
    """The files of a run folder, as they are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = (path / "history.jsonl").read_text().split("\n")
        self.rounds = [json.loads(line) for line in lines[:-1]]  # what follows the last line end is being written
        self.metrics = self._json("metrics.json") or {}
        self.examples = (self._json("examples.json") or {}).get("pictures", [])
        checkpoints = sorted((path / "checkpoints").glob("*.json"))
        self.asked = json.loads(checkpoints[-1].read_text()) if checkpoints else self._json("controller.json") or {}

    def _json(self, name: str) -> Any:
        return json.loads((self.path / name).read_text()) if (self.path / name).exists() else None

    @property
    def chosen(self) -> list[dict[str, Any]]:
        return [r["members"][r["best"]] for r in self.rounds if r.get("best") is not None]

    @property
    def failed(self) -> list[tuple[int, int]]:
        """Round and member, from 0, in the order of the journal."""
        return [
            (r["round"], k)
            for r in self.rounds
            for attempt in [*r.get("failed_attempts", []), r["members"]]
            for k, member in enumerate(attempt)
            if member["reward"] is None
        ]

    def lineage(self, t: int) -> dict[str, Any]:
        """Of round `t` the member from which the last round's standing one descends."""
        index = None
        for record in reversed(self.rounds):
            index = record["best"] if index is None else index
            if record["round"] == t:
                return record["members"][index]  # type: ignore[no-any-return]
            index = record["members"][index].get("parent")
        raise AssertionError(t)

    def default(self, name: str) -> float:
        return (self.asked.get("defaults") or {}).get(name) or 1.0

    def rewards(self, t: int) -> list[float]:
        return [m["reward"] for m in self.rounds[t]["members"] if m["reward"] is not None]

    def measure(self, name: str) -> float | None:
        """A figure by which arms are compared."""
        if name == "reward":
            return max((m["reward"] for m in self.chosen), default=None)
        if name == "trainings":
            return _trainings(self)
        if name == "seconds":
            return sum(r["seconds"] for r in self.rounds)
        key, group = name.split(" ")
        figures = (self.metrics.get(key) or {}).get(group)
        return None if figures is None else 100 * figures["pq"]


def _trainings(run: Files) -> float:
    return sum(len(r["members"]) * (1 + len(r.get("failed_attempts", []))) for r in run.rounds) / max(
        1, len(run.rounds)
    )


def _figure(figures: dict[str, Any], part: str) -> float:
    return figures[part] if part in ("n", "tp", "fp", "fn") else 100 * figures[part]


def _share(run: Files, t: int, name: str) -> float:
    member = run.lineage(t)
    parts = {n: abs(member["weights"][n] * loss) for n, loss in member["losses"].items() if loss is not None}
    return 100 * parts[name] / sum(parts.values())


def _gain(runs: list[Files], key: str, group: str) -> float:
    ours, theirs = (run.metrics[key][group]["pq"] for run in runs[:2])
    return 100 * (ours - theirs)


def _class_gain(runs: list[Files], key: str, name: str) -> float:
    ours, theirs = (run.metrics[key]["per_class"][name]["pq"] for run in runs[:2])
    return 100 * (ours - theirs)


def _example_gain(runs: list[Files], name: str) -> float:
    ours, theirs = ({one["name"]: one["pq"] for one in run.examples}[name] for run in runs[:2])
    return 100 * (ours - theirs)


# Upper 97.5 % points of Student's t, from the printed tables, by degrees of freedom.
T = {
    **{1: 12.706204736, 2: 4.302652730, 3: 3.182446305, 4: 2.776445105, 5: 2.570581836},
    **{6: 2.446911851, 7: 2.364624252, 8: 2.306004135, 9: 2.262157163},
}


def _half(values: list[float]) -> float:
    return T[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))


def _of(runs: list[Files], measure: str, places: list[int]) -> list[float]:
    return [value for place in places if (value := runs[place].measure(measure)) is not None]


def _differences(runs: list[Files], measure: str, pairs: list[list[int]]) -> list[float]:
    found = []
    for one, other in pairs:
        ours, theirs = runs[one].measure(measure), runs[other].measure(measure)
        assert ours is not None
        assert theirs is not None
        found.append(ours - theirs)
    return found


# Of the run that a number belongs to.
OF_RUN: dict[str, Callable[..., float]] = {
    "seed": lambda run: run.asked["seed"],
    "rounds": lambda run: len(run.rounds),
    "rounds-wanted": lambda run: run.asked["rounds"],
    "trainings": _trainings,
    "members": lambda run: max(len(r["members"]) for r in run.rounds),
    "seconds": lambda run: sum(r["seconds"] for r in run.rounds),
    "mean-seconds": lambda run: sum(r["seconds"] for r in run.rounds) / len(run.rounds),
    "least-seconds": lambda run: min(r["seconds"] for r in run.rounds),
    "greatest-seconds": lambda run: max(r["seconds"] for r in run.rounds),
    "failures": lambda run: len(run.failed),
    "failures-left": lambda run, shown: len(run.failed) - shown,
    "failure": lambda run, place, part: run.failed[place][part == "member"] + (part == "round"),
    "repeats": lambda run: sum(len(r.get("failed_attempts", [])) for r in run.rounds),
    "pq": lambda run, key, group, part: _figure(run.metrics[key][group], part),
    "class": lambda run, key, name, part: _figure(run.metrics[key]["per_class"][name], part),
    "classes": lambda run, key: len(run.metrics[key]["per_class"]),
    "best-reward": lambda run: max(m["reward"] for m in run.chosen),
    "best-round": lambda run: 1 + [m["reward"] for m in run.chosen].index(max(m["reward"] for m in run.chosen)),
    "round": lambda run, t: run.rounds[t]["round"] + 1,
    "to-default": lambda run, t, name: run.lineage(t)["weights"][name] / run.default(name),
    "weight": lambda run, t, name: run.lineage(t)["weights"][name],
    "share": _share,
    "chosen": lambda run, t: run.rounds[t]["best"],
    "chosen-reward": lambda run, t: run.rounds[t]["members"][run.rounds[t]["best"]]["reward"],
    "predicted": lambda run, t: run.rounds[t]["controller"]["predicted"][run.rounds[t]["best"]],
    "mean-reward": lambda run, t: sum(run.rewards(t)) / len(run.rewards(t)),
    "spread": lambda run, t: statistics.pstdev(run.rewards(t)),
    "noise": lambda run, t: run.rounds[t]["controller"]["noise"],
    "failed": lambda run, t: len(run.rounds[t]["members"]) - len(run.rewards(t)),
    "round-seconds": lambda run, t: run.rounds[t]["seconds"],
    "example": lambda run, place: 100 * run.examples[place]["pq"],
    "measure": lambda run, name: run.measure(name),
}

# Of several runs.
OF_RUNS: dict[str, Callable[..., float]] = {
    "gain": _gain,
    "class-gain": _class_gain,
    "reward-gain": lambda runs: OF_RUN["best-reward"](runs[0]) - OF_RUN["best-reward"](runs[1]),
    "example-gain": _example_gain,
    "arm-count": lambda runs, places: len(places),
    "measured": lambda runs, measure, places: len(_of(runs, measure, places)),
    "arm-mean": lambda runs, measure, places: statistics.mean(_of(runs, measure, places)),
    "arm-half": lambda runs, measure, places: _half(_of(runs, measure, places)),
    "difference": lambda runs, measure, pairs: statistics.mean(_differences(runs, measure, pairs)),
    "difference-half": lambda runs, measure, pairs: _half(_differences(runs, measure, pairs)),
    "pairs": lambda runs, pairs: len(pairs),
    "arms": lambda runs, arms: len(arms),
    "runs": len,
}


def recompute(number: Number, runs: list[Files]) -> float:
    """What the files say the number is. Raises KeyError for a quantity that is not known here."""
    if number.what in OF_RUNS:
        return float(OF_RUNS[number.what](runs, *number.which))
    return float(OF_RUN[number.what](runs[number.run], *number.which))
