"""Ctrl-C in a search: the first ends it once what is being written is whole, the second at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Interruption:
    """While entered, takes care of SIGINT, unless the program has a handler of its own or this is not its main thread.

    A first Ctrl-C raises KeyboardInterrupt, but not within `whole`: there it waits for the end. Any further one raises
    KeyboardInterrupt wherever it comes.
    """

    def __init__(self) -> None:
        self._count = 0
        self._inside = 0
        self._mine = False

    def __enter__(self) -> Self:
        self._mine = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self._mine:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is done in here a first Ctrl-C does not interrupt; KeyboardInterrupt is raised at its end instead."""
        before = self._count
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
        if self._count > before and not self._inside:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> Any:
        self._count += 1
        if self._inside and self._count == 1:
            return
        raise KeyboardInterrupt
