"""A user's own function of the epoch, named on the command line as FILE.py:FUNCTION."""

import runpy
from pathlib import Path

from ada_segment.errors import AdaSegmentError, ConfigError
from ada_segment.population.schedule import Schedule, check_schedule


def is_function(weights: str) -> bool:
    """Whether `weights` names a function in a Python file."""
    file, colon, name = weights.rpartition(":")
    return bool(colon) and file.endswith(".py") and name.isidentifier()


def scheduled(weights: str, *, rounds: int, epochs_per_round: int) -> Schedule:
    """What the function gives for the first epoch of each round: the weight of each loss, by name.

    The file is run: name only files that you would run yourself.

    Raises:
        ConfigError: the file cannot be run, holds no such function, or the function fails.
        LossError: a weight is not usable, or names differ between rounds.
    """
    file, _, name = weights.rpartition(":")
    if not Path(file).is_file():
        raise ConfigError(f"weights = {weights}: there is no file {file}")
    try:
        function = runpy.run_path(file).get(name)
        if not callable(function):
            raise ConfigError(f"weights = {weights}: {file} holds no function {name}")
        entries = [function(round * epochs_per_round) for round in range(rounds)]
    except AdaSegmentError:
        raise
    except Exception as error:
        raise ConfigError(f"weights = {weights}: {type(error).__name__}: {error}") from error
    return check_schedule(entries, what=weights)
