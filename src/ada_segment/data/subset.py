"""Some pictures of a dataset, as a dataset."""

from collections.abc import Sequence

from ada_segment.data.sample import PanopticDataset, Sample
from ada_segment.panoptic.categories import Categories


class Subset:
    """The pictures of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: PanopticDataset, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = tuple(indices)

    @property
    def categories(self) -> Categories:
        return self.dataset.categories

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]
