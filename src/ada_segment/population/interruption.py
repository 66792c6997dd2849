"""Ctrl-C in a search: the first ends it once what is being written is whole, the second at once; workers get none."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
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


@contextmanager
def without_ctrl_c() -> Iterator[None]:
    """Ctrl-C waits until the block has ended; processes that are started in it are not reached by one at all."""
    resource_tracker.ensure_running()  # which would be started in the block, and take the mask away
    came: list[int] = []
    # The mask is for what is started, which inherits it; here another thread may still be told.
    handler = signal.getsignal(signal.SIGINT)
    handles = handler is not None and threading.current_thread() is threading.main_thread()
    if handles:
        signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if handles:
            signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)
