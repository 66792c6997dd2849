"""Pictures in, pictures out: JPEG, PNG and whatever else Pillow reads."""

import os
import struct
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, IMAGELENGTH, IMAGEWIDTH, PHOTOMETRIC_INTERPRETATION, TiffImageFile
from torch import Tensor

from ada_segment.data.problems import FileError
from ada_segment.storage import write_whole

# Once for all: Pillow refuses more than 179 million pixels, and half as many are a large picture, not an attack.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises on files that are not what they seem."""

TURNED_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""By EXIF orientation."""

STORED_TURNED = "is shown turned or mirrored by viewers (EXIF orientation), but read as it is stored"
STORE_UPRIGHT = "store the picture upright, as its segments were drawn"
"""What is said of a picture that `is_turned_from` the size of its segments, and the way out."""


def read_picture(path: Path) -> Tensor:
    """A picture as [3, H, W] uint8 RGB; of 16 bits the upper 8. It is not turned by what a camera noted, as annotations
    are not either.

    Raises:
        FileError: it is missing or unreadable, or has more than 16 bits.
    """
    try:
        # By its name Pillow would map a TIFF into memory, with its sides exchanged where it is to be turned.
        with path.open("rb") as file, Image.open(file) as image:
            _refuse_unbounded(path, image)
            turn_back = _turn_back(image)  # before the pixels are read, after which it is forgotten
            eight = _upper_8_bits(image) if _has_16_bits(image) else image
            pixels = np.array((eight if turn_back is None else eight.transpose(turn_back)).convert("RGB"))
    except BROKEN as error:
        raise unreadable(path, error) from None
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_picture_size(path: Path) -> tuple[int, int]:
    """Height and width, from the header alone. Raises FileError like `read_picture`."""
    try:
        with Image.open(path) as image:
            if isinstance(image, TiffImageFile):  # whose size is that of what viewers show
                return image.tag_v2[IMAGELENGTH], image.tag_v2[IMAGEWIDTH]
            return image.height, image.width
    except BROKEN as error:
        raise unreadable(path, error) from None


def verify_picture(path: Path) -> None:
    """Read a picture to its end, at an eighth of its size where the format can. Raises like `read_picture`."""
    try:
        with Image.open(path) as image:
            _refuse_unbounded(path, image)
            image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
            image.load()
    except BROKEN as error:
        raise unreadable(path, error) from None


def is_turned(path: Path) -> bool:
    """Whether viewers show it turned or mirrored, as its camera noted. Raises FileError like `read_picture`."""
    try:
        with Image.open(path) as image:
            try:
                return image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
            except (*BROKEN, struct.error, LookupError):  # a block that viewers cannot read either
                return False
    except BROKEN as error:
        raise unreadable(path, error) from None


def is_turned_from(path: Path, size: tuple[int, int]) -> bool:
    """Whether viewers show a picture with that height and width, but it is stored with the two exchanged. Segments of
    that size were drawn on what viewers show. Raises FileError like `read_picture`."""
    return is_turned(path) and read_picture_size(path) == size[::-1] != size


def write_picture(path: Path, image: Tensor) -> None:
    """Write [3, H, W] uint8 RGB as a PNG; whole or not at all."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    write_whole(path, lambda temporary: picture.save(temporary, format="PNG"))


def _turn_back(image: Image.Image) -> Image.Transpose | None:
    """How to take back that Pillow turns a TIFF, but nothing else, as its camera noted."""
    if not isinstance(image, TiffImageFile):
        return None
    return TURNED_BACK.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def _upper_8_bits(image: Image.Image) -> Image.Image:
    """Grey of up to 16 bits. What Pillow makes of it is white wherever it is above 255, and of a TIFF it looks neither
    at how many of the bits are used nor at which end is white."""
    bits, white_is_0 = 16, False
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(BITSPERSAMPLE, (bits,))[0]
        white_is_0 = image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
    upper = (np.asarray(image) >> max(bits - 8, 0)).astype(np.uint8)
    return Image.fromarray(255 - upper if white_is_0 else upper)


def _has_16_bits(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")


def _refuse_unbounded(path: Path, image: Image.Image) -> None:
    """Refuse whole numbers of 32 bits and fractions, of which nobody knows which is white."""
    if image.mode in ("I", "F") and not _has_16_bits(image):
        kind = "whole numbers of 32 bits" if image.mode == "I" else "fractions"
        raise FileError(path, f"holds {kind}, of which it is not known which is white", "save it with 8 or 16 bits")


def unreadable(path: Path, error: Exception) -> FileError:
    """What is said of a file at which Pillow raised one of `BROKEN`."""
    if isinstance(error, Image.DecompressionBombError):
        return FileError(
            path, "has more pixels than are opened (179 million)", "cut it into parts, or store it smaller"
        )
    if isinstance(error, IsADirectoryError):
        return FileError(path, "is a folder", "name the picture itself")
    if isinstance(error, OSError) and error.errno is not None:
        why = os.strerror(error.errno)
    elif isinstance(error, UnidentifiedImageError):
        why = "no picture format is recognised"
    else:
        why = str(error)
    return FileError(path, f"cannot be read ({why})", "restore the file")
