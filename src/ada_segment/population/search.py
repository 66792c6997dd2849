"""The search: rounds of a small population, each member under weights of its own, rewarded by how good it becomes."""

import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ada_segment.controller.base import Controller
from ada_segment.errors import AdaSegmentError, ConfigError, SearchError
from ada_segment.population.executors.base import Executor, Job, Outcome
from ada_segment.population.executors.registry import EXECUTORS, executor_settings
from ada_segment.population.executors.settings import ExecutorSettings
from ada_segment.population.interruption import Interruption
from ada_segment.population.journal import Record, schedule_of
from ada_segment.population.member import Member
from ada_segment.population.observer import Observer, Silent
from ada_segment.population.outcome_record import outcome_record
from ada_segment.population.parts import Parts
from ada_segment.population.plan_check import judged, planned
from ada_segment.population.run_folder import Best, Progress, RunFolder
from ada_segment.population.schedule import Schedule
from ada_segment.population.seeds import derive_seed
from ada_segment.population.strategies import make_strategy
from ada_segment.population.strategies.base import Strategy, Task, Trial
from ada_segment.storage import copy_state
from ada_segment.values import whole
from ada_segment.weighting.base import check_losses, check_names, check_weights

# A round in which every member failed is repeated this often, each time with half the step in log-weights.
REPEATS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """This process's part among those that train one model and all run the same search.

    Attributes:
        first: whether it is the one that writes the run folder; the others only read it, when a search is resumed.
        barrier: returns when all have called it.
    """

    first: bool = True
    barrier: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search has found.

    Attributes:
        best_reward: the highest observed reward among the members that stood for a round.
        best_round: its round, from 0.
        best_state: its state, on the CPU.
        schedule: weights round by round under which the last standing member was trained; with a broadcast after each
            round, those of the members broadcast.
        controller: what was learned; None for strategies that learn nothing.
        journal: one record a round, as in history.jsonl.
    """

    best_reward: float
    best_round: int
    best_state: dict[str, Any]
    schedule: Schedule
    controller: Controller | None
    journal: list[Record]


def search(
    make_member: Callable[[int], Member],
    *,
    losses: Sequence[str],
    rounds: int,
    members: int,
    strategy: str | Strategy = "ada-segment",
    executor: str | ExecutorSettings = "local",
    workers: int | None = None,
    defaults: Mapping[str, float] | None = None,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    checkpoint_minutes: float | None = 10.0,
    observer: Observer | None = None,
    together: Together | None = None,
    **settings: Any,
) -> SearchResult:
    """Search the loss weights of a training, while it runs.

    Each round, every member trains for one interval under weights that the strategy chose and is rewarded by its own
    `evaluate`; the strategy learns, and says whose state the members of the next round start from. A member that
    raises, or whose losses or reward are not finite, is left out of both and goes on from the best one.

    Args:
        make_member: makes a member for a seed; all members of the population start from its state.
        losses: names of the losses that the member reports and takes weights for.
        rounds: T, number of intervals.
        members: K, size of the population.
        strategy: a name, one of `population.strategies.STRATEGIES`, or an object such as `Replay` or `Transfer`.
        executor: where members are trained: local (here, one after the other), processes or ray, or `ExecutorSettings`.
            It may be another one when a search is resumed.
        workers: members trained at the same time; see `ExecutorSettings`.
        defaults: default weight by loss; 1 for those not given. A default of 0 keeps a loss off.
        groups: group by loss: losses of one group share their weight relative to the default. Untied when not given.
        seed: of everything random.
        out: run folder; nothing is written when None.
        resume: go on where the run folder's last checkpoint is; a folder that is absent or empty starts anew.
        checkpoint_minutes: members that have ended are written down before their round is over when the last writing
            was longer ago than this, so that an interruption repeats the others alone; None: never.
        observer: is told of every step.
        together: set where several processes train one model, each running this same search.
        settings: of the strategy, when that is a name.

    Raises:
        ConfigError, LossError: an argument is not usable; raised before any member is made.
        RunError: the run folder is in use, or what it holds is not this search.
        LossError: the member reports losses under other names than `losses`.
        SearchError: all members of a round failed, and again when it was repeated with smaller steps; or workers cannot
            be started; or a strategy of one's own plans or judges what does not fit. The run folder keeps the rounds
            before, and can be resumed.
        KeyboardInterrupt: Ctrl-C; the run folder can be resumed. A first one waits until what is written is whole.
    """
    task = make_task(losses, rounds, members, defaults=defaults, groups=groups, seed=seed)
    if resume and out is None:
        raise ConfigError("resume goes on with a run folder; name it with out")
    if isinstance(checkpoint_minutes, bool) or not isinstance(checkpoint_minutes, int | float | None):
        raise ConfigError(
            f"checkpoint_minutes = {checkpoint_minutes!r} is not usable; give a number, or None for never"
        )
    strategy = make_strategy(strategy, settings, beside=inspect.signature(search).parameters)
    place_settings = executor_settings(executor, workers)
    observer = observer or Silent()
    together = together or Together()
    folder = RunFolder(Path(out), identity=_identity(task, strategy), resume=resume) if out is not None else None
    with folder.claimed() if folder is not None and together.first else nullcontext(), Interruption() as interruption:
        progress = folder.load() if folder is not None and resume else None
        parts = Parts(folder, minutes=checkpoint_minutes, writes=together.first)
        parts_found = parts.load(len(progress.journal) if progress is not None else 0) if resume else 0
        if progress is None:
            strategy.start(task)
        else:
            strategy.resume(task, progress.strategy)
        if folder is not None:
            _check_state(strategy)
        if folder is not None and resume:
            observer.resumed(progress.journal if progress is not None else [])
            for text in [*folder.dropped, _goes_on(progress, parts_found, task)]:
                observer.said(text)
        if not together.first:
            folder = None
        place: Executor | None = None
        try:
            if progress is None or len(progress.journal) < task.rounds:
                place = EXECUTORS[place_settings.kind](
                    make_member, seed=task.seed, members=task.members, settings=place_settings, say=observer.said
                )
            if progress is None:
                assert place is not None
                start = place.initial_state()
                states, parents = [start] * task.members, [None] * task.members
                progress = Progress(journal=[], states=states, parents=list(parents), best=None, strategy={})
            together.barrier()  # all have read the folder before the first one writes
            if folder is not None:
                with interruption.whole():
                    folder.begin(progress if progress.journal else None, strategy.controller)
            for round in range(len(progress.journal), task.rounds):
                assert place is not None
                _play(round, progress, task, strategy, place, observer, folder, parts, interruption)
        except BaseException:
            # Whatever stops it; and the disk may be what does.
            with suppress(KeyboardInterrupt, OSError, AdaSegmentError), interruption.whole():
                parts.write()
            raise
        finally:
            if place is not None:
                place.close()

    assert progress.best is not None
    return SearchResult(
        best_reward=progress.best.reward,
        best_round=progress.best.round,
        best_state=progress.best.state,
        schedule=schedule_of(progress.journal),
        controller=strategy.controller,
        journal=progress.journal,
    )


def _check_state(strategy: Strategy) -> None:
    """Refuse a strategy whose state cannot be kept, before anything is trained. Raises SearchError."""
    try:
        copy_state(strategy.state_dict())
    except TypeError as error:
        raise SearchError(f"the state of strategy {strategy.name} cannot be kept: {error}") from error


def make_task(
    losses: Sequence[str],
    rounds: int,
    members: int,
    *,
    defaults: Mapping[str, float] | None,
    groups: Mapping[str, str] | None,
    seed: int,
) -> Task:
    """The task of a search, checked. Raises ConfigError and LossError as `search` does."""
    rounds, members, seed = whole("rounds", rounds, least=1), whole("members", members, least=1), whole("seed", seed)
    losses = check_losses(losses)
    weights = check_weights({**dict.fromkeys(losses, 1.0), **(defaults or {})})
    check_names(weights, losses, "defaults and losses")
    if groups is not None:
        check_names(groups, losses, "groups and losses")
    return Task(
        losses=losses,
        defaults=weights,
        groups={name: str(groups[name]) if groups is not None else name for name in losses},
        rounds=rounds,
        members=members,
        seed=seed,
    )


def _play(
    round: int,
    progress: Progress,
    task: Task,
    strategy: Strategy,
    place: Executor,
    observer: Observer,
    folder: RunFolder | None,
    parts: Parts,
    interruption: Interruption,
) -> None:
    """One round: plan, train, judge, pass the states on, write down."""
    started = time.perf_counter()
    plan = planned(strategy, round, task)
    weights = plan.weights
    failed_attempts: list[list[Record]] = []
    for attempt in range(REPEATS + 1):
        if attempt:
            weights = [_half_way(wanted, task.defaults, progress.journal) for wanted in weights]
        observer.round_started(round, task.rounds, weights)
        outcomes, members = _attempt(round, attempt, weights, progress, task, strategy, place, observer, parts)
        trials = [
            _trial(member, index, weights[index]) for index, member in enumerate(members) if member["status"] == "ok"
        ]
        if trials:
            break
        failed_attempts.append(members)
    else:
        raise SearchError(_all_failed(round, members, folder)) from outcomes[0].error

    verdict = judged(strategy, round, trials, task)
    states = {outcome.index: outcome.state for outcome in outcomes if outcome.state is not None}
    record: Record = {"round": round, "best": verdict.best, "members": members}
    if failed_attempts:
        record["failed_attempts"] = failed_attempts
    if plan.notes or verdict.notes:
        record["controller"] = {**plan.notes, **verdict.notes}
    record["seconds"] = time.perf_counter() - started
    reward = float(members[verdict.best]["reward"])
    if progress.best is None or reward > progress.best.reward:
        progress.best = Best(
            state=states[verdict.best], round=round, reward=reward, weights=dict(members[verdict.best]["weights"])
        )
    progress.journal.append(record)
    progress.states = [states[parent] for parent in verdict.parents]
    progress.parents = list(verdict.parents)
    progress.strategy = strategy.state_dict()
    with interruption.whole():
        if folder is not None:
            folder.save(progress, strategy.controller)
        parts.written()
    observer.round_finished(record)


def _attempt(
    round: int,
    attempt: int,
    weights: list[dict[str, float]],
    progress: Progress,
    task: Task,
    strategy: Strategy,
    place: Executor,
    observer: Observer,
    parts: Parts,
) -> tuple[list[Outcome], list[Record]]:
    """Train all members once; the outcomes and what the journal says of them, by index."""
    jobs = [
        Job(
            index=k,
            round=round,
            seed=_job_seed(task.seed, round, attempt, 0 if strategy.common_seed else k),
            weights=weights[k],
            state=progress.states[k],
        )
        for k in range(task.members)
    ]
    records: dict[int, Record] = {}
    outcomes: dict[int, Outcome] = {}
    for job in jobs:
        if (known := parts.of(job, attempt)) is not None:
            outcomes[job.index], records[job.index] = known
            observer.member_finished(round, job.index, records[job.index])

    def finished(outcome: Outcome) -> None:
        k = outcome.index
        records[k] = outcome_record(outcome, weights[k], progress.parents[k], task.losses)
        if records[k]["status"] == "ok":
            parts.add(jobs[k], attempt, outcome, records[k])
        observer.member_finished(round, k, records[k])

    todo = [job for job in jobs if job.index not in outcomes]
    outcomes |= {outcome.index: outcome for outcome in place.run(todo, finished)}
    return [outcomes[k] for k in range(task.members)], [records[k] for k in range(task.members)]


def _job_seed(seed: int, round: int, attempt: int, member: int) -> int:
    """Member 0 has the round's common seed, so that arms of one member see what the members of others see."""
    keys: list[int | str] = [seed, "round", round]
    if member:
        keys += ["member", member]
    if attempt:
        keys += ["attempt", attempt]
    return derive_seed(*keys)


def _trial(member: Record, index: int, weights: Mapping[str, float]) -> Trial:
    return Trial(index=index, weights=weights, losses=member["losses"], reward=member["reward"])


def _half_way(wanted: Mapping[str, float], defaults: Mapping[str, float], journal: list[Record]) -> dict[str, float]:
    """The geometric mean of the wanted weights and the last ones that went well (at first, the defaults)."""
    best = journal[-1]["members"][journal[-1]["best"]] if journal else {"weights": defaults}
    last = best.get("given", best["weights"])
    return {name: math.sqrt(weight * last[name]) for name, weight in wanted.items()}


def _all_failed(round: int, members: list[Record], folder: RunFolder | None) -> str:
    causes = dict.fromkeys(member["status"].removeprefix("failed: ") for member in members)
    kept = f"; {folder.path} keeps the rounds before and can be resumed" if folder is not None and round else ""
    return (
        f"all {len(members)} members of round {round + 1} failed, also when it was repeated with smaller steps: "
        f"{'; '.join(causes)}{kept}"
    )


def _goes_on(progress: Progress | None, parts: int, task: Task) -> str:
    """Where a resumed search goes on, in words."""
    if progress is None and not parts:
        return f"nothing to go on with; beginning with round 1 of {task.rounds}"
    done = len(progress.journal) if progress is not None else 0
    kept = f", {parts} of its members are done already" if parts else ""
    if done == task.rounds:
        return f"all {done} rounds are done already"
    return f"going on with round {done + 1} of {task.rounds}{kept}"


def _identity(task: Task, strategy: Strategy) -> dict[str, Any]:
    return {
        "losses": list(task.losses),
        "defaults": task.defaults,
        "groups": task.groups,
        "rounds": task.rounds,
        "members": task.members,
        "seed": task.seed,
        "strategy": strategy.name,
        "settings": strategy.settings(),
    }
