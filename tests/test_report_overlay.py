"""Overlays: sizes, colours and names hold for any map; real photographs are drawn."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import SHARED
from PIL import Image

from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.report.colours import HUES, class_colours, instance_shade, loss_styles
from ada_segment.report.distinct import distance, seen
from ada_segment.report.overlay import LEGIBLE, as_picture, contact_sheet, draw_overlay

CATEGORIES = Categories([Category(1, "ball", True), Category(2, "crate", True), Category(7, "sky", False)])


def random_map(height: int, width: int, *, seed: int, count: int = 4) -> PanopticMap:
    """Overlapping rectangles over a sky, with a strip of void."""
    draw = np.random.default_rng(seed)
    ids = np.full((height, width), 9, dtype=np.int32)
    segments = [Segment(9, 7, isthing=False, area=1)]
    for place in range(count):
        top, left = draw.integers(0, height), draw.integers(0, width)
        ids[top : top + height // 3 + 1, left : left + width // 3 + 1] = 100 + place
        segments.append(Segment(100 + place, 1 + place % 2, isthing=True, area=1, iscrowd=place == 3))
    ids[-1] = 0
    return PanopticMap(ids, tuple(segments))


@settings(max_examples=40)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    seed=st.integers(0, 99),
    alpha=st.floats(0, 1),
    names=st.booleans(),
)
def test_any_size_is_enlarged_by_a_whole_factor(height: int, width: int, seed: int, alpha: float, names: bool) -> None:
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    drawn = draw_overlay(image, random_map(height, width, seed=seed), CATEGORIES, alpha=alpha, names=names)
    factor = drawn.width // width
    assert drawn.size == (factor * width, factor * height)
    assert LEGIBLE <= max(drawn.size) < LEGIBLE + max(height, width)


def test_a_large_picture_keeps_its_size() -> None:
    drawn = draw_overlay(torch.zeros(3, 500, 700, dtype=torch.uint8), random_map(500, 700, seed=0), CATEGORIES)
    assert drawn.size == (700, 500)


def test_tensor_and_array_give_the_same() -> None:
    image, panoptic = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8), random_map(40, 60, seed=1)
    array = image.permute(1, 2, 0).numpy()
    assert draw_overlay(image, panoptic, CATEGORIES).tobytes() == draw_overlay(array, panoptic, CATEGORIES).tobytes()


def test_colours_are_those_of_class_and_instance_and_void_has_none() -> None:
    ids = np.zeros((600, 600), dtype=np.int32)
    ids[:200], ids[200:400, :300], ids[200:400, 300:] = 1, 2, 3
    segments = (Segment(1, 7, isthing=False), Segment(2, 1, isthing=True), Segment(3, 1, isthing=True))
    image = np.full((600, 600, 3), (200, 100, 0), dtype=np.uint8)
    drawn = np.asarray(draw_overlay(image, PanopticMap(ids, segments), CATEGORIES, alpha=1.0, names=False))
    colours = class_colours(CATEGORIES)
    assert tuple(drawn[100, 100]) == colours[7]
    assert tuple(drawn[300, 100]) == colours[1]
    assert tuple(drawn[300, 500]) == instance_shade(colours[1], 1) != colours[1]
    assert tuple(drawn[500, 100]) == (100, 100, 100)
    # Whatever the colours of the picture are: only its light is seen under those of the classes.
    pictures = [np.full_like(image, value) for value in ([90, 0, 0], [0, 90, 0], [30, 30, 30])]
    seen = [np.asarray(draw_overlay(one, PanopticMap(ids, segments), CATEGORIES, names=False)) for one in pictures]
    assert all(np.abs(seen[0].astype(int) - other).max() <= 1 for other in seen[1:])
    clear = np.asarray(draw_overlay(image, PanopticMap(ids, segments), CATEGORIES, alpha=0.0, names=False))
    assert tuple(clear[100, 100]) == (100, 100, 100)


def test_borders_are_drawn_between_segments_alone() -> None:
    ids = np.ones((600, 600), dtype=np.int32)
    ids[:, 300:] = 2
    segments = (Segment(1, 1, isthing=True), Segment(2, 1, isthing=True))
    drawn = np.asarray(
        draw_overlay(np.zeros((600, 600, 3), np.uint8), PanopticMap(ids, segments), CATEGORIES, names=False)
    )
    white = (drawn == 255).all(axis=2)
    assert white.any(axis=0).nonzero()[0].tolist() == [299]


def test_names_are_written_where_they_fit_and_never_outside_their_segment() -> None:
    ids = np.ones((600, 600), dtype=np.int32)
    ids[200:260, 200:300], ids[500:503, 500:503] = 2, 3
    segments = (Segment(1, 7, isthing=False, area=9), Segment(2, 1, isthing=True), Segment(3, 2, isthing=True))
    panoptic, black = PanopticMap(ids, segments), np.zeros((600, 600, 3), np.uint8)
    bare = np.asarray(draw_overlay(black, panoptic, CATEGORIES, names=False)).astype(int)
    named = np.asarray(draw_overlay(black, panoptic, CATEGORIES)).astype(int)
    written = (bare != named).any(axis=2)
    assert written[ids == 1].any()
    assert written[ids == 2].any()
    assert not written[ids == 3].any()
    assert not written[199:201, 199:301].any()  # nothing crosses a border


@pytest.mark.parametrize("name", ["traffic light", "ein sehr langer Name für eine Klasse", "信号", "", "<b>", "a\nb"])
def test_any_name_can_be_drawn(name: str) -> None:
    categories = Categories([Category(1, name, True)])
    panoptic = PanopticMap(np.ones((64, 64), dtype=np.int32), (Segment(1, 1, isthing=True),))
    assert draw_overlay(np.zeros((64, 64, 3), np.uint8), panoptic, categories).size == (512, 512)


def test_letters_beyond_ascii_are_drawn_as_such() -> None:
    sheets = [
        contact_sheet([[Image.new("RGB", (40, 30))]], headings=("x",), captions=(letter,))
        for letter in ("\N{LATIN SMALL LETTER A WITH DIAERESIS}", "\N{GREEK SMALL LETTER PI}", "\uffff")
    ]
    assert len({sheet.tobytes() for sheet in sheets}) == 3


def test_no_segments_and_largest_id() -> None:
    empty = PanopticMap(np.zeros((8, 8), dtype=np.int32), ())
    assert draw_overlay(np.zeros((8, 8, 3), np.uint8), empty, CATEGORIES).size == (480, 480)
    ids = np.full((8, 8), 2**24 - 1, dtype=np.int32)
    draw_overlay(np.zeros((8, 8, 3), np.uint8), PanopticMap(ids, (Segment(2**24 - 1, 7, isthing=False),)), CATEGORIES)


def test_what_does_not_fit_is_refused() -> None:
    panoptic = random_map(8, 8, seed=0)
    with pytest.raises(DataError, match="9 x 8 and its panoptic map 8 x 8"):
        draw_overlay(torch.zeros(3, 8, 9, dtype=torch.uint8), panoptic, CATEGORIES)
    with pytest.raises(DataError, match="float32"):
        draw_overlay(torch.zeros(3, 8, 8), panoptic, CATEGORIES)
    with pytest.raises(DataError, match=r"\(8, 8\)"):
        draw_overlay(np.zeros((8, 8), np.uint8), panoptic, CATEGORIES)
    unknown = PanopticMap(np.ones((8, 8), dtype=np.int32), (Segment(1, 3, isthing=True),))
    with pytest.raises(DataError, match="category id 3"):
        draw_overlay(torch.zeros(3, 8, 8, dtype=torch.uint8), unknown, CATEGORIES)


@settings(max_examples=25)
@given(things=st.integers(0, 90), stuff=st.integers(0, 60))
def test_every_class_has_a_colour(things: int, stuff: int) -> None:
    categories = Categories(Category(k, str(k), isthing=k < things) for k in range(things + stuff))
    colours = class_colours(categories)
    assert set(colours) == set(range(things + stuff))
    assert all(0 <= part <= 255 for colour in colours.values() for part in colour)


@pytest.mark.parametrize(("things", "stuff", "apart"), [(5, 4, 0.1), (7, 7, 0.07), (80, 53, 0.014)])
def test_classes_are_told_apart_by_everybody(things: int, stuff: int, apart: float) -> None:
    categories = Categories(Category(k, str(k), isthing=k < things) for k in range(things + stuff))
    colours = np.array(list(class_colours(categories).values()), dtype=np.uint8)
    between = distance(colours, colours) + np.eye(len(colours))
    assert between.min() >= apart


def test_red_and_green_are_near_in_the_eyes_of_some() -> None:
    colours = np.array([[180, 70, 40], [110, 110, 30]], dtype=np.uint8)
    everyone = np.linalg.norm(np.diff(seen(colours), axis=1), axis=-1)[:, 0]
    assert everyone[1:].min() < everyone[0] / 2
    assert distance(colours, colours)[0, 1] == everyone.min()
    assert seen(np.array([[255, 255, 255]], dtype=np.uint8))[0, 0] == pytest.approx([1, 0, 0], abs=1e-6)


def test_instances_are_told_apart() -> None:
    categories = Categories(Category(k, str(k), isthing=True) for k in range(9))
    for colour in class_colours(categories).values():
        assert len({instance_shade(colour, place) for place in range(40)}) == 40


def test_the_hues_of_losses_are_told_apart_by_everybody_on_white_and_on_black() -> None:
    hues = np.array([list(bytes.fromhex(hue[1:])) for hue in HUES], dtype=np.uint8)
    assert (distance(hues, hues) + np.eye(len(hues))).min() >= 0.07
    grounds = np.array([[255, 255, 255], [20, 23, 27]], dtype=np.uint8)
    assert distance(hues, grounds).min() >= 0.2


@given(count=st.integers(0, 60))
def test_losses_differ_by_colour_or_dash(count: int) -> None:
    styles = loss_styles(f"loss_{k}" for k in range(count))
    assert len(styles) == count
    assert len(set(styles.values())) == min(count, 35)


def test_sheet_holds_rows_under_headings() -> None:
    rows = [[Image.new("RGB", (30, 20), "red"), Image.new("RGB", (90, 60), "blue")]] * 3
    sheet = contact_sheet(rows, headings=["picture", "truth"], captions=["a", "b", "c"], cell=90)
    assert sheet.width == 2 * 100 + 10
    assert sheet.height > 3 * 60
    colours = {sheet.getpixel((50, y)) for y in range(sheet.height)}
    assert (255, 0, 0) in colours
    plain = contact_sheet(rows, headings=["picture", "truth"], cell=90)
    assert plain.height < sheet.height


@pytest.mark.parametrize(("rows", "captions"), [([], None), ([[]], None), ([["x"] * 3], ["a", "b"])])
def test_sheet_refuses_what_does_not_fit(rows: list[list[Image.Image]], captions: list[str] | None) -> None:
    with pytest.raises(ValueError, match=r"rows|captions"):
        contact_sheet(rows, captions=captions)


@pytest.mark.parametrize("name", ["coco-panoptic-133", "facades", "coco-mini"])
def test_real_photographs(name: str) -> None:
    root = SHARED / "data" / name
    if not root.exists():
        pytest.skip(f"{root} is not there")
    truth = json.loads((root / "panoptic_val.json").read_text())
    categories = Categories(Category(c["id"], c["name"], bool(c["isthing"])) for c in truth["categories"])
    annotation = truth["annotations"][0]
    (entry,) = [image for image in truth["images"] if image["id"] == annotation["image_id"]]
    image = np.asarray(Image.open(root / "images" / "val" / entry["file_name"]).convert("RGB"))
    png = np.asarray(Image.open(root / "panoptic_val" / annotation["file_name"]).convert("RGB")).astype(np.int32)
    ids = (png[..., 0] + 256 * png[..., 1] + 65536 * png[..., 2]).astype(np.int32)
    segments = tuple(
        Segment(s["id"], s["category_id"], categories[s["category_id"]].isthing, area=int((ids == s["id"]).sum()))
        for s in annotation["segments_info"]
    )
    drawn = draw_overlay(image, PanopticMap(ids, segments), categories)
    assert drawn.size[0] % entry["width"] == 0
    contact_sheet([[as_picture(image), drawn]], headings=["picture", "truth"])
