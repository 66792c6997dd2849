"""The pictures of a run's splits by name, kept so that a run does not go on with others."""

import json
from pathlib import Path

from ada_segment.data.settings import SCENES, DataSettings
from ada_segment.data.splits import Splits
from ada_segment.data.writing import picture_names
from ada_segment.errors import RunError
from ada_segment.population.run_folder import CHECKPOINTS
from ada_segment.report.run_files import SPLITS
from ada_segment.storage import write_json

PARTS = ("train", "reward", "test")

Names = dict[str, list[str]]
"""File names of the pictures of train, reward and test, in order; empty of scenes, which their settings tell."""


def names_of(splits: Splits, settings: DataSettings) -> Names:
    """The names of the pictures of a run."""
    if settings.source == SCENES:
        return {}
    return {part: picture_names(getattr(splits, part)) for part in PARTS}


def write_names(run: Path, names: Names) -> None:
    """Write the names to the run folder, unless something was learned from those that are there."""
    if names and not (_has_learned(run) and (run / SPLITS).exists()):
        write_json(run / SPLITS, names)


def check_names(run: Path, names: Names, *, source: str) -> None:
    """Refuse to go on with a run on other pictures. A run from before names were kept goes on.

    Args:
        run: the run folder.
        names: of the pictures that are there now.
        source: their folder.

    Raises:
        RunError: says of which split, how many it had and has, and the first picture that is another.
    """
    if not names or not _has_learned(run) or not (run / SPLITS).exists():
        return
    kept = _read(run / SPLITS)
    for part in PARTS:
        if kept[part] != names[part]:
            raise RunError(
                f"{_other(run, part, kept, names, source=source)} to resume it, or name another folder for a new run"
            )


def check_part(run: Path, part: str, names: list[str], *, source: str) -> None:
    """Refuse to take other pictures than those of one part of a run for them. Arguments and errors like `check_names`.

    Args:
        part: train, reward or test.
    """
    if not (run / SPLITS).exists():
        return
    kept = _read(run / SPLITS)
    if kept[part] != names:
        raise RunError(
            f"{_other(run, part, kept, {part: names}, source=source)}, or name the folder with --data to take what is "
            f"there now"
        )


def _other(run: Path, part: str, kept: Names, names: Names, *, source: str) -> str:
    return (
        f"{run} was started with {len(kept[part])} {part} pictures, and data.source = {source} gives "
        f"{len(names[part])} now: {_change(part, kept, names)}. Put the pictures and their annotations back as they "
        "were"
    )


def _has_learned(run: Path) -> bool:
    """Whether a state is there that has learned from pictures, of a round or of a part of one."""
    return any((run / CHECKPOINTS).glob("*.safetensors"))


def _change(part: str, kept: Names, names: Names) -> str:
    before, now = set(kept[part]), set(names[part])
    came = next((name for name in names[part] if name not in before), None)
    went = next((name for name in kept[part] if name not in now), None)
    # Train and reward are of one folder; in that of the test a name stands for another picture.
    other = {"train": "reward", "reward": "train"}.get(part)
    said = []
    if came is not None:
        said.append(f"{came} was a {other} picture" if other and came in kept[other] else f"{came} is new")
    if went is not None:
        said.append(f"{went} is a {other} picture now" if went in names.get(other or "", ()) else f"{went} is gone")
    return " and ".join(said) or "they come in another order"


def _read(file: Path) -> Names:
    try:
        content = json.loads(file.read_bytes())
        names = {part: list(map(str, content[part])) for part in PARTS}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise RunError(
            f"{file} cannot be read ({type(error).__name__}: {error}); restore it, or delete it to go on with the "
            f"pictures that are there now"
        ) from None
    return names
