"""Masks of numbers as PNG: classes or instances, whatever kind of PNG they come in."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ada_segment.data.picture import BROKEN, unreadable
from ada_segment.data.problems import FileError

_SINGLE = {"1", "L", "P", "I", "I;16", "I;16L", "I;16B"}
_LOSSY = {"JPEG", "JPEG2000", "MPO", "WEBP", "AVIF"}
"""Formats, of whatever name their file is, whose numbers are not those that were written."""
_CHANGED = {"RGB;16B", "RGBA;16B", "LA;16B", "L;2", "L;4"}
"""What Pillow reads the upper bytes of, or stretches to 8 bits."""


def read_labels(path: Path) -> NDArray[np.int32]:
    """The numbers of a mask, [H, W] int32: grey values, palette indices, or R + 256 G + 65536 B of a coloured one.

    Raises:
        FileError: it is missing, damaged or of another kind.
    """
    try:
        with Image.open(path) as image:
            kind, mode, stored = image.format, image.mode, image.tile[0].args if image.tile else ""
            pixels = np.asarray(image)
    except BROKEN as error:
        raise unreadable(path, error) from None
    if kind in _LOSSY:
        raise FileError(path, f"is {kind} data, whose numbers do not arrive as they were written", "save it as PNG")
    if stored in _CHANGED:
        fix = "save it as grey of 8 or 16 bits, as a palette, or as colours of 8 bits"
        raise FileError(path, f"is a PNG of kind {stored}, whose numbers do not arrive as they were written", fix)
    if mode in _SINGLE:
        return pixels.astype(np.int32)
    if mode not in ("RGB", "RGBA"):
        raise FileError(path, f"is a picture of mode {mode}", "save it as a grey, palette or RGB PNG")
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):  # grey, saved as colours
        return red
    return red + 256 * green + 65536 * blue


def regions(numbers: NDArray[np.int32]) -> dict[int, NDArray[np.intp]]:
    """Where each number but 0 lies: indices into the flattened mask."""
    flat = numbers.ravel()
    order = np.argsort(flat, kind="stable")
    values, starts = np.unique(flat[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {value: part for value, part in zip(values.tolist(), parts, strict=True) if value}
