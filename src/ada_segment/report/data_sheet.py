"""A sheet that shows a dataset: some pictures of each split beside their truth."""

from pathlib import Path

from PIL import Image

from ada_segment.data.annotations import read_annotations
from ada_segment.data.layout import find_split, list_splits
from ada_segment.data.maps import read_map
from ada_segment.data.picture import read_picture
from ada_segment.errors import ConfigError, DataError
from ada_segment.report.overlay import contact_sheet, sheet_row
from ada_segment.storage import write_whole


def sheet_kind(out: Path) -> str:
    """PNG or JPEG, by the ending. Raises ConfigError where it is that of neither."""
    kind = Image.registered_extensions().get(out.suffix.lower())
    if kind not in ("PNG", "JPEG"):
        raise ConfigError(f"{out} is no picture file; let its name end in .png or .jpg")
    return kind


def draw_data_sheet(folder: Path, out: Path, *, rows: int = 6) -> int:
    """Draw up to `rows` pictures of each split, spread evenly over it; what cannot be read is passed over.

    Args:
        folder: in COCO panoptic format.
        out: picture file to write, PNG or JPEG.
        rows: pictures a split.

    Returns:
        The number of pictures drawn.

    Raises:
        ConfigError: the ending of `out` is that of no picture.
        DataError: no picture of the folder can be read.
    """
    kind = sheet_kind(out)
    drawn, captions = [], []
    for split in list_splits(folder):
        try:
            files = find_split(folder, split)
        except DataError:
            continue
        annotations = read_annotations(files.annotations)
        left = rows
        for picture in annotations.pictures[:: max(1, len(annotations.pictures) // rows)]:
            try:
                image = read_picture(files.pictures / picture.file_name)
                truth = read_map(files.masks / picture.mask_name, picture, annotations=files.annotations)
                row = sheet_row(image, [truth], annotations.categories)
            except DataError:
                continue
            drawn.append(row)
            captions.append(f"{split}: {picture.file_name}, {len(truth.segments)} segments")
            left -= 1
            if not left:
                break
    if not drawn:
        raise DataError(f"no picture of {folder} can be drawn; `ada-segment data check {folder}` says why")
    sheet = contact_sheet(drawn, headings=("picture", "truth"), captions=captions)
    write_whole(out, lambda temporary: sheet.save(temporary, format=kind))
    return len(drawn)
