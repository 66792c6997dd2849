"""Pictures and truth from a folder in COCO panoptic format."""

from pathlib import Path

from ada_segment.data.check import check_files
from ada_segment.data.index import PictureIndex, open_index
from ada_segment.data.layout import find_split
from ada_segment.data.looked_at import LookedAt
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

    What is wrong with the files is found when the split is opened for the first time, or after they have changed; of a
    large split (more than DECODE_UP_TO pictures) a damaged file may only be found when it is its turn. Annotations are
    read through `index`, so that later starts are quick and processes share them.

    Args:
        folder: holds the annotations, PNGs and pictures.
        split: "train" or "val".
        decode: whether to read every file to its end at once; None: by the number of pictures.

    Raises:
        DataError: names the first file at fault, what is wrong and how to mend it, and the number of other problems.
    """

    def __init__(self, folder: Path | str, split: str, *, decode: bool | None = None) -> None:
        self.files = find_split(Path(folder), split)
        self.pictures: PictureIndex = open_index(self.files.annotations)
        decode = len(self.pictures) <= DECODE_UP_TO if decode is None else decode
        looked_at = LookedAt(self.pictures, self.files, decode=decode)
        if not looked_at.good:
            refuse_fatal(check_files(self.pictures, self.files, decode=decode))
            looked_at.remember()

    @property
    def categories(self) -> Categories:
        return self.pictures.categories

    @property
    def image_ids(self) -> dict[str, int]:
        """Image id of each picture by its file name, as the annotations have it."""
        names = map(self.pictures.file_name, range(len(self)))
        return dict(zip(names, self.pictures.image_ids, strict=True))

    def __len__(self) -> int:
        return len(self.pictures)

    def picture_path(self, index: int) -> Path:
        """The file of a picture."""
        return self.files.pictures / self.pictures.file_name(index)

    def __getitem__(self, index: int) -> Sample:
        """A picture and its truth.

        Raises:
            DataError: a file has been damaged since the split was opened, or was not read to its end then.
        """
        picture = self.pictures[index]
        image = read_picture(self.files.pictures / picture.file_name)
        path = self.files.masks / picture.mask_name
        truth = read_map(path, picture, annotations=self.files.annotations)
        if truth.ids.shape != image.shape[1:]:
            raise DataError(f"{path} has another size than {self.picture_path(index)}; draw it at the picture's size")
        return Sample(image=image, truth=truth, name=picture.file_name)
