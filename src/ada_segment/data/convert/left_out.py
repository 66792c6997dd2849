"""What a conversion had to leave out, and why: nothing is lost silently."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class LeftOut:
    """How much was left out for each reason, and where it happened first.

    Attributes:
        counts: by reason, which names what is counted.
        first: by reason, the picture where it first happened, with what there is to say about it.
    """

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, count: int, example: str) -> None:
        """Note `count` of something, where it is not 0."""
        if count:
            self.counts[reason] = self.counts.get(reason, 0) + count
            self.first.setdefault(reason, example)


@dataclass(frozen=True, slots=True)
class Converted:
    """One split that was written.

    Attributes:
        split: its name.
        pictures, things, stuff, crowds: how many pictures, instances, regions of stuff and crowds it holds.
        left_out: what is not in it.
    """

    split: str
    pictures: int
    things: int
    stuff: int
    crowds: int
    left_out: LeftOut
