"""Segment ids as colours of a PNG: id = R + 256 G + 65536 B, as COCO panoptic has it."""

import importlib
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ada_segment.data.picture import BROKEN, unreadable
from ada_segment.data.problems import FileError
from ada_segment.storage import write_whole


def _fast_decoder() -> Any:
    """The extra `fast-png`, about twice as fast as Pillow; None where it is absent."""
    try:
        return importlib.import_module("pyspng")
    except ImportError:
        return None


pyspng = _fast_decoder()

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_SAVE = "save it as RGB with 8 bits a channel, where a segment's id is R + 256 G + 65536 B"


def read_header(path: Path) -> tuple[int, int]:
    """Height and width of a PNG of ids, from its first 33 bytes.

    Raises:
        FileError: it is missing, no PNG, or not RGB with 8 bits a channel (alpha may follow and is not looked at).
    """
    try:
        with path.open("rb") as file:
            return _parse_header(path, file.read(33))
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})", "restore the file") from None


def read_ids(path: Path) -> NDArray[np.int32]:
    """Segment ids of a PNG, [H, W] int32 in 0..2^24 - 1.

    Raises:
        FileError: as `read_header`, or the file is damaged.
    """
    height, width, pixels = _read(path, _decode_ids)
    return pixels.reshape(height, width).astype(np.int32, copy=False)


def read_colours(path: Path) -> NDArray[np.uint8]:
    """The colours of a PNG of ids, [H, W, 3] uint8: less work than `read_ids`. Raises like it."""
    height, width, pixels = _read(path, _decode_colours)
    return pixels.reshape(height, width, 3)


def _read(path: Path, decode: Callable[[bytes], NDArray[Any]]) -> tuple[int, int, NDArray[Any]]:
    """Height, width and pixels."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})", "restore the file") from None
    height, width = _parse_header(path, data[:33])
    try:
        return height, width, decode(data)
    except Image.DecompressionBombError as error:
        raise unreadable(path, error) from None
    except (*BROKEN, RuntimeError) as error:
        raise FileError(path, f"is damaged ({error})", "restore the file") from None


def _decode_ids(data: bytes) -> NDArray[np.int32]:
    """Four bytes a pixel are one number; its last byte, alpha or not defined, is taken off."""
    if pyspng is not None:
        pixels: NDArray[np.int32] = pyspng.load(data, format="RGBA").view("<i4")
        pixels &= 0xFFFFFF
        return pixels
    with Image.open(io.BytesIO(data)) as image:
        return np.frombuffer(image.convert("RGB").tobytes("raw", "RGBX"), dtype="<i4") & 0xFFFFFF


def _decode_colours(data: bytes) -> NDArray[np.uint8]:
    if pyspng is not None:
        pixels: NDArray[np.uint8] = pyspng.load(data, format="RGB")
        return pixels
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _parse_header(path: Path, head: bytes) -> tuple[int, int]:
    if len(head) < 33 or not head.startswith(_SIGNATURE) or head[12:16] != b"IHDR":
        raise FileError(path, "is no PNG", _SAVE)
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    if bits != 8 or colour not in (2, 6):
        raise FileError(path, f"is a {_COLOUR_TYPES.get(colour, 'broken')} PNG of {bits} bits", _SAVE)
    return height, width


def write_ids(path: Path, ids: NDArray[np.int32]) -> None:
    """Write segment ids, [H, W] in 0..2^24 - 1, as a PNG; whole or not at all."""
    colours = np.ascontiguousarray(ids, dtype="<i4").view(np.uint8).reshape(*ids.shape, 4)[..., :3]
    image = Image.fromarray(np.ascontiguousarray(colours))
    write_whole(path, lambda temporary: image.save(temporary, format="PNG"))
