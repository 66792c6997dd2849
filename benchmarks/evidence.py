"""Does it raise PQ, by how much, at what cost? The arms of the comparison, each with its seeds.

    python benchmarks/evidence.py --regime scenes --arms default select-only ada-segment --seeds 5 --processes 2

Every training is a run folder under --out and one line of benchmarks/results/evidence.jsonl; what has a line is not
repeated, and what was interrupted goes on where it was. An arm that needs a search's schedule takes it from that
search's line, and what a search has learned from benchmarks/results/controllers/, or makes the search first.
`--again --seed N` repeats a cell of a table, with `--workers 2` in two thirds of the time (one model then sums in
another order, which makes it another training); the tables keep to the line that is there.
"""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import imagenet_weights
import numpy as np
import results_file
import torch
from imagenet_weights import PRETRAINED

from ada_segment.config import Settings, resolve
from ada_segment.controller.bayesian import BayesianController
from ada_segment.controller.space import LogWeights
from ada_segment.controller.stored import FILE_NAME as CONTROLLER
from ada_segment.controller.stored import load_controller, save_controller
from ada_segment.errors import AdaSegmentError
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.journal import FILE_NAME as JOURNAL
from ada_segment.population.journal import read_journal
from ada_segment.population.schedule import FILE_NAME as SCHEDULE
from ada_segment.population.schedule import load_schedule, save_schedule
from ada_segment.report.run_files import METRICS
from ada_segment.runs.search_run import run_search

ROOT = Path(__file__).parents[1]
PHOTOGRAPHS = ROOT.parent / "shared" / "data"
NAME = "evidence"
LOOK_AT_LOSSES = ("uncertainty", "uw-so", "dwa", "rlw", "famo")
LOOK_AT_GRADIENTS = ("gradnorm", "pcgrad", "cagrad", "nash-mtl", "mgda", "imtl-g", "aligned-mtl", "upgrad")
RAW = {"training.ema_decay": None, "training.reward": "pq-soft"}  # what `tiny` was at first
AVERAGED = {"training.ema_decay": 0.95}  # what is rewarded, and scored, is an average over half an epoch
MASKS_OF_TORCHVISION = {"model.aligned_masks": False}  # what all arms have but those that say otherwise
ALIGNED, ALIGNED_MASKS = {"model.aligned_masks": True}, ", aligned masks"
SHIFTS = {"up": 3.0, "down": 1 / 3}
HOW = ("usual", "tuned")  # merge thresholds
PARTS = ("rpn", "class", "box", "mask", "semantic")
BY_PQ = AVERAGED | {"training.reward": "pq-tuned"}
FIRST_STEPS = {"search.settings": {"first_step": 0.6, "last_step": 0.3}}  # the default at first
HALF_STEPS = {"search.settings": {"first_step": 0.3, "last_step": 0.1}}
WIDER, WIDE = ", optima believed wider", {"spread": 0.8}
BEST_PREDICTED = "ada-segment, best predicted"
FIRST_AVERAGED = "ada-segment, moving average"
FIRST_BY_PQ, SMALL_STEPS = "ada-segment, moving average, PQ", "ada-segment, small steps"
LONGER = ", three times as long"
LONG_ROUNDS = "ada-segment, two epochs a round"
FIVE = ", five members"
ABLATED: dict[str, dict[str, Any]] = {
    "scale left free": {"search.settings": {"fixed_scale": False}},
    "other weights at first": {"search.settings": {"start_at_defaults": False}},
    "own random numbers": {"search.settings": {"common_seed": False}},
    "antithetic pairs": {"search.settings": {"antithetic": True}},
    "no member at the mean": {"search.settings": {"mean_member": False}},
    "soft PQ": {"training.reward": "pq-soft"},
    "PQ at usual thresholds": {"training.reward": "pq"},
    WIDER.removeprefix(", "): {"search.settings": WIDE},
    "last round only": {"search.settings": {"memory": 1}},
    "losses never tied": {"search.settings": {"tied": False}},
    "without the state": {"search.settings": {"use_state": False}},
    "best predicted": {"search.settings": {"trust": 0.0}},
    "best observed": {"search.settings": {"trust": 1.0}},
    "first steps": FIRST_STEPS,
    "two members": {"search.members": 2},
    "five members": {"search.members": 5},
    "eight members": {"search.members": 8},
}
"""The search with one thing changed, in the order of AdaSegmentSettings."""
ABLATIONS = {f"ada-segment, {change}": change for change in ABLATED}
SHORT_SEARCH, THEN_ONE = "ada-segment, nine epochs", "ada-segment, nine epochs, then one model"
TEACHERS = ("ada-segment", "ada-segment" + FIVE, BEST_PREDICTED, FIRST_AVERAGED, FIRST_BY_PQ, SMALL_STEPS, LONG_ROUNDS)
"""Searches that others learn from, or are asked to foretell: what they have learned is kept with their lines."""
Schedule = list[dict[str, float]]
RING = 5
"""Seed s gets what the search with seed s + 1 found, and the last of so many what the first one found."""


@dataclass(frozen=True)
class Regime:
    """Data, model and length that all arms of a table share: a preset, and settings over it.

    With `start`, settings over the same preset, all arms start from one model that was trained under these with the
    default weights. `search` is the arm whose controllers are carried over.
    """

    preset: str
    flags: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] | None = None
    search: str = "ada-segment"

    @property
    def settings(self) -> Settings:
        return resolve(preset=self.preset, flags=self.flags)

    @property
    def space(self) -> LogWeights:
        """The log-weights that its searches may try, tied."""
        losses = loss_table(self.settings.model)
        return LogWeights(list(losses.defaults), defaults=losses.defaults, groups=losses.groups)


FACADES = {
    "data.source": str(PHOTOGRAPHS / "facades"),
    "augmentation.size": 160,
    "augmentation.max_size": 320,
    "augmentation.crop": 64,  # a whole picture costs several times as much and has the things no larger
    "model.proposals": 100,
    "model.roi_samples": 32,
    "model.candidates": 60,
    "data.reward_fraction": 0.2,
    "training.epochs_per_round": 2,
    "search.rounds": 12,
}  # about thirty instances a picture

FACADES_WHOLE = {
    "data.source": str(PHOTOGRAPHS / "facades"),
    "model.name": "cascade-panoptic-fpn",
    "augmentation.size": 256,
    "augmentation.max_size": 512,
    "model.candidates": 60,
    "data.reward_fraction": 0.2,
    "training.lr": 0.002,
    "training.ema_decay": 0.95,
    "training.reward": "pq-tuned",
    "search.members": 3,
    "search.rounds": 24,
}  # whole pictures: a step takes a core of a CPU ten seconds, and a GPU a fifth of one

IMAGENET = {
    "model.backbone": "timm:tf_efficientnet_lite0",
    "model.pretrained": str(PRETRAINED),
    "model.aligned_masks": True,
    "training.lr": 0.001,
}
FACADES_IMAGENET = (
    FACADES_WHOLE | IMAGENET | {"data.group_by": r"\d{8}_\d{4}|IMG_\d{3}", "search.rounds": 16}
)  # crops of one photograph, and series, on one side of the split

REGIMES = {
    "scenes-ema": Regime("tiny", {"data.source": "scenes"}),
    "scenes": Regime("tiny", {"data.source": "scenes"} | RAW, search=FIRST_BY_PQ),
    "scenes-warm": Regime(
        "tiny",
        {"data.source": "scenes", "training.lr": 0.001} | RAW,
        start={"data.source": "scenes", "search.rounds": 28},
    ),
    "scenes-resnet18": Regime("tiny", {"data.source": "scenes", "model.backbone": "resnet18"}),
    "scenes-ten-losses": Regime("tiny", {"data.source": "scenes", "model.name": "cascade-panoptic-fpn"}),
    "facades-crops": Regime("tiny", FACADES),
    "facades-ten-losses": Regime("tiny", FACADES | {"model.name": "cascade-panoptic-fpn"}),
    "facades-gpu": Regime("small", FACADES_WHOLE),
    "facades-imagenet": Regime("small", FACADES_IMAGENET),
    "facades-warm": Regime("tiny", FACADES | {"training.lr": 0.0015}, start=FACADES | {"search.rounds": 24}),
    "coco-mini": Regime("small", {"data.source": str(PHOTOGRAPHS / "coco-mini")}),
    "coco-mini-imagenet": Regime(
        "small", FACADES_WHOLE | IMAGENET | {"data.source": str(PHOTOGRAPHS / "coco-mini"), "search.rounds": 32}
    ),
}
ONE_SIDE = "-one-side"
REGIMES |= {
    name + ONE_SIDE: REGIMES[name] for name in ("scenes-ema", "scenes-resnet18", "scenes-ten-losses", "facades-crops")
}
"""Searches, and what was made of them, when the directions of all rounds lay on one side (until commit 865f125). They
can be run at the commits that their lines name, in the regime without this ending."""


@dataclass(frozen=True)
class Job:
    """One training: an arm of a regime with one seed, in a folder of its own.

    `workers` train members of a population side by side, or share the batches of one model.
    """

    regime: str
    arm: str
    seed: int
    out: Path
    workers: int = 1

    @property
    def place(self) -> Path:
        return Path(self.regime, self.arm.replace(",", "").replace(" ", "-"), str(self.seed))  # no commas

    @property
    def folder(self) -> Path:
        return self.out / self.place

    @property
    def kept(self) -> Path:
        """What the search behind the line has learned."""
        return results_file.RESULTS / "controllers" / self.place.with_suffix(".safetensors")

    @property
    def key(self) -> tuple[str, str, int]:
        return self.regime, self.arm, self.seed

    def settings(self, flags: Mapping[str, Any], *, times: float = 1) -> Settings:
        """`times`: how many times the rounds of the regime."""
        regime = REGIMES[self.regime]
        start = None if regime.start is None else str(start_folder(self.regime, self.out))
        flags = {**MASKS_OF_TORCHVISION, **regime.flags, "seed": self.seed, "training.start": start, **flags}
        flags |= shared_out(self.workers, one_model=flags.get("search.members") == 1)
        settings = resolve(preset=regime.preset, flags=flags)
        rounds = round(times * settings.search.rounds)
        return resolve(preset=regime.preset, flags={**flags, "search.rounds": rounds})

    def one_model(self, weights: str, flags: Mapping[str, Any] | None = None, *, times: float = 1) -> Settings:
        """One model under these weights, in place of a population."""
        return self.settings({"search.weights": weights, "search.members": 1, **(flags or {})}, times=times)

    @property
    def members(self) -> int:
        """Size of the population that the searches of this regime have."""
        return REGIMES[self.regime].settings.search.members


def shared_out(workers: int, *, one_model: bool) -> dict[str, Any]:
    """Settings under which so many processes train the members of a population, or one model."""
    if workers == 1:
        return {}
    return {"search.executor": "processes", "training.devices" if one_model else "search.workers": workers}


START_SEED = 100


def start_folder(regime: str, out: Path) -> Path:
    return out / regime / "start"


def make_start(regime: str, out: Path, workers: int) -> None:
    """Train the model that all arms of the regime start from, unless it is there."""
    about, folder = REGIMES[regime], start_folder(regime, out)
    if about.start is None or (folder / METRICS).exists():
        return
    flags = {
        **MASKS_OF_TORCHVISION,
        **about.start,
        "seed": START_SEED,
        "search.weights": "default",
        "search.members": 1,
    }
    flags |= shared_out(workers, one_model=True)
    run_search(resolve(preset=about.preset, flags=flags), folder, resume=True)


def strategy(name: str, flags: Mapping[str, Any] | None = None, *, times: float = 1) -> Callable[[Job], Settings]:
    """A search, so many times as long; longer rounds than the regime's are fewer rounds."""
    flags = {"search.strategy": name, **(flags or {})}

    def make(job: Job) -> Settings:
        usual = REGIMES[job.regime].settings.training.epochs_per_round
        return job.settings(flags, times=times * usual / flags.get("training.epochs_per_round", usual))

    return make


def weights(name: str, flags: Mapping[str, Any] | None = None) -> Callable[[Job], Settings]:
    return lambda job: job.one_model(name, flags)


def same_compute(job: Job) -> Settings:
    """The default weights for as many epochs as all members of a search train together."""
    return job.one_model("default", times=job.members)


def shifted(factors: Mapping[str, float], *, halves: tuple[str, ...] = ("shifted",)) -> Callable[[Job], Settings]:
    """The default weights with those of parts of the model times a factor, then all divided by their geometric mean
    over the defaults, as a search does it: otherwise it would be the learning rate that changes.

    `halves`: which weights the parts of the training have, one after the other."""

    def make(job: Job) -> Settings:
        space = REGIMES[job.regime].space
        x = space.project(np.array([math.log(factors.get(space.groups[name], 1.0)) for name in space.names]))
        weights = {"shifted": space.to_weights(x), "default": dict(space.defaults)}
        path = fixed_in(job, [weights[kind] for kind in halves])  # which a training stretches over its rounds
        return job.one_model(path)

    return make


def fixed_in(job: Job, schedule: Schedule) -> str:
    """A file beside the job's folder that holds the schedule."""
    path = job.folder.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_schedule(path, schedule)
    return str(path)


def found(change: Callable[[Schedule], Schedule]) -> Callable[[Job], Settings]:
    """One model under weights made from the schedule that a search found with another seed."""

    def make(job: Job) -> Settings:
        schedule = change(schedule_of_another_seed(job))
        return job.one_model(fixed_in(job, schedule))

    return make


def schedule_of_another_seed(job: Job) -> Schedule:
    """Of the line that the tables have; without one the search is made, whose line its own job will write."""
    other = replace(job, arm="ada-segment", seed=(job.seed + 1) % RING)
    lines = [line for line in results_file.read(NAME) if key_of(line) == other.key and not line.get("repeat")]
    if lines:
        return [{name: float(weight) for name, weight in weights.items()} for weights in lines[-1]["schedule"]]
    train(other)
    return load_schedule(other.folder / SCHEDULE)


def begun(regime: str | None = None) -> Callable[[Job], Settings]:
    """A search that begins with what those of the regime (its own when not given) with all other seeds have learned."""

    def make(job: Job) -> Settings:
        learned = learned_by_others(job, regime=regime)
        return job.settings({"search.strategy": "ada-segment", "search.settings": {"learned": learned}})

    return make


def then_one_model(job: Job) -> Settings:
    """A model of its own under what a short search with the same seed has learned."""
    search = short_search(job)
    train(search)
    return job.one_model(str(search.folder))


def short_search(job: Job) -> Job:
    return replace(job, arm=SHORT_SEARCH)


def learned_by_others(job: Job, search: str | None = None, *, regime: str | None = None, several: bool = True) -> str:
    """The controllers of searches with other seeds, with commas between them; made first where they are not there.

    Args:
        job: the one with the seed that is left out.
        search: their arm; that of their regime when not given.
        regime: theirs; the job's own when not given.
        several: all others; the next one alone if not.
    """
    regime = regime or job.regime
    seeds = [seed for seed in range(RING) if seed != job.seed % RING] if several else [(job.seed + 1) % RING]
    others = [replace(job, regime=regime, arm=search or REGIMES[regime].search, seed=seed) for seed in seeds]
    return ",".join(str(controller_of(other)) for other in others)


def controller_of(search: Job) -> Path:
    """The one behind the line that the tables have; without one the search is made."""
    if search.kept.exists():
        return search.kept
    train(search)
    return search.folder


def transferred(
    search: str | None = None,
    *,
    regime: str | None = None,
    several: bool = False,
    same_compute: bool = False,
    flags: Mapping[str, Any] | None = None,
    beliefs: Mapping[str, Any] | None = None,
) -> Callable[[Job], Settings]:
    """One model under the frozen controller of a search with another seed; see `learned_by_others`.

    Args:
        search: its arm.
        regime: its regime.
        several: the controller has learned from the searches with all other seeds.
        same_compute: the training has as many epochs as all members of a search together.
        flags: settings of the training.
        beliefs: others under which the controller learns the rounds of these searches.
    """

    def make(job: Job) -> Settings:
        learned = learned_by_others(job, search, regime=regime, several=several)
        if beliefs is not None:
            learned = under_beliefs(job, learned, beliefs)
        return job.one_model(learned, flags, times=job.members if same_compute else 1)

    return make


def under_beliefs(job: Job, learned: str, beliefs: Mapping[str, Any]) -> str:
    """A file beside the job's folder that holds one controller, learned anew from the rounds of these."""
    controller = load_controller(*learned.split(","))
    assert isinstance(controller, BayesianController)
    path = job.folder.with_suffix(".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_controller(path, controller.under(replace(controller.settings, **beliefs)))
    return str(path)


def shuffled(schedule: Schedule) -> Schedule:
    return random.Random(0).sample(schedule, len(schedule))


def wandering(*, once: bool) -> Callable[[Job], Settings]:
    """One model under the last weights that a search found with another seed, half a step to one side of them and half
    a step to the other, as many rounds each; it changes sides once, or after every round.

    The step is as long as a search's first one, in a direction drawn with the job's seed.
    """

    def make(job: Job) -> Settings:
        regime = REGIMES[job.regime]
        space, parts = regime.space, 2 if once else regime.settings.search.rounds
        last = space.from_weights(schedule_of_another_seed(job)[-1])
        aside = space.draw(np.random.default_rng(job.seed))
        aside /= math.sqrt(np.square(aside).mean())
        sides = [space.to_weights(space.project(last + side * aside / 2)) for side in (1, -1)]
        return job.one_model(fixed_in(job, [sides[part % 2] for part in range(parts)]))

    return make


ARMS: dict[str, Callable[[Job], Settings]] = {
    "default": weights("default"),
    "default, same compute": same_compute,
    "random": strategy("random"),
    "select-only": strategy("select-only"),
    "pbt": strategy("pbt"),
    "published": strategy("published"),
    "ada-segment": strategy("ada-segment"),
    "ada-segment" + LONGER: strategy("ada-segment", times=3),
    "ada-segment, three epochs a round" + LONGER: strategy("ada-segment", {"training.epochs_per_round": 3}, times=3),
    "ada-segment, rounds of two epochs": strategy("ada-segment", {"training.epochs_per_round": 2}),
    **{name + FIVE: strategy(name, {"search.members": 5}) for name in ("random", "select-only", "pbt", "published")},
    SHORT_SEARCH: strategy("ada-segment", times=9 / 14),
    **{arm: strategy("ada-segment", ABLATED[change]) for arm, change in ABLATIONS.items()},
    "default, moving average": weights("default", AVERAGED),
    "default" + ALIGNED_MASKS: weights("default", ALIGNED),
    FIRST_AVERAGED: strategy("ada-segment", AVERAGED),
    FIRST_BY_PQ: strategy("ada-segment", BY_PQ | FIRST_STEPS),
    LONG_ROUNDS: strategy("ada-segment", BY_PQ | FIRST_STEPS | {"training.epochs_per_round": 2}),
    SMALL_STEPS: strategy("ada-segment", BY_PQ | HALF_STEPS),
    **{name: weights(name) for name in LOOK_AT_LOSSES + LOOK_AT_GRADIENTS},
}
FROM_SEARCHES: dict[str, Callable[[Job], Settings]] = {
    "replayed": found(lambda schedule: schedule),
    "last weights": found(lambda schedule: schedule[-1:]),
    "shuffled": found(shuffled),
    "last weights, changed once": wandering(once=True),
    "last weights, changed every epoch": wandering(once=False),
    "ada-segment after four searches": begun(),
    "ada-segment after four searches on scenes": begun("scenes-ema"),
    THEN_ONE: then_one_model,
    "transfer": transferred(),
    "transfer, same compute": transferred(same_compute=True),
    "transfer, four searches": transferred(several=True),
    "transfer, four searches" + ALIGNED_MASKS: transferred(several=True, flags=ALIGNED),
    "transfer, four searches, same compute": transferred(several=True, same_compute=True),
    "transfer" + FIVE: transferred("ada-segment" + FIVE),
    "transfer, four searches" + FIVE: transferred("ada-segment" + FIVE, several=True),
    "transfer, best predicted": transferred(BEST_PREDICTED),
    "transfer, four searches, best predicted": transferred(BEST_PREDICTED, several=True),
    "transfer of small steps": transferred(SMALL_STEPS),
    "transfer of small steps, same compute": transferred(SMALL_STEPS, same_compute=True),
    "transfer of four searches": transferred(LONG_ROUNDS, several=True),
    "transfer of four searches, same compute": transferred(LONG_ROUNDS, several=True, same_compute=True),
    "transfer of four searches, one epoch a round": transferred(FIRST_BY_PQ, several=True),
    "transfer from scenes": transferred(regime="scenes-ema", several=True),
    "transfer, four searches" + WIDER: transferred(several=True, beliefs=WIDE),
    "transfer from scenes" + WIDER: transferred(regime="scenes-ema", several=True, beliefs=WIDE),
}
ARMS |= FROM_SEARCHES
SHIFTED: dict[str, Callable[[Job], Settings]] = {
    f"{part} {way}": shifted({part: factor}) for part in PARTS for way, factor in SHIFTS.items()
}
SHIFTED["semantic up, box down"] = shifted({"semantic": SHIFTS["up"], "box": SHIFTS["down"]})
SHIFTED["class up, first half"] = shifted({"class": SHIFTS["up"]}, halves=("shifted", "default"))
SHIFTED["class up, second half"] = shifted({"class": SHIFTS["up"]}, halves=("default", "shifted"))
ARMS |= SHIFTED
PAST = ("ada-segment, wider beliefs", "ada-segment, pairs")
"""What was tried and given up; it can be run at the commit that its lines name, as the arm `ada-segment`."""


def train(job: Job) -> Settings:
    """Train, or go on; what has ended is left as it is."""
    settings = ARMS[job.arm](job)
    run_search(settings, job.folder, resume=True)
    return settings


def measure(job: Job) -> dict[str, Any]:
    """Train (or go on) and return the line of results."""
    torch.set_num_threads(1)  # several trainings side by side
    started = time.perf_counter()
    settings = train(job)
    journal = read_journal(job.folder / JOURNAL)
    metrics = json.loads((job.folder / METRICS).read_text())
    searched = read_journal(short_search(job).folder / JOURNAL) if job.arm == THEN_ONE else []  # which it pays for
    trained = [member for record in searched + journal for member in record["members"]]
    repeat = job.key in done()
    if job.arm in TEACHERS and not repeat:
        keep(job)
    return {
        "regime": job.regime,
        "arm": job.arm,
        "seed": job.seed,
        "commit": commit(),
        "repeat": repeat,
        "rounds": settings.search.rounds,
        "members": settings.search.members,
        "search": settings.search.settings,
        "reward": settings.training.reward,
        "epochs": len(trained) * settings.training.epochs_per_round,
        "seconds": round(sum(member["seconds"] for member in trained), 1),
        "wall_seconds": round(time.perf_counter() - started, 1),
        "rewards": [record["members"][record["best"]]["reward"] for record in journal],
        "schedule": load_schedule(job.folder / SCHEDULE),
        "test": {how: {group: metrics[how][group] for group in ("all", "things", "stuff")} for how in HOW},
    }


def keep(search: Job) -> None:
    search.kept.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (search.kept.suffix, ".json"):
        shutil.copy((search.folder / CONTROLLER).with_suffix(suffix), search.kept.with_suffix(suffix))


def commit() -> str:
    """The commit that is measured, with a mark when files differ from it."""
    said = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip() or "unknown"


def done() -> set[tuple[str, str, int]]:
    return {key_of(line) for line in results_file.read(NAME)}


def key_of(line: Mapping[str, Any]) -> tuple[str, str, int]:
    return line["regime"], line["arm"], line["seed"]


def end_with_parent() -> None:
    """A training that went on after this command was killed would be in the way of the one that goes on with it."""

    def watch() -> None:
        wait([parent_process().sentinel])  # type: ignore[union-attr]
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(jobs: list[Job], processes: int) -> None:
    """Do the jobs, several at once; a line is written as each ends."""
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), max_tasks_per_child=1, initializer=end_with_parent
    ) as pool:
        futures = {pool.submit(measure, job): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            try:
                line = future.result()
            except AdaSegmentError as error:  # the others go on
                print(f"{job.regime}, {job.arm}, seed {job.seed}: {error}", flush=True)
                continue
            results_file.append(NAME, line)
            print(
                f"{job.regime}, {job.arm}, seed {job.seed}: PQ {100 * line['test']['tuned']['all']['pq']:.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", choices=REGIMES, default="scenes-ema")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM", help=", ".join(ARMS))
    parser.add_argument("--seeds", type=int, default=RING, help="how many, from 0")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--processes", type=int, default=1, help="trainings side by side, one thread each")
    parser.add_argument("--workers", type=int, default=1, help="that one training is shared out to, likewise")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / NAME, help="run folders; they can be deleted")
    parser.add_argument("--again", action="store_true", help="also what has a line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # which is what each training has, and what lines say
    seeds = range(arguments.seeds) if arguments.seed is None else [arguments.seed]
    jobs = [
        Job(arguments.regime, arm, seed, arguments.out, arguments.workers) for seed in seeds for arm in arguments.arms
    ]
    missing = [job for job in jobs if arguments.again or job.key not in done()]
    if missing and REGIMES[arguments.regime].settings.model.pretrained == str(PRETRAINED) and not PRETRAINED.exists():
        imagenet_weights.main()
    if missing:
        make_start(arguments.regime, arguments.out, arguments.workers)
    for from_searches in (False, True):
        run([job for job in missing if (job.arm in FROM_SEARCHES) is from_searches], arguments.processes)


if __name__ == "__main__":
    main()
