"""The journal of a run as a report reads it: history.jsonl, one JSON object a round."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ada_segment.errors import RunError

FILE_NAME = "history.jsonl"


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """One member's round.

    Attributes:
        weights: weight of each loss, by name.
        losses: mean raw loss of the round, by name; without those that are missing or not finite.
        reward: higher is better; None where the member failed.
        status: "ok", or what went wrong.
        parent: index of the member of the round before whose state it started from; None where none is told.
    """

    weights: dict[str, float]
    losses: dict[str, float]
    reward: float | None
    status: str = "ok"
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round.

    Attributes:
        round: index, from 0.
        seconds: wall time.
        best: index of the member that stands for the round; None where all failed.
        members: all of the round.
        failed_attempts: the members of earlier attempts at this round, in which every one failed.
        controller: what the strategy noted of its decisions.
    """

    round: int
    seconds: float
    best: int | None
    members: tuple[MemberRecord, ...]
    failed_attempts: tuple[tuple[MemberRecord, ...], ...] = ()
    controller: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chosen(self) -> MemberRecord | None:
        """The member that stands for the round."""
        return None if self.best is None else self.members[self.best]


@dataclass(frozen=True, slots=True)
class History:
    """All rounds of a run, in order, and the names of the losses, in the order of the journal."""

    losses: tuple[str, ...]
    rounds: tuple[RoundRecord, ...]

    @property
    def best(self) -> tuple[RoundRecord, MemberRecord] | None:
        """The round whose chosen member has the highest reward, and that member; None before the first reward."""
        scored = [(r, r.chosen) for r in self.rounds if r.chosen is not None and r.chosen.reward is not None]
        return max(scored, key=lambda pair: pair[1].reward or 0.0, default=None)

    @property
    def lineage(self) -> tuple[tuple[RoundRecord, MemberRecord], ...]:
        """Round by round, the member from which the one that stands for the last round descends, and that one."""
        path: list[tuple[RoundRecord, MemberRecord]] = []
        index: int | None = None
        for record in reversed(self.rounds):
            index = record.best if index is None or index >= len(record.members) else index
            if index is None:
                continue
            path.append((record, record.members[index]))
            index = record.members[index].parent
        return tuple(reversed(path))

    @property
    def failures(self) -> tuple[tuple[int, int, str], ...]:
        """Round, member and status of every member that failed, those of repeated rounds included."""
        return tuple(
            (record.round, index, member.status)
            for record in self.rounds
            for attempt in (*record.failed_attempts, record.members)
            for index, member in enumerate(attempt)
            if member.reward is None
        )

    @property
    def repeats(self) -> int:
        """How often a round was repeated, since all of its members had failed."""
        return sum(len(record.failed_attempts) for record in self.rounds)

    @property
    def members(self) -> int:
        """Members of the largest round."""
        return max((len(record.members) for record in self.rounds), default=0)

    @property
    def trainings(self) -> float:
        """Cost so far in trainings of one model over the same rounds: members trained, repeats included, a round."""
        trained = sum(len(r.members) * (1 + len(r.failed_attempts)) for r in self.rounds)
        return trained / max(1, len(self.rounds))

    @property
    def seconds(self) -> float:
        """Wall time of all rounds."""
        return sum(r.seconds for r in self.rounds)


def read_history(run: Path) -> History:
    """Read the journal of a run folder, or the journal itself. A last line that is still being written is left out.

    Raises:
        RunError: the journal is missing, or a line is no such record; names file and line.
    """
    path = run / FILE_NAME if run.is_dir() or not run.suffix else run
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise RunError(f"{path} is missing; name the folder that a search has written") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    rounds = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rounds.append(parse_round(json.loads(line)))
        except (json.JSONDecodeError, RunError) as error:
            if number == len(lines):  # no line end yet
                break
            raise RunError(f"{path}, line {number}: {error}; restore the line, or delete it and all after it") from None
    return as_history(rounds)


def as_history(rounds: list[RoundRecord]) -> History:
    """A history of these rounds."""
    names = dict.fromkeys(name for r in rounds for member in r.members for name in member.weights)
    return History(tuple(names), tuple(rounds))


def parse_round(record: object) -> RoundRecord:
    """One line of the journal, decoded.

    Raises:
        RunError: names the key that is missing or of the wrong type.
    """
    if not isinstance(record, Mapping):
        raise RunError(f"a round is a JSON object, not {type(record).__name__}")
    try:
        members = tuple(_parse_member(member) for member in record["members"])
        best = record.get("best")
        if best is not None:
            best = int(best)
            if not 0 <= best < len(members):
                raise RunError(f'"best" is {best}, but there are {len(members)} members')
        return RoundRecord(
            round=int(record["round"]),
            seconds=float(record.get("seconds") or 0.0),
            best=best,
            members=members,
            failed_attempts=tuple(
                tuple(_parse_member(member) for member in attempt) for attempt in record.get("failed_attempts") or ()
            ),
            controller=dict(record.get("controller") or {}),
        )
    except KeyError as error:
        raise RunError(f"the round lacks {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError(f"the round is malformed: {error}") from None


def _parse_member(member: Mapping[str, Any]) -> MemberRecord:
    reward = member.get("reward")
    return MemberRecord(
        weights={str(name): float(weight) for name, weight in member["weights"].items()},
        losses={
            str(name): float(loss)
            for name, loss in (member.get("losses") or {}).items()
            if loss is not None and math.isfinite(loss)
        },
        reward=float(reward) if reward is not None and math.isfinite(reward) else None,
        status=str(member.get("status", "ok")),
        parent=None if member.get("parent") is None else int(member["parent"]),
    )
