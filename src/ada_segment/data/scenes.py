"""Generated scenes: textured ground under lit, overlapping shapes; a dataset without files."""

import torch

from ada_segment.data.sample import Sample
from ada_segment.data.scene_painter import CATEGORIES, paint
from ada_segment.panoptic.categories import Categories

SPLITS = ("train", "test")
CACHE_BYTES = 512 * 2**20


class Scenes:
    """Scenes drawn from (seed, split, index) alone: the same on every machine but for rounding, none in two splits.

    Pictures are kept in memory once drawn, up to half a gigabyte, since every epoch looks at them again.

    Args:
        size: height and width in pixels. The same scene at another size looks about the same.
        count: number of scenes.
        seed: of all scenes.
        split: "train" or "test".
    """

    def __init__(self, *, size: int = 64, count: int = 500, seed: int = 0, split: str = "train") -> None:
        if split not in SPLITS:
            raise ValueError(f"split {split!r} of the scenes is unknown; there are {' and '.join(SPLITS)}")
        if size < 16 or count < 1:
            raise ValueError(f"scenes have at least 16 pixels and number at least 1, not size={size}, count={count}")
        self.size = size
        self.count = count
        self.seed = seed
        self.split = split
        self._drawn: dict[int, Sample] = {}
        self._most = CACHE_BYTES // (7 * size * size)  # bytes of a picture (3) and its ids (4)

    @property
    def categories(self) -> Categories:
        return CATEGORIES

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(f"scene {index} is not among the {self.count}")
        sample = self._drawn.get(index)
        if sample is None:
            picture, truth = paint(size=self.size, seed=(self.seed, SPLITS.index(self.split), index))
            image = torch.from_numpy(picture).permute(2, 0, 1).contiguous()
            sample = Sample(image=image, truth=truth, name=f"{self.split}-{index:06d}.png")
            if len(self._drawn) < self._most:
                self._drawn[index] = sample
        return sample
