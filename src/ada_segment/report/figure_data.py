"""The numbers behind each figure, as tables: what is drawn, and what is written beside it as CSV."""

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import pstdev
from typing import Any

from ada_segment.report.history import History, RoundRecord
from ada_segment.report.wording import relative

Lines = dict[str, list[tuple[int, float]]]
"""Name to (round from 1, value)."""


@dataclass(frozen=True, slots=True)
class Data:
    """A table; None is an empty cell."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]

    def csv(self) -> str:
        """As comma separated values, with headings, numbers in full precision."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.headings)
        writer.writerows(self.rows)
        return buffer.getvalue()


def lines(history: History, values: Callable[[Mapping[str, float], Mapping[str, float]], Mapping[str, float]]) -> Lines:
    """`values` of weights and losses along the lineage; those that a log axis cannot show are left out."""
    found: Lines = {}
    for record, member in history.lineage:
        for name, value in values(member.weights, member.losses).items():
            if value > 0:
                found.setdefault(name, []).append((record.round + 1, value))
    return found


def shares(weights: Mapping[str, float], losses: Mapping[str, float]) -> dict[str, float]:
    """weight x loss / total, by name; of the absolute values, since some losses are negative. 0 where all are."""
    parts = {name: abs(weights.get(name, 0.0) * loss) for name, loss in losses.items()}
    total = sum(parts.values())
    return {name: part / total if total else 0.0 for name, part in parts.items()}


def band(history: History, name: str, defaults: Mapping[str, float] | None) -> list[tuple[int, float, float]]:
    """Round from 1, the least and the greatest weight / default that its members had; zeros are left out."""
    rows = []
    for record in history.rounds:
        values = [relative(m.weights, defaults)[name] for m in record.members if m.weights.get(name, 0.0) > 0]
        if values:
            rows.append((record.round + 1, min(values), max(values)))
    return rows


def wanted(history: History, defaults: Mapping[str, float] | None) -> Lines:
    """Weight / default that the controller thought best before each round, where the journal tells."""
    found: Lines = {}
    for record in history.rounds:
        for name, value in relative(record.controller.get("mean") or {}, defaults).items():
            if value > 0:
                found.setdefault(name, []).append((record.round + 1, value))
    return found


def doubts(history: History) -> dict[str, dict[int, float]]:
    """Standard deviation of what the controller believes of each best log-weight, by loss and round from 1."""
    found: dict[str, dict[int, float]] = {}
    for record in history.rounds:
        for name, value in (record.controller.get("doubt") or {}).items():
            found.setdefault(name, {})[record.round + 1] = float(value)
    return found


def spread(record: RoundRecord) -> float | None:
    """Standard deviation of the members' rewards; None for fewer than two."""
    rewards = [member.reward for member in record.members if member.reward is not None]
    return pstdev(rewards) if len(rewards) > 1 else None


def surprise(record: RoundRecord) -> float | None:
    """Root mean square of reward less prediction, over the members; None where nothing was predicted."""
    pairs = zip(record.members, record.controller.get("predicted") or (), strict=False)
    errors = [member.reward - value for member, value in pairs if member.reward is not None and value is not None]
    return math.sqrt(sum(error * error for error in errors) / len(errors)) if errors else None


def noise(record: RoundRecord) -> float | None:
    """Standard deviation of a reward that its weights do not explain, as the controller estimates it."""
    value = record.controller.get("noise")
    return float(value) if value else None


def reward_data(history: History, baseline: History | None = None) -> Data:
    """A row for each member of each round, of the run and of the baseline."""
    rows: list[tuple[str | int | float | None, ...]] = []
    for which, one in (("run", history), ("baseline", baseline)):
        if one is None:
            continue
        carried = {(record.round, record.members.index(member)) for record, member in one.lineage}
        rows += [
            (which, r.round + 1, k, m.reward, m.status, int((r.round, k) in carried))
            for r in one.rounds
            for k, m in enumerate(r.members)
        ]
    return Data(("run", "round", "member", "reward", "status", "carried_on"), tuple(rows))


def weight_data(history: History, defaults: Mapping[str, float] | None) -> Data:
    """A row for each loss of each round: its weight in the member carried on, and the range of all members."""
    bands = {name: {place: ends for place, *ends in band(history, name, defaults)} for name in history.losses}
    rows = [
        (record.round + 1, name, weight, compared[name], *bands[name].get(record.round + 1, (None, None)))
        for record, member in history.lineage
        for compared in [relative(member.weights, defaults)]
        for name, weight in member.weights.items()
    ]
    return Data(("round", "loss", "weight", "to_default", "least_to_default", "greatest_to_default"), tuple(rows))


def share_data(history: History) -> Data:
    """A row for each loss of each round: its share of the weighted total, in percent."""
    rows = [
        (record.round + 1, name, 100 * share)
        for record, member in history.lineage
        for name, share in shares(member.weights, member.losses).items()
    ]
    return Data(("round", "loss", "share_percent"), tuple(rows))


def loss_data(history: History, baseline: History | None = None) -> Data:
    """A row for each loss of each round, of the run and of the baseline."""
    rows = [
        (which, record.round + 1, name, loss)
        for which, one in (("run", history), ("baseline", baseline))
        if one is not None
        for record, member in one.lineage
        for name, loss in member.losses.items()
    ]
    return Data(("run", "round", "loss", "raw_loss"), tuple(rows))


def controller_data(history: History, defaults: Mapping[str, float] | None) -> Data:
    """A row for each loss of each round that the controller spoke about."""
    deviations = doubts(history)
    steps = {record.round + 1: record.controller.get("step") for record in history.rounds}
    rows = [
        (place, name, value, deviations.get(name, {}).get(place), steps.get(place))
        for name, path in wanted(history, defaults).items()
        for place, value in path
    ]
    return Data(("round", "loss", "wanted_to_default", "doubt_log", "step_log"), tuple(sorted(rows, key=_by_round)))


def noise_data(history: History) -> Data:
    """A row for each round: spread of the members' rewards, error of their predictions, noise as estimated."""
    rows = [(record.round + 1, spread(record), surprise(record), noise(record)) for record in history.rounds]
    return Data(("round", "spread_of_members", "error_of_predictions", "noise_estimated"), tuple(rows))


def class_data(metrics: Mapping[str, Any] | None, other: Mapping[str, Any] | None = None) -> Data:
    """A row for each class: its figures and the baseline's PQ, in percent, with tuned thresholds where there are."""
    key = thresholds_shown(metrics)
    theirs = ((other or {}).get(key) or {}).get("per_class") or {}
    rows = [
        (
            name,
            *(None if figures is None else 100 * figures[part] for part in ("pq", "sq", "rq")),
            *(None if figures is None else figures[part] for part in ("tp", "fp", "fn")),
            100 * theirs[name]["pq"] if theirs.get(name) else None,
        )
        for name, figures in by_quality((metrics or {}).get(key) or {})
    ]
    return Data(("class", "pq", "sq", "rq", "tp", "fp", "fn", "baseline_pq"), tuple(rows))


def thresholds_shown(metrics: Mapping[str, Any] | None) -> str:
    """Which figures of metrics.json are shown: those with tuned merge thresholds where there are any."""
    return "tuned" if (metrics or {}).get("tuned") else "usual"


def by_quality(quality: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any] | None]]:
    """Classes by falling PQ; those without a segment last."""
    classes = quality.get("per_class", {}).items()
    return sorted(classes, key=lambda item: -1.0 if item[1] is None else item[1]["pq"], reverse=True)


def _by_round(row: tuple[Any, ...]) -> int:
    return int(row[0])
