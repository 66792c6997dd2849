"""One panoptic map out of a mask of classes and instances that may overlap."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ada_segment.data.convert.left_out import LeftOut
from ada_segment.errors import ConfigError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.panoptic.recount import recount

Overlap = Literal["area", "order"]
"""Which of two instances gets the pixels of both: the smaller one, or the one given later."""

VOID = -1


def read_overlap(rule: str) -> Overlap:
    """The rule of that name. Raises ConfigError when there is none."""
    if rule == "area":
        return "area"
    if rule == "order":
        return "order"
    raise ConfigError(f"overlap rule {rule!r} is unknown; there are area and order")


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One instance before composing.

    Attributes:
        category_id: its class.
        pixels: [N] indices into the flattened picture.
        iscrowd: a group not told apart.
    """

    category_id: int
    pixels: NDArray[np.intp]
    iscrowd: bool = False


def compose(
    labels: NDArray[np.integer],
    instances: Sequence[Instance],
    categories: Categories,
    *,
    overlap: Overlap,
    left_out: LeftOut,
    picture: str,
    void: Collection[int] = (),
) -> PanopticMap:
    """Stuff from `labels`, instances over it, each with an id of its own from 1 on.

    Crowds are painted first, then instances: by falling area ("area"), so that the smaller of two lies on top, or in
    the order given ("order"), so that the later one does. A thing's pixels in `labels` without an instance become void.

    Args:
        labels: [H, W] category ids; VOID or a value in `void` for none.
        instances: in any order; their classes are things.
        left_out: is told of all that is in the input but not in the map.
        picture: its name, for `left_out`.
    """
    ids = np.zeros(labels.size, dtype=np.int32)
    flat = labels.ravel()
    segments = _paint_stuff(ids, flat, categories)
    regions = ids.copy()
    painted = []
    for instance in sorted(
        _usable(instances, categories, left_out, picture), key=lambda instance: _rank(instance, overlap)
    ):
        segments.append(_segment(len(segments) + 1, instance))
        painted.append(instance)
        ids[instance.pixels] = segments[-1].id
    _note_labels(flat, ids, categories, void=void, left_out=left_out, picture=picture)
    _note_hidden(regions, ids, painted, segments, left_out=left_out, picture=picture)
    return recount(ids.reshape(labels.shape), segments)


def _paint_stuff(ids: NDArray[np.int32], flat: NDArray[np.integer], categories: Categories) -> list[Segment]:
    segments: list[Segment] = []
    present = set(np.unique(flat).tolist())
    for category in categories.stuff:
        if category.id in present:
            segments.append(Segment(id=len(segments) + 1, category_id=category.id, isthing=False))
            ids[flat == category.id] = segments[-1].id
    return segments


def _segment(number: int, instance: Instance) -> Segment:
    return Segment(id=number, category_id=instance.category_id, isthing=True, iscrowd=instance.iscrowd)


def _rank(instance: Instance, overlap: Overlap) -> tuple[bool, int]:
    """Sorting by it is stable, so equal ranks keep the order given."""
    return not instance.iscrowd, -len(instance.pixels) if overlap == "area" else 0


def _usable(instances: Sequence[Instance], categories: Categories, left_out: LeftOut, picture: str) -> list[Instance]:
    usable = []
    for instance in instances:
        if instance.category_id not in categories:
            left_out.add("instances of a class that is not declared", 1, f"{picture}: class {instance.category_id}")
        elif not categories[instance.category_id].isthing:
            left_out.add("instances of a stuff class", 1, f"{picture}: {categories[instance.category_id].name}")
        elif not len(instance.pixels):
            left_out.add("instances without a pixel", 1, f"{picture}: {categories[instance.category_id].name}")
        else:
            usable.append(instance)
    return usable


def _note_labels(
    flat: NDArray[np.integer],
    ids: NDArray[np.int32],
    categories: Categories,
    *,
    void: Collection[int],
    left_out: LeftOut,
    picture: str,
) -> None:
    """Labelled pixels that are in no segment."""
    values, counts = np.unique(flat[ids == 0], return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value in categories:
            what = "pixels of a thing class in no instance, now void"
            left_out.add(what, count, f"{picture}: {categories[value].name}")
        elif value != VOID and value not in void:
            left_out.add("pixels of a value that no class has, now void", count, f"{picture}: value {value}")


def _note_hidden(
    regions: NDArray[np.int32],
    ids: NDArray[np.int32],
    painted: Sequence[Instance],
    segments: Sequence[Segment],
    *,
    left_out: LeftOut,
    picture: str,
) -> None:
    """Pixels and whole segments that lie under others."""
    left = np.bincount(ids, minlength=len(segments) + 1)
    stuff = len(segments) - len(painted)
    left_out.add(
        "pixels of stuff under instances", int(np.count_nonzero(regions != np.where(ids > stuff, 0, ids))), picture
    )
    left_out.add("regions of stuff wholly under instances", int((left[1 : stuff + 1] == 0).sum()), picture)
    for segment, instance in zip(segments[stuff:], painted, strict=True):
        hidden = len(instance.pixels) - int(left[segment.id])
        left_out.add("pixels of instances under other instances", hidden, picture)
        left_out.add("instances wholly under others", int(left[segment.id] == 0), picture)
