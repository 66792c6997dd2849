"""Which class each numbered object has, in a semantic mask whose borders may be others."""

import numpy as np
from numpy.typing import NDArray

from ada_segment.data.convert.compose import Instance
from ada_segment.data.convert.label_mask import regions
from ada_segment.data.convert.left_out import LeftOut
from ada_segment.panoptic.categories import Categories


def number_instances(
    numbers: NDArray[np.int32],
    labels: NDArray[np.int32],
    categories: Categories,
    *,
    left_out: LeftOut,
    picture: str,
) -> list[Instance]:
    """The instances of a mask of numbers, where 0 is none: each has the class that most of its pixels have.

    The borders of the two masks may disagree, so pixels of another thing go with the instance and are counted. But
    numbers that begin anew in each class stand on several objects: a thing with at least half as many pixels as the
    first, or that touches it nowhere, is no border. Then each class has an instance of exactly its pixels, and the
    number's others stay what the semantic mask says.

    Args:
        numbers, labels: [H, W], the numbers and the category ids.
        left_out: is told what has become of pixels that the vote did not go by.
        picture: its name, for `left_out`.
    """
    found = []
    for number, pixels in regions(numbers).items():
        here = labels.ravel()[pixels]
        values, counts = np.unique(here, return_counts=True)
        first = int(values[counts.argmax()])
        if first not in categories.thing_ids:
            what = "instances on pixels that are mostly of no thing class"
            left_out.add(what, 1, f"{picture}: instance {number}, value {first}")
            continue
        count = dict(zip(values.tolist(), counts.tolist(), strict=True))
        others = [value for value in count if value in categories.thing_ids and value != first]
        apart = [
            value
            for value in others
            if 2 * count[value] >= count[first]
            or not _touch(pixels[here == value], pixels[here == first], labels.shape)
        ]
        if apart:
            names = " and ".join(categories[value].name for value in (first, *apart))
            what = "numbers on things of several classes, now an instance for each class"
            left_out.add(what, 1, f"{picture}: number {number}, {names}")
            found += [Instance(category_id=value, pixels=pixels[here == value]) for value in (first, *apart)]
            continue
        for value in others:
            what = "pixels of a thing within an instance of another class, now of that class"
            example = f"{picture}: instance {number}, {categories[value].name} in {categories[first].name}"
            left_out.add(what, count[value], example)
        found.append(Instance(category_id=first, pixels=pixels))
    return found


def _touch(some: NDArray[np.intp], others: NDArray[np.intp], shape: tuple[int, ...]) -> bool:
    """Whether a pixel of `some` is beside one of `others`, corners included; both index the flattened mask."""
    rows, columns = np.divmod(some, shape[1])
    top, left = rows.min() - 1, columns.min() - 1
    near = np.zeros((np.ptp(rows) + 3, np.ptp(columns) + 3), dtype=bool)
    for down in range(3):
        for right in range(3):
            near[rows - rows.min() + down, columns - columns.min() + right] = True
    other_rows, other_columns = np.divmod(others, shape[1])
    y, x = other_rows - top, other_columns - left
    inside = (y >= 0) & (y < near.shape[0]) & (x >= 0) & (x < near.shape[1])
    return bool(near[y[inside], x[inside]].any())
