"""How much faster a population trains in two worker processes than in this one, on the same two cores.

    python benchmarks/executors.py

The same round of four members (panoptic-fpn, preset tiny on scenes) is trained by each executor in turns, so that a
machine that slows down slows all; workers are started once, before. Their starting is timed beside it. One JSON line
goes to benchmarks/results/executors.jsonl; it says how busy the machine was.
"""

import argparse
import os
import statistics
import time
from typing import Any

import results_file
import torch

from ada_segment.config import resolve
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.executors.base import Executor, Job, Outcome
from ada_segment.population.executors.registry import EXECUTORS
from ada_segment.population.executors.settings import ExecutorSettings
from ada_segment.runs.member_factory import MemberFactory

CONTENDERS = {
    "local, one thread": ExecutorSettings(threads=1),
    "local, two threads": ExecutorSettings(threads=2),
    "processes, two workers of one thread": ExecutorSettings(kind="processes", workers=2, threads=1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=160)
    parser.add_argument("--ray", action="store_true", help="also two Ray actors on this machine")
    parser.add_argument("--forget", action="store_true", help="do not write the result down")
    options = parser.parse_args()
    torch.set_num_threads(1)
    contenders = dict(CONTENDERS)
    if options.ray:
        contenders["ray, two workers of one thread"] = ExecutorSettings(kind="ray", workers=2, threads=1)
    flags = {"data.scenes_train": options.pictures, "data.scenes_test": 2, "training.accelerator": "cpu"}
    settings = resolve(preset="tiny", flags=flags)
    factory, weights = MemberFactory(settings), dict(loss_table(settings.model).defaults)

    places: dict[str, Executor] = {}
    starting: dict[str, float] = {}
    state: dict[str, Any] = {}
    for name, place in contenders.items():
        began = time.perf_counter()
        places[name] = EXECUTORS[place.kind](factory, seed=0, members=options.members, settings=place, say=print)
        state = places[name].initial_state()
        starting[name] = time.perf_counter() - began

    load = os.getloadavg()[0]
    seconds: dict[str, list[float]] = {name: [] for name in places}
    ended: dict[str, list[Outcome]] = {}
    for turn in range(options.rounds + 1):
        jobs = [Job(index=k, round=0, seed=turn, weights=weights, state=state) for k in range(options.members)]
        for name, place in places.items():
            began = time.perf_counter()
            ended[name] = place.run(jobs, lambda outcome: None)
            if turn:  # the first one warms up
                seconds[name].append(time.perf_counter() - began)
            assert all(outcome.failure is None for outcome in ended[name])
    for place in places.values():
        place.close()
    alike = [name for name, place in contenders.items() if place.threads == 1]
    assert len({tuple((o.reward, *o.losses.values()) for o in ended[name]) for name in alike if ended[name]}) == 1

    base = seconds["local, one thread"]
    result = {
        "members": options.members,
        "pictures": options.pictures,
        "rounds": options.rounds,
        "load_before": load,
        "seconds": {name: statistics.median(times) for name, times in seconds.items()},
        "faster": {
            name: {
                "median": statistics.median(one / other for one, other in zip(base, times, strict=True)),
                "least": min(one / other for one, other in zip(base, times, strict=True)),
                "greatest": max(one / other for one, other in zip(base, times, strict=True)),
            }
            for name, times in seconds.items()
        },
        "starting": starting,
    }
    print(result)
    if not options.forget:
        results_file.append("executors", result)


if __name__ == "__main__":
    main()
