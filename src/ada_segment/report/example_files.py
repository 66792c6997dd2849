"""The test pictures that a run has kept: the PQ of each, and drawings of some. Written by runs/examples.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ada_segment.errors import RunError

FILE_NAME = "examples.json"
FOLDER = "examples"
CELL = 320  # px, width of each of the three pictures of a strip: picture, truth, prediction


@dataclass(frozen=True, slots=True)
class Example:
    """One test picture.

    Attributes:
        place: among all test pictures.
        name: file name of the picture.
        pq: its panoptic quality in [0, 1].
        strip: the drawing, picture, truth and prediction side by side; None where it was not drawn.
    """

    place: int
    name: str
    pq: float
    strip: Path | None

    def cells(self) -> list[Image.Image]:
        """Picture, truth, prediction. Raises RunError when the drawing cannot be read."""
        assert self.strip is not None
        try:
            with Image.open(self.strip) as opened:
                strip = opened.convert("RGB")
        except OSError as error:
            raise RunError(f"{self.strip} is no picture that can be read ({error}); delete {FILE_NAME}") from None
        width = strip.width // 3
        return [strip.crop((width * place, 0, width * (place + 1), strip.height)) for place in range(3)]


def parse_examples(run: Path, content: Mapping[str, Any] | None) -> tuple[Example, ...]:
    """The pictures of a run's examples.json that have a PQ, in order; none where there is no such file.

    Without a segment in truth or prediction there is no PQ, and nothing that went well or badly.

    Raises:
        RunError: the file holds something else.
    """
    try:
        return tuple(
            Example(
                place=place,
                name=str(picture["name"]),
                pq=float(picture["pq"]),
                strip=run / picture["drawn"] if picture.get("drawn") else None,
            )
            for place, picture in enumerate((content or {}).get("pictures", ()))
            if picture["pq"] is not None
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run / FILE_NAME} is malformed ({error}); delete it, or let the run end again") from None


def worst(examples: tuple[Example, ...], count: int) -> list[Example]:
    """Of those that were drawn, the ones of the lowest PQ."""
    return sorted((one for one in examples if one.strip is not None), key=lambda one: one.pq)[:count]


def best(examples: tuple[Example, ...], count: int) -> list[Example]:
    """Of those that were drawn, the ones of the highest PQ."""
    return sorted((one for one in examples if one.strip is not None), key=lambda one: -one.pq)[:count]


def improved(examples: tuple[Example, ...], others: tuple[Example, ...], count: int) -> list[tuple[Example, Example]]:
    """Of the pictures that both runs drew, those that gained most PQ over the other run, with the other's."""
    theirs = {one.name: one for one in others if one.strip is not None}
    both = [(one, theirs[one.name]) for one in examples if one.strip is not None and one.name in theirs]
    gained = [pair for pair in both if pair[0].pq > pair[1].pq]
    return sorted(gained, key=lambda pair: pair[1].pq - pair[0].pq)[:count]
