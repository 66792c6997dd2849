"""Small trainings whose best weights are known, for the tests of the search."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

NAMES = ("mask", "box", "class")


class QuadraticMember:
    """Reward -|log w - target|^2 plus noise from the seed; the state counts what was trained under which weights.

    `fails` maps (round, how many trainings this object has done in that round) to what goes wrong.
    """

    def __init__(
        self,
        *,
        names: tuple[str, ...] = NAMES,
        target: Mapping[str, float] | None = None,
        noise: float = 0.05,
        fails: Mapping[tuple[int, int], str] | None = None,
    ) -> None:
        self.names, self.noise, self.fails = names, noise, dict(fails or {})
        self.target = np.array([(target or {}).get(name, 0.0) for name in names])
        self.path = torch.zeros(0, len(names), dtype=torch.float64)
        self.luck = 0.0
        self.calls: dict[int, int] = {}
        self.seeds: list[int] = []
        self.failing = ""

    def train(self, weights: Mapping[str, float], *, round: int, seed: int) -> dict[str, float]:
        call = self.calls.get(round, 0)
        self.calls[round] = call + 1
        self.seeds.append(seed)
        self.failing = self.fails.get((round, call), self.fails.get((round, -1), ""))
        if self.failing == "raise":
            raise ValueError("the learning rate\nis too high")
        if self.failing == "interrupt":
            raise KeyboardInterrupt
        row = torch.tensor([[weights[name] for name in self.names]], dtype=torch.float64)
        self.path = torch.cat([self.path, row])
        # From seed and weights alone, so that a resumed search sees what an uninterrupted one does.
        digest = hashlib.sha256(f"{seed}".encode() + row.numpy().round(9).tobytes()).digest()
        self.luck = float(np.random.default_rng(list(digest)).standard_normal())
        losses = {name: math.exp(-0.3 * round) * (1 + i) for i, name in enumerate(self.names)}
        if self.failing == "nan loss":
            losses[self.names[0]] = math.nan
        return losses

    def evaluate(self) -> float:
        if self.failing == "inf reward":
            return math.inf
        x = np.log(np.maximum(self.path[-1].numpy(), 1e-12))
        return float(-((x - self.target) ** 2).sum() + self.noise * self.luck)

    def state_dict(self) -> dict[str, Any]:
        return {"path": self.path, "luck": self.luck}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.path, self.luck = state["path"], state["luck"]
