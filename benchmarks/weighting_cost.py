"""What each weighting costs in a training step of the preset tiny: its own time, extra backward passes, whole steps.

    python benchmarks/weighting_cost.py

All methods take their turns within one run, step by step on the same pictures. The cheap ones are lost in the noise of
whole steps, so that their own time is also taken alone: making the total and its backward pass down to the losses,
learning, and an epoch's share of what is done once an epoch; beside it the same for a bare weighted sum. One JSON line
per run goes to benchmarks/results/weighting_cost.jsonl.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import results_file
import torch
from torch import Tensor

from ada_segment.config import resolve
from ada_segment.loops.controlled import ControlledWeighting
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.search import search
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.training.loading import steps_per_epoch
from ada_segment.weighting.base import Weighting
from ada_segment.weighting.by_epoch import EpochFunction
from ada_segment.weighting.recorded import RecordedWeighting
from ada_segment.weighting.registry import WEIGHTINGS, make_weighting

EPOCHS = 14
BARE = "bare sum"


class Falling:
    """A member whose losses fall, for a controller to learn from."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def train(self, weights: Any, *, round: int, seed: int) -> dict[str, float]:
        self.reward = weights[self.names[0]] + seed % 7
        return dict.fromkeys(self.names, 1 / (1 + round))

    def evaluate(self) -> float:
        return float(self.reward)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def weightings(names: tuple[str, ...], defaults: dict[str, float], groups: dict[str, str]) -> dict[str, Weighting]:
    """All methods, over these losses."""
    learned = search(
        lambda seed: Falling(names), losses=names, rounds=4, members=3, defaults=defaults, groups=groups
    ).controller
    assert learned is not None
    return {
        "fixed": make_weighting("fixed", names),
        "recorded": RecordedWeighting([defaults] * EPOCHS, epochs=EPOCHS),
        "controller": ControlledWeighting(learned, epochs=EPOCHS),
        "function of the epoch": EpochFunction(names, lambda epoch: defaults),
        **{name: make_weighting(name, names) for name in WEIGHTINGS if name != "fixed"},
    }


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def own_time(
    methods: dict[str, Weighting], defaults: dict[str, float], seen: dict[str, float], *, turns: int, steps: int
) -> dict[str, float]:
    """Seconds of each method, and of a bare weighted sum, for one step, on losses without a model."""
    times: dict[str, list[float]] = {name: [] for name in (BARE, *methods)}
    for _ in range(turns):
        for name in times:
            losses = {key: torch.tensor(value, requires_grad=True) for key, value in seen.items()}
            if name == BARE:
                times[name].append(
                    timed(lambda given=losses: torch.stack([defaults[k] * given[k] for k in given]).sum().backward())
                )
            else:
                method = methods[name]
                times[name].append(
                    timed(lambda m=method, given=losses: (m.total(given, defaults).backward(), m.learn()))  # type: ignore[misc]
                )
    ends = {
        name: statistics.median(timed(lambda m=m: m.end_epoch(seen)) for _ in range(9)) for name, m in methods.items()
    }
    return {name: statistics.median(times[name]) + ends.get(name, 0.0) / steps for name in times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=11, help="steps of each method")
    arguments = parser.parse_args()

    settings = resolve(preset="tiny")
    table = loss_table(settings.model)
    splits = open_data(settings)
    member = build_member(settings, splits, seed=0)
    names, defaults = member.loss_names, table.defaults
    methods = weightings(names, defaults, table.groups)
    batches = [batch for batch, _ in zip(member._batches(0), range(arguments.turns + 1), strict=False)]
    steps = steps_per_epoch(len(splits.train), settings.training.batch_size)

    def step(total_of: Callable[[dict[str, Tensor]], Tensor], learn: Callable[[], None], index: int) -> None:
        torch.manual_seed(index)
        images, targets = batches[index]
        losses = member.model(images, targets)
        member.optimizer.zero_grad()
        member.fabric.backward(total_of(losses))
        member._step()
        learn()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    contenders: dict[str, tuple[Callable[[dict[str, Tensor]], Tensor], Callable[[], None]]] = {
        BARE: (lambda losses: torch.stack([defaults[name] * losses[name] for name in losses]).sum(), lambda: None),
        **{name: (lambda losses, m=m: m.total(losses, defaults), m.learn) for name, m in methods.items()},  # type: ignore[misc]
    }
    member.model.train()
    passes = {}
    gradient = torch.autograd.grad
    for name, contender in contenders.items():  # the first step of each sets things up, and is not counted
        with patch("torch.autograd.grad", side_effect=gradient) as calls:
            step(*contender, 0)
        passes[name] = calls.call_count
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(1, arguments.turns + 1):
        for name, contender in contenders.items():
            times[name].append(timed(lambda c=contender, t=turn: step(*c, t)))  # type: ignore[misc]
    whole = statistics.median(times[BARE])
    cheap = {name: method for name, method in methods.items() if not passes[name]}
    with torch.no_grad():
        seen = {name: loss.item() for name, loss in member.model(*batches[0]).items()}
    own = own_time(cheap, defaults, seen, turns=300, steps=steps)
    result = {
        "preset": "tiny",
        "losses": len(names),
        "turns": arguments.turns,
        "load": round(os.getloadavg()[0], 1),
        "step_ms": round(1000 * whole, 2),
        "methods": {
            name: {
                "backward_passes": passes[name],
                "own_ms": round(1000 * own[name], 4) if name in own else None,
                "own_share": round(own[name] / whole, 6) if name in own else None,
                "ratio": round(statistics.median(t / b for t, b in zip(times[name], times[BARE], strict=True)), 3),
            }
            for name in contenders
        },
    }
    for name, figures in result["methods"].items():  # type: ignore[attr-defined]
        print(f"{name:22} {figures}")
    print(result["step_ms"], "ms a step")
    results_file.append("weighting_cost", result)


if __name__ == "__main__":
    main()
