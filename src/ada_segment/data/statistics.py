"""How often each class occurs in a split, counted from the pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from ada_segment.data.annotations import Picture
from ada_segment.panoptic.categories import Categories


@dataclass(slots=True)
class ClassCount:
    """Of one class: pictures that show it, segments (crowds are not among them), crowds, and pixels of both."""

    pictures: int = 0
    segments: int = 0
    crowds: int = 0
    pixels: int = 0


@dataclass(slots=True)
class Tally:
    """Of one split; may be added to from several threads.

    Attributes:
        categories: the classes of the split.
        pictures, pixels, void: pictures counted, all their pixels, and those in no segment.
        classes: by category id; classes that do not occur are absent.
    """

    categories: Categories = field(default_factory=lambda: Categories([]))
    pictures: int = 0
    pixels: int = 0
    void: int = 0
    classes: dict[int, ClassCount] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def add(self, picture: Picture, counted: Mapping[int, int]) -> None:
        """Count a picture. counted: pixels of each id of its PNG; segments that it lacks are not counted."""
        with self._lock:
            self.pictures += 1
            self.pixels += sum(counted.values())
            self.void += counted.get(0, 0)
            seen = set()
            for segment in picture.segments:
                if segment.id in counted:
                    count = self.classes.setdefault(segment.category_id, ClassCount())
                    count.pictures += segment.category_id not in seen
                    count.crowds += segment.iscrowd
                    count.segments += not segment.iscrowd
                    count.pixels += counted[segment.id]
                    seen.add(segment.category_id)
