"""The map of one picture from its PNG and its annotation, which have to name the same segments."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ada_segment.data.annotations import Picture
from ada_segment.data.png import read_ids
from ada_segment.data.problems import Problem, refuse_fatal
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.recount import areas, with_areas


def read_map(path: Path, picture: Picture, *, annotations: Path) -> PanopticMap:
    """Read a PNG of ids; areas are counted from it.

    Args:
        path: the PNG.
        picture: what the annotations say of it.
        annotations: their file, for errors.

    Raises:
        DataError: the PNG is missing or damaged, or an id is in the one but not in the other.
    """
    ids = read_ids(path)
    counted = areas(ids)
    refuse_fatal(list(id_problems(counted, picture, mask=path, annotations=annotations)))
    return PanopticMap(ids=ids, segments=with_areas(picture.segments, counted))


def id_problems(counted: Mapping[int, int], picture: Picture, *, mask: Path, annotations: Path) -> Iterator[Problem]:
    """What PNG and annotation do not have in common. counted: pixels of each id of the PNG."""
    named = {segment.id for segment in picture.segments}
    if strangers := sorted(counted.keys() - named - {0}):
        yield Problem(
            kind="id missing in the JSON",
            file=str(mask),
            message=f"has pixels of ids {_some(strangers)} that segments_info in {annotations} lacks",
            fix="add the segments there, or draw those pixels as 0 (void)",
        )
    if empty := sorted(named - counted.keys()):
        yield Problem(
            kind="id missing in the PNG",
            file=str(annotations),
            message=f"lists segments {_some(empty)} of {picture.mask_name}, which have no pixel in {mask}",
            fix="take them out of segments_info, or draw them",
        )


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
