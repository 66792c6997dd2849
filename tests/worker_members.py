"""Trainings for tests with workers: importable by them, quick, and able to go wrong in every way that is handled.

And what kills the workers.
"""

import math
import os
import random
import resource
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from toy_members import QuadraticMember

TARGET = {"mask": 0.5, "box": -0.5}


@dataclass(frozen=True)
class Toys:
    """Makes members that may take time, and fail where the seed of their interval says so.

    Args:
        seconds: that an interval takes.
        planted: what goes wrong, by the seed of the interval: "raise", "memory", "nan", "hang", "exit", "kill", "full"
            (no file can be written in this process any more), or "kill once", which needs `folder`.
        folder: the file PID in it holds the process of each member that is made; marks of what was done once.
        state: values of the state beside the toy's own.
    """

    seconds: float = 0.0
    planted: Mapping[int, str] = field(default_factory=dict)
    folder: Path | None = None
    state: int = 0

    def __call__(self, seed: int) -> "Toy":
        if self.folder is not None:
            (self.folder / f"{os.getpid()}.pid").touch()
        return Toy(self)


class Toy(QuadraticMember):
    """A quadratic with a matrix beside it that training changes, so that states are worth sending."""

    def __init__(self, how: Toys) -> None:
        super().__init__(target=TARGET)
        self.how = how
        self.matrix = torch.full((how.state,), 0.1)

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        losses = super().train(weights, round=round, seed=seed)
        self.matrix = self.matrix * 1.1 + torch.rand(self.how.state, generator=torch.Generator().manual_seed(seed))
        time.sleep(self.how.seconds)
        self._go_wrong(self.how.planted.get(seed, ""), losses)
        return losses

    def _go_wrong(self, how: str, losses: dict[str, float]) -> None:
        if how == "raise":
            raise ValueError("the loader\nfound a broken picture")
        if how == "memory":
            raise MemoryError("no room for 3 GiB")
        if how == "nan":
            losses["mask"] = math.nan
        if how == "hang":
            time.sleep(1000)
        if how == "exit":
            os._exit(3)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        if how == "kill once":
            assert self.how.folder is not None
            mark = self.how.folder / "killed"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    def evaluate(self) -> float:
        return super().evaluate() + 1e-3 * float(self.matrix.sum())

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "matrix": self.matrix}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.matrix = state["matrix"]


def broken(seed: int) -> Toy:
    """Makes no member."""
    raise FileNotFoundError("there are no pictures")


def deadly(seed: int) -> Toy:
    """Ends the worker before there is a member."""
    os._exit(7)


@dataclass(frozen=True)
class Crowded:
    """Makes members whose first one is killed in its second round; the one made in its place finds no room, once."""

    folder: Path

    def __call__(self, seed: int) -> Toy:
        if (self.folder / "killed").exists() and not (self.folder / "no room").exists():
            (self.folder / "no room").touch()
            raise MemoryError("no room yet")
        return CrowdedToy(self.folder)


class CrowdedToy(Toy):
    def __init__(self, folder: Path) -> None:
        super().__init__(Toys(folder=folder))

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        losses = super().train(weights, round=round, seed=seed)
        if round == 1:
            self._go_wrong("kill once", losses)
        return losses


class Says:
    """An observer that keeps what is said."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def resumed(self, *_: Any) -> None: ...

    def round_started(self, *_: Any) -> None: ...

    def member_finished(self, *_: Any) -> None: ...

    def round_finished(self, *_: Any) -> None: ...

    def said(self, text: str) -> None:
        self.texts.append(text)


def killing(find: Callable[[], list[int]], count: int, seed: int, over: threading.Event) -> list[int]:
    """Kill one of the processes that `find` gives, `count` times, each time a random while after there is one."""
    chance, killed = random.Random(seed), []
    while len(killed) < count and not over.is_set():
        over.wait(chance.uniform(0.0, 0.3))
        if found := [pid for pid in find() if pid not in killed]:
            killed.append(chance.choice(found))
            os.kill(killed[-1], signal.SIGKILL)
    return killed
