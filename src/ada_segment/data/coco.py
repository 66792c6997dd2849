"""Pictures and truth from a folder in COCO panoptic format."""

from pathlib import Path

from ada_segment.data.annotations import Annotations
from ada_segment.data.check import Progress, check_split
from ada_segment.data.layout import find_split
from ada_segment.data.maps import read_map
from ada_segment.data.picture import read_picture
from ada_segment.data.problems import refuse_fatal
from ada_segment.data.sample import Sample
from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories

DECODE_UP_TO = 5000
"""Splits up to this many pictures are read to the end when opened; of larger ones the headers only."""


class CocoPanoptic:
    """One split of a folder, in the simple layout or the official one (see `layout`).

    What is wrong with the files is found when the split is opened; of a large split (more than DECODE_UP_TO
    pictures) a damaged file may only be found when it is its turn.

    Args:
        folder: holds the annotations, PNGs and pictures.
        split: "train" or "val".
        decode: whether to read every file to its end at once; None: by the number of pictures.
        progress: told how many pictures have been looked at.

    Raises:
        DataError: names the first file at fault, what is wrong and how to mend it, and the number of other problems.
    """

    def __init__(
        self, folder: Path | str, split: str, *, decode: bool | None = None, progress: Progress | None = None
    ) -> None:
        self.files = find_split(Path(folder), split)
        # One look at the number of PNGs, before the annotations are read.
        small = sum(1 for _ in self.files.masks.iterdir()) <= DECODE_UP_TO
        annotations, problems = check_split(self.files, decode=small if decode is None else decode, progress=progress)
        refuse_fatal(problems)
        self._annotations = annotations

    @property
    def annotations(self) -> Annotations:
        return self._annotations

    @property
    def categories(self) -> Categories:
        return self._annotations.categories

    @property
    def image_ids(self) -> dict[str, int]:
        """Image id of each picture by its file name, as the annotations have it."""
        return {picture.file_name: picture.image_id for picture in self._annotations.pictures}

    def __len__(self) -> int:
        return len(self._annotations.pictures)

    def picture_path(self, index: int) -> Path:
        """The file of a picture."""
        return self.files.pictures / self._annotations.pictures[index].file_name

    def __getitem__(self, index: int) -> Sample:
        """A picture and its truth.

        Raises:
            DataError: a file has been damaged since the split was opened, or was not read to its end then.
        """
        picture = self._annotations.pictures[index]
        image = read_picture(self.picture_path(index))
        path = self.files.masks / picture.mask_name
        truth = read_map(path, picture, annotations=self.files.annotations)
        if truth.ids.shape != image.shape[1:]:
            raise DataError(f"{path} has another size than {self.picture_path(index)}; draw it at the picture's size")
        return Sample(image=image, truth=truth, name=picture.file_name)
