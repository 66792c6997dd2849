"""A panoptic map drawn over its picture, and sheets of such drawings side by side."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.report.colours import class_colours, instance_shade

LEGIBLE = 480  # px; smaller pictures are enlarged until the longer side reaches it
FONT_SIZES = (18, 14, 11)  # px, tried in turn
GAP = 10  # px between the cells of a sheet
INK, PAPER = (32, 32, 32), (255, 255, 255)


def draw_overlay(
    image: Tensor | NDArray[np.uint8],
    panoptic: PanopticMap,
    categories: Categories,
    *,
    alpha: float = 0.55,
    names: bool = True,
) -> Image.Image:
    """Draw the segments over a picture's light: stuff in one colour a class, things in a shade each, names inside.

    Void has no colour. A small picture is enlarged by an integer factor.

    Args:
        image: uint8, tensor [3, H, W] or array [H, W, 3], RGB.
        panoptic: map of the same H and W.
        categories: the classes of its segments.
        alpha: how much of the colour is seen, from 0 (the light of the picture alone) to 1.
        names: whether class names are written where they fit.

    Returns:
        RGB picture, [f H, f W] with the smallest integer f for which the longer side is legible.

    Raises:
        DataError: sizes or types do not fit, or a segment's class is unknown.
    """
    pixels = _as_array(image)
    if pixels.shape[:2] != panoptic.ids.shape:
        raise DataError(
            f"the picture is {pixels.shape[1]} x {pixels.shape[0]} and its panoptic map "
            f"{panoptic.ids.shape[1]} x {panoptic.ids.shape[0]}; give a map of the picture's own size"
        )
    factor = max(1, -(-LEGIBLE // max(pixels.shape[:2])))
    picture = Image.fromarray(pixels)
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)
    owners = _owners(panoptic).repeat(factor, axis=0).repeat(factor, axis=1)

    colours = np.array([(0, 0, 0), *_shades(panoptic.segments, categories)], dtype=np.uint8)
    # Of the picture its light alone: under colours of its own those of two classes may look alike, and one as several.
    light = picture.convert("L", (1 / 3, 1 / 3, 1 / 3, 0)).convert("RGB")
    coloured = Image.blend(light, Image.fromarray(colours[owners]), alpha)
    picture = Image.composite(coloured, light, Image.fromarray(owners != 0))
    picture.paste(PAPER, mask=Image.fromarray(_borders(owners, width=max(1, max(owners.shape) // 400))))
    if names:
        _write_names(picture, owners, panoptic.segments, categories)
    return picture


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]],
    *,
    headings: Sequence[str] = ("picture", "truth", "prediction"),
    captions: Sequence[str] | None = None,
    cell: int = LEGIBLE,
) -> Image.Image:
    """Pictures in rows under headings, each `cell` px wide, on white.

    Args:
        rows: pictures of any size, as many a row as there are headings.
        headings: what the columns show.
        captions: a line above each row, or none.
        cell: width of a picture, px; its height follows.

    Raises:
        ValueError: no rows, or a row, the headings and the captions differ in number.
    """
    if not rows or any(len(row) != len(headings) for row in rows):
        raise ValueError(f"a sheet wants rows of {len(headings)} pictures, one for each of {list(headings)}")
    if captions is not None and len(captions) != len(rows):
        raise ValueError(f"{len(captions)} captions for {len(rows)} rows")
    font, small = _font(20), _font(15)
    line = 24 if captions is not None else 0
    scaled = [[to_width(picture, cell) for picture in row] for row in rows]
    heights = [line + max(picture.height for picture in row) for row in scaled]
    size = (len(headings) * (cell + GAP) + GAP, 40 + sum(heights) + GAP * len(rows))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        pen.text((GAP + column * (cell + GAP), 8), heading, fill=INK, font=font)
    top = 40
    for place, (row, height) in enumerate(zip(scaled, heights, strict=True)):
        if captions is not None:
            pen.text((GAP, top), captions[place], fill=INK, font=small)
        for column, picture in enumerate(row):
            sheet.paste(picture, (GAP + column * (cell + GAP), top + line))
        top += height + GAP
    return sheet


def sheet_row(
    image: Tensor | NDArray[np.uint8], maps: Sequence[PanopticMap], categories: Categories
) -> list[Image.Image]:
    """The picture itself, then each map drawn over it. Raises DataError like `draw_overlay`."""
    return [as_picture(image), *(draw_overlay(image, one, categories) for one in maps)]


def as_picture(image: Tensor | NDArray[np.uint8]) -> Image.Image:
    """The picture itself, as `draw_overlay` takes it. Raises DataError like it."""
    return Image.fromarray(_as_array(image))


def _as_array(image: Tensor | NDArray[np.uint8]) -> NDArray[np.uint8]:
    array = image.permute(1, 2, 0).cpu().numpy() if isinstance(image, Tensor) and image.ndim == 3 else image
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise DataError(
            f"an overlay wants a picture of uint8, tensor [3, H, W] or array [H, W, 3], "
            f"not {type(image).__name__} {getattr(image, 'dtype', '')} {tuple(getattr(image, 'shape', ()))}"
        )
    return np.ascontiguousarray(array)


def _owners(panoptic: PanopticMap) -> NDArray[np.unsignedinteger]:
    """For each pixel the place of its segment among the segments, from 1, and 0 for void; [H, W]."""
    owners = np.zeros(panoptic.ids.shape, dtype=np.min_scalar_type(len(panoptic.segments)))
    for place, segment in enumerate(panoptic.segments, start=1):
        owners[panoptic.ids == segment.id] = place
    return owners


def _shades(segments: Sequence[Segment], categories: Categories) -> Iterator[tuple[int, int, int]]:
    colours = class_colours(categories)
    seen: Counter[int] = Counter()
    for segment in segments:
        if segment.category_id not in categories:
            raise DataError(f"segment {segment.id} has category id {segment.category_id}, which no category declares")
        yield instance_shade(colours[segment.category_id], seen[segment.category_id] if segment.isthing else 0)
        seen[segment.category_id] += 1


def _borders(owners: NDArray[np.unsignedinteger], *, width: int) -> NDArray[np.bool_]:
    """Pixels less than `width` from one of another segment, on the upper and left side of the border."""
    edge = np.zeros(owners.shape, dtype=bool)
    for step in range(1, width + 1):
        edge[:-step] |= owners[:-step] != owners[step:]
        edge[:, :-step] |= owners[:, :-step] != owners[:, step:]
    return edge


def _write_names(
    picture: Image.Image, owners: NDArray[np.unsignedinteger], segments: Sequence[Segment], categories: Categories
) -> None:
    pen = ImageDraw.Draw(picture)
    free = ~_borders(owners, width=1)
    for owner, segment in sorted(enumerate(segments, start=1), key=lambda pair: -pair[1].area):
        name = categories[segment.category_id].name + (" (crowd)" if segment.iscrowd else "")
        inside = (owners == owner) & free
        rows, columns = inside.any(axis=1).nonzero()[0], inside.any(axis=0).nonzero()[0]
        if not len(rows):
            continue
        # Only the segment's own box is looked at, since most segments are small.
        inside = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        for font_size in FONT_SIZES:
            font = _font(font_size)
            left, top, right, bottom = (round(side) for side in pen.textbbox((0, 0), name, font=font, stroke_width=2))
            place = _roomiest(inside, width=right - left, height=bottom - top)
            if place is not None:
                y, x = rows[0] + place[0], columns[0] + place[1]
                pen.text((x - left, y - top), name, fill=PAPER, font=font, stroke_width=2, stroke_fill=INK)
                free[y : y + bottom - top, x : x + right - left] = False
                break


def _roomiest(inside: NDArray[np.bool_], *, width: int, height: int) -> tuple[int, int] | None:
    """Top and left of the box [height, width] within `inside` that is nearest to its middle; None if none fits."""
    if height > inside.shape[0] or width > inside.shape[1]:
        return None
    # Summed areas: the number of pixels inside each box, at the cost of one pass.
    summed = np.zeros((inside.shape[0] + 1, inside.shape[1] + 1), dtype=np.int32)
    inside.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, out=summed[1:, 1:])
    count = summed[height:, width:] - summed[:-height, width:] - summed[height:, :-width] + summed[:-height, :-width]
    tops, lefts = np.nonzero(count == height * width)
    if not len(tops):
        return None
    row, column = (np.average(np.arange(inside.shape[axis]), weights=inside.sum(axis=1 - axis)) for axis in (0, 1))
    distance = (tops + height / 2 - row) ** 2 + (lefts + width / 2 - column) ** 2
    nearest = int(distance.argmin())
    return int(tops[nearest]), int(lefts[nearest])


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """That of the figures, which knows letters beyond ASCII, as Pillow's own does not."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


TALLEST = 4
"""WebP ends at 16,383 px and JPEG at 65,535, and a sheet of several rows is taller than one picture."""


def to_width(picture: Image.Image, width: int) -> Image.Image:
    """The picture in RGB, `width` px wide; narrower where it would be more than `TALLEST` times as tall."""
    height = max(1, round(picture.height * width / picture.width))
    if height > TALLEST * width:
        width, height = max(1, round(picture.width * TALLEST * width / picture.height)), TALLEST * width
    size = (width, height)
    # Enlarged pixels stay visible as such; a photograph that shrinks is averaged.
    method = Image.Resampling.NEAREST if width > picture.width else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize(size, method)
