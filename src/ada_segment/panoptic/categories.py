"""The classes of a panoptic dataset, and the contiguous labels that networks count in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ada_segment.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class Category:
    """One class: `id` as the annotation file has it, `name`, and whether it is a thing (countable) or stuff."""

    id: int
    name: str
    isthing: bool


class Categories:
    """The classes of one dataset, in the order of their ids.

    Networks count contiguously: thing labels 1..T (0 is the background of the box head), stuff labels 1..S (0 is the
    single class "things" of Panoptic FPN's semantic branch, Kirillov et al. 2019, section 4.1).

    Raises:
        DataError: two classes share an id, or an id is negative.
    """

    def __init__(self, categories: Iterable[Category]) -> None:
        self._all = tuple(sorted(categories, key=lambda category: category.id))
        self._by_id = {category.id: category for category in self._all}
        if len(self._by_id) != len(self._all):
            ids = [category.id for category in self._all]
            twice = sorted({i for i in ids if ids.count(i) > 1})
            raise DataError(f"category ids are used twice: {twice}; give each category an id of its own")
        if any(category.id < 0 for category in self._all):
            raise DataError(f"category id {self._all[0].id} is negative; category ids start at 0")
        self.things = tuple(category for category in self._all if category.isthing)
        self.stuff = tuple(category for category in self._all if not category.isthing)
        self.thing_ids = frozenset(category.id for category in self.things)
        self._thing_label = {category.id: label for label, category in enumerate(self.things, start=1)}
        self._stuff_label = {category.id: label for label, category in enumerate(self.stuff, start=1)}

    def __iter__(self) -> Iterator[Category]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, category_id: object) -> bool:
        return category_id in self._by_id

    def __getitem__(self, category_id: int) -> Category:
        return self._by_id[category_id]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Categories) and self._all == other._all

    def __hash__(self) -> int:
        return hash(self._all)

    def thing_label(self, category_id: int) -> int:
        """Contiguous label in 1..T of a thing class."""
        return self._thing_label[category_id]

    def stuff_label(self, category_id: int) -> int:
        """Contiguous label in 1..S of a stuff class."""
        return self._stuff_label[category_id]

    def to_json(self) -> list[dict[str, object]]:
        """The `categories` list of a COCO panoptic file."""
        return [{"id": c.id, "name": c.name, "isthing": int(c.isthing)} for c in self._all]


def check_both_kinds(categories: Categories) -> None:
    """Raises ConfigError unless there is a class of things and one of stuff, as panoptic models need."""
    if not categories.things or not categories.stuff:
        kind = "stuff" if categories.things else "thing"
        raise ConfigError(f"the data declares no {kind} class; a panoptic model needs things and stuff")
