"""The files of a search, in an order of writing that survives an interruption anywhere."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ada_segment.controller.base import Controller
from ada_segment.controller.stored import FILE_NAME as CONTROLLER
from ada_segment.controller.stored import save_controller
from ada_segment.errors import ConfigError, RunError
from ada_segment.population import journal, schedule
from ada_segment.population.claim import claimed
from ada_segment.population.journal import Record
from ada_segment.storage import is_leftover, load_entry, load_state, read_about, remove_leftover, save_state

BEST = "best.safetensors"
CHECKPOINTS = "checkpoints"
PART = "part-"
KEPT = 2
BEFORE = {"spread": 0.5}
"""Settings of a strategy under which searches were made that do not know them yet."""
# The command line writes its resolved settings, and the names of its pictures, before the search starts.
ALLOWED_BEFORE = {"config.yaml", "splits.json"}
# And an observer of a search that is resumed its events, which may be stopped before the first round.
ALLOWED_AT_RESUME = {"tensorboard", CHECKPOINTS}
# All that is written there while nobody else may.
WRITTEN = (*sorted(ALLOWED_BEFORE), journal.FILE_NAME, schedule.FILE_NAME, "best.*", "controller.*")
WRITTEN_AS_CHECKPOINTS = ("round-*", f"{PART}*")


@dataclass(slots=True, kw_only=True)
class Best:
    """The best state so far by observed reward among those that stood for a round, and where it came from."""

    state: dict[str, Any]
    round: int
    reward: float
    weights: dict[str, float]


@dataclass(slots=True, kw_only=True)
class Progress:
    """All that a search needs to go on after a round.

    Attributes:
        journal: the records so far.
        states: the state from which each member of the next round starts; often one object K times.
        parents: index of the member of the last round that each comes from; None before the first round.
        best: None before the first round.
        strategy: the strategy's state.
    """

    journal: list[Record]
    states: list[dict[str, Any]]
    parents: list[int | None]
    best: Best | None
    strategy: dict[str, Any]


class RunFolder:
    """A folder for one search.

    Args:
        path: made when absent.
        identity: what was asked of the search, as JSON; a search resumes only under the same.
        resume: accept a folder that holds a search already.

    Raises:
        RunError: the folder is in use and `resume` is not set, or it holds another search; says which key differs.
        ConfigError: what was asked cannot be written down.
    """

    def __init__(self, path: Path, *, identity: dict[str, Any], resume: bool) -> None:
        self.path = path
        try:
            self._identity = json.loads(json.dumps(identity, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"strategy {identity.get('strategy')}: its settings cannot be written down as JSON: {error}; let "
                "settings() return finite numbers of Python, text, lists and dicts"
            ) from None
        self._resume = resume
        self._is_there: Callable[[], bool] = lambda: True  # while it is not claimed, nobody says otherwise
        # What `load` had to leave out, in words.
        self.dropped: list[str] = []
        self._refuse_others()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Make the folder and keep other processes from it to the end of the block or of this process.

        Raises:
            RunError: another process has it, or has written to it since this object was made; or it cannot be made.
        """
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
        with claimed(self.path) as self._is_there:
            self._refuse_others()
            try:
                yield
            finally:
                self._is_there = lambda: True

    def load(self) -> Progress | None:
        """Where the last whole checkpoint left off; None when there is none. Later journal lines are dropped.

        Raises:
            RunError: checkpoints are there but none can be read, or the journal is damaged.
        """
        failure: RunError | None = None
        for path in reversed(checkpoints(self.path)):
            try:
                content = load_state(path)
                progress = self._unpacked(content)
            except RunError as error:
                failure = error
                self.dropped.append(f"checkpoint {path.name} is not whole and was left out ({error})")
                continue
            all_records = journal.read_journal(self.path / journal.FILE_NAME)
            records = all_records[: content["round"] + 1]
            if len(records) <= content["round"]:
                raise RunError(
                    f"{self.path / journal.FILE_NAME} ends before round {content['round']} of {path.name}; the journal "
                    "is damaged: restore it, or start a new run in another folder"
                )
            if len(all_records) > len(records):
                later = ", ".join(str(record["round"] + 1) for record in all_records[len(records) :])
                self.dropped.append(
                    f"the journal's lines after round {len(records)} ({later}) have no whole checkpoint, left out"
                )
            progress.journal = records
            return progress
        if failure is not None:
            raise failure
        history = self.path / journal.FILE_NAME
        # One record without a checkpoint is what an interruption in the first round leaves. More are somebody's work;
        # so is a best state, which comes after the checkpoint.
        if history.exists() and (len(journal.read_journal(history)) > 1 or (self.path / BEST).exists()):
            raise RunError(
                f"{self.path / CHECKPOINTS} holds no checkpoint, but {history.name} has rounds that are over; restore "
                "the checkpoints, or start a new run in another folder"
            )
        return None

    def begin(self, progress: Progress | None, controller: Controller | None) -> None:
        """Bring every file into step with `progress`, or remove what an interrupted first round has left."""
        with self._writing():
            journal.write_journal(self.path / journal.FILE_NAME, progress.journal if progress else [])
            for folder, names in ((self.path, WRITTEN), (self.path / CHECKPOINTS, WRITTEN_AS_CHECKPOINTS)):
                for path in folder.glob(".*"):
                    if is_leftover(path, names):
                        remove_leftover(path)
            for path in checkpoints(self.path):
                if progress is None or _round_of(path) >= len(progress.journal):
                    _remove(path)
            if progress is not None:
                self._derive(progress, controller, best_changed=not self._holds(progress.best))
                self._prune()
            self._remove_parts(before=len(progress.journal) if progress else 0)

    def save(self, progress: Progress, controller: Controller | None) -> None:
        """Store the round that `progress` ends with: journal line, checkpoint, then all that follows from them."""
        record = progress.journal[-1]
        assert progress.best is not None
        with self._writing():
            journal.append_record(self.path / journal.FILE_NAME, record)
            save_state(
                self.path / CHECKPOINTS / f"round-{record['round']:05d}.safetensors",
                self._packed(progress),
                about=self._identity,
            )
            self._derive(progress, controller, best_changed=progress.best.round == record["round"])
            self._prune()
            self._remove_parts(before=record["round"] + 1)

    def save_part(self, part: dict[str, Any]) -> None:
        """Store a member that has ended while its round has not."""
        name = f"{PART}{part['round']:05d}-{part['attempt']}-{part['index']:05d}.safetensors"
        with self._writing():
            save_state(self.path / CHECKPOINTS / name, part, about=self._identity)

    def load_parts(self, round: int) -> list[dict[str, Any]]:
        """The members of this round that were stored; what cannot be read is left out, and trained again."""
        found = []
        for path in sorted((self.path / CHECKPOINTS).glob(f"{PART}{round:05d}-*.safetensors")):
            try:
                if self._difference(read_about(path)) is None:
                    found.append(load_state(path))
            except RunError as error:
                self.dropped.append(f"{path.name} is not whole and was left out ({error})")
        return found

    def _remove_parts(self, *, before: int) -> None:
        for path in (self.path / CHECKPOINTS).glob(f"{PART}*.safetensors"):
            if not path.name.startswith(f"{PART}{before:05d}-"):
                _remove(path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Errors of the disk say what is still there; so does a folder that has gone elsewhere with what is in it."""
        if not self._is_there():
            raise RunError(
                f"{self.path} is no longer the folder that this search writes to: it was renamed or removed, and the "
                "search ends here. What it has written before is there: resume it (--resume) under the name that it "
                "has now"
            )
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{error.filename or self.path}: {error.strerror or error}; the search ends here. What was written "
                f"before is whole: make room, or make {self.path} writable, and go on with resume (--resume)"
            ) from error

    def _prune(self) -> None:
        for path in checkpoints(self.path)[:-KEPT]:
            _remove(path)

    def _derive(self, progress: Progress, controller: Controller | None, *, best_changed: bool) -> None:
        if progress.best is not None and best_changed:
            best = progress.best
            about = {
                "what": "state of the best member",
                "round": best.round,
                "reward": best.reward,
                "weights": best.weights,
                "losses": list(best.weights),
            }
            save_state(self.path / BEST, best.state, about=about)
        schedule.save_schedule(self.path / schedule.FILE_NAME, journal.schedule_of(progress.journal))
        if controller is not None:
            save_controller(self.path / CONTROLLER, controller)

    def _holds(self, best: Best | None) -> bool:
        """Whether the file of the best state is whole and of this one; that of a run that has ended says more of it."""
        path = self.path / BEST
        try:
            load_state(path)
            about = read_about(path)
            beside = json.loads(path.with_suffix(".json").read_bytes())
        except (RunError, OSError, ValueError, RecursionError):
            return False
        there = (about.get("round"), about.get("reward"))
        return best is not None and about == beside and there == (best.round, best.reward)

    def _packed(self, progress: Progress) -> dict[str, Any]:
        """States that are one object are stored once."""
        unique: list[dict[str, Any]] = []
        assert progress.best is not None
        places = [_place(unique, state) for state in [*progress.states, progress.best.state]]
        return {
            "round": progress.journal[-1]["round"],
            "states": unique,
            "places": places[:-1],
            "parents": progress.parents,
            "best": {
                "place": places[-1],
                "round": progress.best.round,
                "reward": progress.best.reward,
                "weights": progress.best.weights,
            },
            "strategy": progress.strategy,
        }

    def _unpacked(self, content: Any) -> Progress:
        """The progress that a checkpoint holds, its journal still empty. Raises RunError when it is none."""
        try:
            if not isinstance(content["round"], int):
                raise TypeError("its round is no number")
            states, best = content["states"], content["best"]
            return Progress(
                journal=[],
                states=[states[place] for place in content["places"]],
                parents=content["parents"],
                best=Best(
                    state=states[best["place"]], round=best["round"], reward=best["reward"], weights=best["weights"]
                ),
                strategy=content["strategy"],
            )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise RunError(f"a checkpoint in {self.path} holds no search ({type(error).__name__}: {error})") from None

    def _refuse_others(self) -> None:
        """Refuse to write over what is not of this search."""
        if not self._resume or self.path.is_file():
            refuse_used(self.path)
            return
        self._refuse_links()
        self._check_identity()
        # The journal is written first, so where there is none, no search has begun.
        begun = bool(checkpoints(self.path)) or (self.path / journal.FILE_NAME).exists()
        if not begun and (used := _used(self.path, ALLOWED_BEFORE | ALLOWED_AT_RESUME)):
            raise RunError(f"{self.path} holds {used[0]}, but no search to go on with; name another folder")

    def _refuse_links(self) -> None:
        """A link in a folder that somebody else has made would have us append or delete somewhere else."""
        for entry in [*self.path.glob("*"), *(self.path / CHECKPOINTS).glob("*")]:
            if entry.is_symlink():
                raise RunError(f"{entry} leads out of the run folder; put what it stands for in its place to go on")

    def _check_identity(self) -> None:
        for path in reversed(checkpoints(self.path)):
            try:
                stored = read_about(path)
            except RunError:
                continue
            if (difference := self._difference(stored)) is not None:
                key, there, asked = difference
                raise RunError(
                    f"{self.path} holds a search with {key} = {json.dumps(there)}, asked for is "
                    f"{json.dumps(asked)}; resume with the same, or name another folder"
                )
            return

    def _difference(self, stored: dict[str, Any]) -> tuple[str, Any, Any] | None:
        """What was asked of a search otherwise than of this one: its name, and both values; None where nothing was."""
        for key in dict.fromkeys([*self._identity, *stored]):
            there, asked = _differing(stored.get(key), self._identity.get(key))
            if there != asked:
                return key, there, asked
        return None


def checkpoints(path: Path) -> list[Path]:
    """The checkpoints in a run folder, by round; one that is damaged too."""
    return sorted((path / CHECKPOINTS).glob("round-*.safetensors"), key=_round_of)


def strategy_state(path: Path) -> dict[str, Any]:
    """The state of the strategy of the search in a run folder, without those of its members; empty if none is there."""
    for checkpoint in reversed(checkpoints(path)):
        try:
            state = load_entry(checkpoint, "strategy")
        except RunError:
            continue
        if isinstance(state, dict):
            return state
    return {}


def refuse_used(path: Path, *, resume: bool = False) -> None:
    """Refuse a path at which a new run would overwrite something.

    Args:
        path: of the run folder.
        resume: whether one is looked for there.

    Raises:
        RunError: it is a file, or a folder that holds more than settings and names of pictures.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; name a folder for the run")
    if used := _used(path, ALLOWED_BEFORE):
        if resume:
            raise RunError(f"{path} holds {used[0]}, but no run to go on with; name the folder of the run")
        raise RunError(f"{path} exists already and holds {used[0]}; resume it, or name another folder for a new run")


def _used(path: Path, allowed: set[str]) -> list[str]:
    """Names of what a folder holds beside what is allowed and what a kill has left of it."""
    entries = path.iterdir() if path.is_dir() else ()
    return sorted(entry.name for entry in entries if entry.name not in allowed and not is_leftover(entry, WRITTEN))


def _place(unique: list[dict[str, Any]], state: dict[str, Any]) -> int:
    for place, known in enumerate(unique):
        if known is state:
            return place
    unique.append(state)
    return len(unique) - 1


def _round_of(checkpoint: Path) -> int:
    digits = checkpoint.stem.removeprefix("round-")
    return int(digits) if digits.isdecimal() else -1


def _remove(checkpoint: Path) -> None:
    # The state last: it is what is looked for, so what a kill in between leaves is removed the next time.
    checkpoint.with_suffix(".json").unlink(missing_ok=True)
    checkpoint.unlink(missing_ok=True)


def _differing(one: Any, other: Any) -> tuple[Any, Any]:
    """Both, and of two dicts the entries that differ; one that is None, or as in `BEFORE`, is as good as one that is
    not there."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return one, other
    one, other = ({**{key: BEFORE[key] for key in BEFORE if key in {**one, **other}}, **each} for each in (one, other))
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    return {key: one.get(key) for key in keys}, {key: other.get(key) for key in keys}
