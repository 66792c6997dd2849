"""What a search tells while it runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Observer(Protocol):
    """Told of each step of a search, in order. Records are the journal's own objects and must not be changed."""

    def resumed(self, journal: Sequence[Mapping[str, Any]]) -> None:
        """An interrupted search goes on after these rounds, none where it begins anew; comes first, if at all."""
        ...

    def round_started(self, round: int, rounds: int, weights: Sequence[Mapping[str, float]]) -> None:
        """The members of round `round` (from 0) of `rounds` start, each under its `weights`; twice for a repeat."""
        ...

    def member_finished(self, round: int, index: int, record: Mapping[str, Any]) -> None:
        """Member `index` has ended its round; `record` is what the journal will say of it."""
        ...

    def round_finished(self, record: Mapping[str, Any]) -> None:
        """The round is over and, where there is a run folder, safe on the disk; `record` is its journal line."""
        ...

    def said(self, text: str) -> None:
        """Something that a person should know: what a resumed search has dropped, a worker that was lost."""
        ...


class Silent:
    """An observer that says nothing."""

    def resumed(self, journal: Sequence[Mapping[str, Any]]) -> None: ...

    def round_started(self, round: int, rounds: int, weights: Sequence[Mapping[str, float]]) -> None: ...

    def member_finished(self, round: int, index: int, record: Mapping[str, Any]) -> None: ...

    def round_finished(self, record: Mapping[str, Any]) -> None: ...

    def said(self, text: str) -> None: ...


class Several:
    """Tells all of `observers` in turn."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def resumed(self, journal: Sequence[Mapping[str, Any]]) -> None:
        for observer in self._observers:
            observer.resumed(journal)

    def round_started(self, round: int, rounds: int, weights: Sequence[Mapping[str, float]]) -> None:
        for observer in self._observers:
            observer.round_started(round, rounds, weights)

    def member_finished(self, round: int, index: int, record: Mapping[str, Any]) -> None:
        for observer in self._observers:
            observer.member_finished(round, index, record)

    def round_finished(self, record: Mapping[str, Any]) -> None:
        for observer in self._observers:
            observer.round_finished(record)

    def said(self, text: str) -> None:
        for observer in self._observers:
            observer.said(text)
