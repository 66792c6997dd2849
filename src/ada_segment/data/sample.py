"""One picture with its truth, and what any dataset of them offers."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture with its truth.

    Attributes:
        image: [3, H, W] uint8, RGB.
        truth: segments of the same H and W.
        name: file name of the picture.
    """

    image: Tensor
    truth: PanopticMap
    name: str


class PanopticDataset(Protocol):
    """Pictures with their truth, by index; every look at an index gives the same."""

    @property
    def categories(self) -> Categories:
        """The classes, whether or not each occurs."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...
