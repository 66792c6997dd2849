"""What can be wrong with a dataset, said so that it can be mended."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ada_segment.errors import DataError


class FileError(DataError):
    """One file is at fault; the parts of the text are kept, so that it can become a `Problem`.

    Args:
        file: the file at fault.
        message: what is wrong, a sentence without its subject.
        fix: what to do about it.
    """

    def __init__(self, file: Path, message: str, fix: str) -> None:
        super().__init__(f"{file} {message}; {fix}")
        self.file = file
        self.message = message
        self.fix = fix

    def __reduce__(self) -> tuple[type["FileError"], tuple[Path, str, str]]:
        return type(self), (self.file, self.message, self.fix)  # exceptions are built again from their text alone


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: a few words that are the same for all problems of this sort, "missing picture" for one.
        file: the file at fault.
        message: what is wrong, a sentence without its subject, which is the file.
        fix: what to do about it.
        fatal: whether nothing can be learned from data with it; others, a wrong area for one, are looked over.
    """

    kind: str
    file: str
    message: str
    fix: str
    fatal: bool = True

    @classmethod
    def of(cls, error: FileError, kind: str) -> "Problem":
        """The problem that an error tells of."""
        return cls(kind=kind, file=str(error.file), message=error.message, fix=error.fix)

    def __str__(self) -> str:
        return f"{self.file} {self.message}; {self.fix}"


def refuse_fatal(problems: Sequence[Problem], *, checked: bool = True) -> None:
    """Raise the first fatal problem, with the count of the others.

    Args:
        checked: whether they are of a dataset, which `ada-segment data check` can look at.

    Raises:
        DataError: one of the problems is fatal.
    """
    fatal = [problem for problem in problems if problem.fatal]
    if not fatal:
        return
    text = str(fatal[0])
    if others := len(fatal) - 1:
        where = ": `ada-segment data check DIR` lists them all" if checked else " in this file"
        text += f" (and {others} more {'problem' if others == 1 else 'problems'}{where})"
    raise DataError(text)


def group(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    """The problems by kind, the most frequent kind first, each in the order in which they were found."""
    counts = Counter(problem.kind for problem in problems)
    return {kind: [problem for problem in problems if problem.kind == kind] for kind, _ in counts.most_common()}
