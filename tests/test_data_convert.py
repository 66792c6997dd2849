"""Conversions of small files drawn in exactly the layouts that the public datasets have."""

import errno
import json
import os
import re
import shutil
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_data import SHARED
from made_layouts import HEIGHT, WIDTH, draw_ade, draw_cityscapes, photo, save
from PIL import ExifTags, Image

from ada_segment.cli import main
from ada_segment.data.check import check_folder
from ada_segment.data.class_table import read_classes
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.convert import instances_json
from ada_segment.data.convert.ade20k import convert_ade20k
from ada_segment.data.convert.cityscapes import convert_cityscapes
from ada_segment.data.convert.compose import VOID, Instance, compose, read_overlap
from ada_segment.data.convert.label_mask import read_labels, regions
from ada_segment.data.convert.left_out import LeftOut
from ada_segment.data.convert.masks import convert_masks
from ada_segment.data.convert.outlines import pixels_of
from ada_segment.data.convert.votes import number_instances
from ada_segment.data.picture_files import list_pictures
from ada_segment.errors import ConfigError, DataError
from ada_segment.panoptic.categories import Categories, Category

CATEGORIES = Categories([Category(1, "cat", True), Category(2, "dog", True), Category(7, "sky", False)])


def described(dataset: CocoPanoptic, index: int = 0) -> dict[tuple[str, bool], list[int]]:
    """Areas by class name and crowd flag."""
    found: dict[tuple[str, bool], list[int]] = {}
    for segment in dataset[index].truth.segments:
        name = dataset.categories[segment.category_id].name
        found.setdefault((name, segment.iscrowd), []).append(segment.area)
    return {key: sorted(areas) for key, areas in found.items()}


# Tables of classes


@pytest.mark.parametrize(
    ("name", "things", "stuff", "some"),
    [
        ("coco", 80, 53, {1: "person", 90: "toothbrush", 92: "banner", 200: "rug-merged"}),
        ("ade20k", 100, 50, {0: "wall", 7: "bed", 12: "person", 149: "flag"}),
        ("cityscapes", 8, 11, {7: "road", 24: "person", 33: "bicycle", 23: "sky"}),
    ],
)
def test_tables_of_public_datasets(name: str, things: int, stuff: int, some: dict[int, str]) -> None:
    categories = read_classes(name)
    assert (len(categories.things), len(categories.stuff)) == (things, stuff)
    assert {number: categories[number].name for number in some} == some
    assert len({category.name for category in categories}) == things + stuff


def test_cocos_table_is_that_of_real_annotations() -> None:
    path = SHARED / "data" / "coco-panoptic-133" / "panoptic_val.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    assert read_classes(str(path)) == read_classes("coco")


def test_own_tables(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    for content in (CATEGORIES.to_json(), {"categories": CATEGORIES.to_json()}):
        path.write_text(json.dumps(content))
        assert read_classes(str(path)) == CATEGORIES


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "5", '[{"id": 1}]', '[{"id": 1, "name": "a", "isthing": 1}]', '{"categories": 5}', '"categories"'],
)
def test_tables_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "classes.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"classes\.json"):
        read_classes(str(path))


def test_unknown_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="coco, ade20k, cityscapes"):
        read_classes("voc")
    with pytest.raises(DataError, match="cannot be read"):
        read_classes(str(tmp_path / "nothing.json"))


# Composing

LABELS = hnp.arrays(np.int64, (4, 5), elements=st.sampled_from([VOID, 0, 1, 2, 7, 9]))
MASKS = st.lists(st.tuples(st.sampled_from([1, 2, 7, 5]), hnp.arrays(bool, (4, 5)), st.booleans()), max_size=4)


@given(labels=LABELS, masks=MASKS, rule=st.sampled_from(["area", "order"]))
def test_every_pixel_is_accounted_for(labels: np.ndarray, masks: list[Any], rule: str) -> None:
    instances = [Instance(label, np.flatnonzero(mask), crowd) for label, mask, crowd in masks]
    left_out = LeftOut()
    made = compose(labels, instances, CATEGORIES, overlap=read_overlap(rule), left_out=left_out, picture="x", void=[0])

    # Pixel by pixel, from the rule's words.
    usable = [one for one in instances if one.category_id in (1, 2) and len(one.pixels)]
    expected = np.zeros(20, dtype=object)
    for pixel in range(20):
        expected[pixel] = 7 if labels.flat[pixel] == 7 else None
        over = [number for number, one in enumerate(usable) if pixel in one.pixels]
        if over:
            people = [number for number in over if not usable[number].iscrowd] or over
            if rule == "area":
                expected[pixel] = min(people, key=lambda number: (len(usable[number].pixels), -number)) + 100
            else:
                expected[pixel] = max(people) + 100
    classes = {segment.id: segment for segment in made.segments}
    flat = made.ids.ravel()
    for pixel, what in enumerate(expected):
        if what is None:
            assert flat[pixel] == 0
        elif what == 7:
            assert classes[flat[pixel]].category_id == 7
        else:
            assert classes[flat[pixel]].category_id == usable[what - 100].category_id
            assert classes[flat[pixel]].iscrowd == usable[what - 100].iscrowd
    assert len(made.segments) == len({what for what in expected if what is not None})
    assert all(segment.area == (flat == segment.id).sum() > 0 for segment in made.segments)

    # What is not in the map is in what was left out.
    covered = np.zeros(20, dtype=bool)
    for one in usable:
        covered[one.pixels] = True
    flat_labels = labels.ravel()
    counts = left_out.counts
    assert (
        counts.get("pixels of a thing class in no instance, now void", 0)
        == (np.isin(flat_labels, (1, 2)) & ~covered).sum()
    )
    assert counts.get("pixels of a value that no class has, now void", 0) == ((flat_labels == 9) & ~covered).sum()
    assert counts.get("pixels of stuff under instances", 0) == ((flat_labels == 7) & covered).sum()
    assert counts.get("instances of a class that is not declared", 0) == sum(m[0] == 5 for m in masks)
    assert counts.get("instances of a stuff class", 0) == sum(m[0] == 7 for m in masks)
    painted = sum(segment.isthing for segment in made.segments)
    assert counts.get("instances wholly under others", 0) == len(usable) - painted
    visible = sum(segment.area for segment in made.segments if segment.isthing)
    hidden = counts.get("pixels of instances under other instances", 0)
    assert sum(len(one.pixels) for one in usable) == visible + hidden


def test_unknown_rule() -> None:
    with pytest.raises(ConfigError, match="area and order"):
        read_overlap("size")


# Outlines


def encode(mask: np.ndarray) -> list[int]:
    """Run lengths by the format's definition, pixel by pixel down the columns."""
    lengths, last = [0], False
    for value in mask.T.ravel().tolist():
        if value != last:
            lengths.append(0)
            last = value
        lengths[-1] += 1
    return lengths


def compress(lengths: list[int]) -> str:
    text = ""
    for index, length in enumerate(lengths):
        value = length - (lengths[index - 2] if index > 2 else 0)
        while True:
            bits, value = value & 31, value >> 5
            done = (value == 0 and not bits & 16) or (value == -1 and bits & 16)
            text += chr((bits | (0 if done else 32)) + 48)
            if done:
                break
    return text


@given(mask=hnp.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths_return(mask: np.ndarray) -> None:
    height, width = mask.shape
    lengths = encode(mask)
    for counts in (lengths, compress(lengths)):
        found = pixels_of({"size": [height, width], "counts": counts}, height, width)
        assert np.array_equal(found, np.flatnonzero(mask))


def test_strings_written_by_cocos_tool() -> None:
    """What pycocotools 2.0.11 writes for a block in rows and columns 2 to 4, and for an ellipse."""
    block = np.zeros((10, 10), dtype=bool)
    block[2:5, 2:5] = True
    rows, columns = np.mgrid[:37, :53]
    ellipse = (rows - 18) ** 2 / 200 + (columns - 25) ** 2 / 500 < 1
    written = {
        "f037000`1": block,
        "o35n04L4M2N2N2O0O2N2O000O2O000O2O0000000O2O000000000001N100000001N10001N10001N2N101N2N2N3L4L[5": ellipse,
    }
    for counts, mask in written.items():
        found = pixels_of({"size": list(mask.shape), "counts": counts}, *mask.shape)
        assert np.array_equal(found, np.flatnonzero(mask))
        assert compress(encode(mask)) == counts


@given(
    left=st.integers(0, 6), top=st.integers(0, 6), width=st.integers(1, 9), height=st.integers(1, 9), turn=st.booleans()
)
def test_rectangles_cover_their_pixels(left: int, top: int, width: int, height: int, turn: bool) -> None:
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    polygon = [float(value) for corner in (corners[::-1] if turn else corners) for value in corner]
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    expected[top : top + height, left : left + width] = True
    assert np.array_equal(pixels_of([polygon], HEIGHT, WIDTH), np.flatnonzero(expected))


@given(corners=st.lists(st.tuples(st.floats(-3, 13), st.floats(-3, 11)), min_size=3, max_size=8))
def test_polygons_hold_the_centres_inside_them(corners: list[tuple[float, float]]) -> None:
    """Against the crossing number of each centre, counted one by one."""
    found = pixels_of([[value for corner in corners for value in corner]], HEIGHT, WIDTH)
    mask = np.zeros(HEIGHT * WIDTH, dtype=bool)
    mask[found] = True
    for row in range(HEIGHT):
        for column in range(WIDTH):
            x, y, inside, near = column + 0.5, row + 0.5, False, False
            for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
                if (y1 <= y) != (y2 <= y):
                    crossing = x1 + (x2 - x1) * (y - y1) / (y2 - y1)
                    near |= abs(crossing - x) < 1e-6
                    inside ^= crossing <= x
            assert near or mask[row * WIDTH + column] == inside


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        "x",
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [["a"] * 6],
        [5],
        {"size": [3, 3], "counts": [9]},
        {"size": [HEIGHT, WIDTH], "counts": [9]},
        {"size": [HEIGHT, WIDTH], "counts": [-1, 81]},
        {"size": [HEIGHT, WIDTH], "counts": ["a"]},
        {"size": [HEIGHT, WIDTH], "counts": "~"},
        {"size": [HEIGHT, WIDTH], "counts": "P"},
        {"size": [HEIGHT, WIDTH]},
    ],
)
def test_pixels_that_are_not_properly_written(segmentation: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        pixels_of(segmentation, HEIGHT, WIDTH)


# Masks


@given(numbers=hnp.arrays(np.int32, (5, 6), elements=st.integers(0, 3)))
def test_regions_are_where_the_numbers_are(numbers: np.ndarray) -> None:
    found = regions(numbers)
    assert set(found) == set(np.unique(numbers).tolist()) - {0}
    for number, pixels in found.items():
        assert np.array_equal(np.sort(pixels), np.flatnonzero(numbers == number))


@pytest.mark.parametrize("kind", ["grey", "16 bits", "palette", "colours", "grey as colours"])
def test_masks_of_all_kinds_are_read(tmp_path: Path, kind: str) -> None:
    numbers = np.random.default_rng(0).integers(0, 200, (6, 7)).astype(np.int32)
    if kind in ("16 bits", "colours"):
        numbers *= 300
    picture = {
        "grey": lambda: Image.fromarray(numbers.astype(np.uint8)),
        "16 bits": lambda: Image.fromarray(numbers.astype(np.uint16)),
        "palette": lambda: Image.fromarray(numbers.astype(np.uint8)).convert("P"),
        "colours": lambda: Image.fromarray(
            np.stack([numbers % 256, numbers // 256, numbers * 0], axis=-1).astype(np.uint8)
        ),
        "grey as colours": lambda: Image.fromarray(np.stack([numbers] * 3, axis=-1).astype(np.uint8)),
    }[kind]()
    if kind == "palette":
        picture.putdata(numbers.ravel().tolist())
    picture.save(tmp_path / "mask.png")
    assert np.array_equal(read_labels(tmp_path / "mask.png"), numbers)


def semantic() -> np.ndarray:
    labels = np.full((HEIGHT, WIDTH), 7, dtype=np.uint8)
    labels[2:6, 1:4] = 1
    labels[2:6, 6:9] = 2
    labels[0, 0] = 255
    labels[7, 9] = 44
    labels[7, 0] = 2  # a dog without an instance
    return labels


def draw_masks(root: Path, split: str = "train", pictures: int = 2) -> dict[str, Path]:
    for number in range(pictures):
        name = f"street/{number:02d}"
        photo(root / "photos" / split / f"{name}.jpg", seed=number + 10 * len(split))
        save(root / "classes" / split / f"{name}.png", semantic())
        instances = np.zeros((HEIGHT, WIDTH), dtype=np.uint16)
        instances[2:4, 1:4] = 700
        instances[4:6, 1:4] = 3
        instances[2:6, 6:9] = 5
        instances[6, :2] = 9  # on the sky
        save(root / "numbers" / split / f"{name}.png", instances)
    return {
        "images": root / "photos" / split,
        "semantic": root / "classes" / split,
        "instances": root / "numbers" / split,
    }


def test_masks_with_instance_masks(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    for split in ("train", "val"):
        folders = draw_masks(tmp_path, split)
        done = convert_masks(
            tmp_path / "out", split, **folders, categories=CATEGORIES, progress=lambda *now: seen.append(now)
        )
    assert seen == [(1, 2), (2, 2)] * 2
    assert check_folder(tmp_path / "out") == []
    dataset = CocoPanoptic(tmp_path / "out", "train")
    assert dataset[0].name == "street/00.jpg"
    assert described(dataset) == {("sky", False): [53], ("cat", False): [6, 6], ("dog", False): [12]}
    assert (done.pictures, done.things, done.stuff, done.crowds) == (2, 6, 2, 0)
    assert done.left_out.counts == {
        "instances on pixels that are mostly of no thing class": 2,
        "pixels of a thing class in no instance, now void": 2,
        "pixels of a value that no class has, now void": 2,
    }
    assert "value 44" in done.left_out.first["pixels of a value that no class has, now void"]


def draw_json(root: Path) -> Path:
    block = np.zeros((HEIGHT, WIDTH), dtype=bool)
    block[2:6, 6:9] = True
    annotations = [
        {"id": 1, "image_id": 4, "category_id": 1, "segmentation": [[1, 2, 4, 2, 4, 6, 1, 6]], "iscrowd": 0},
        {"id": 2, "image_id": 4, "category_id": 1, "segmentation": [[2, 3, 3, 3, 3, 4, 2, 4]], "iscrowd": 0},
        {"id": 3, "image_id": 4, "category_id": 2, "iscrowd": 1,
         "segmentation": {"size": [HEIGHT, WIDTH], "counts": encode(block)}},
        {"id": 4, "image_id": 4, "category_id": 2, "iscrowd": 0,
         "segmentation": {"size": [HEIGHT, WIDTH], "counts": compress(encode(block & (np.arange(WIDTH) < 7)))}},
        {"id": 5, "image_id": 4, "category_id": 2, "segmentation": [[1, 1]]},
        {"id": 6, "image_id": 77, "category_id": 2, "segmentation": [[1, 1]]},
        {"id": 7, "image_id": 9, "category_id": 2, "segmentation": [[1, 1]]},
    ]  # fmt: skip
    images = [{"id": 4, "file_name": "street/00.jpg"}, {"id": 5, "file_name": "street/01.jpg"},
              {"id": 9, "file_name": "gone.jpg"}]  # fmt: skip
    path = root / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def test_masks_with_a_coco_instances_json(tmp_path: Path) -> None:
    folders = {**draw_masks(tmp_path), "instances": draw_json(tmp_path)}
    done = convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    dataset = CocoPanoptic(tmp_path / "out", "train")
    assert described(dataset) == {
        ("sky", False): [53],
        ("cat", False): [1, 11],
        ("dog", False): [4],
        ("dog", True): [8],
    }
    assert described(dataset, 1) == {("sky", False): [53]}
    assert done.left_out.counts["annotations of an image that the JSON does not list"] == 1
    assert done.left_out.counts["annotations of pictures that are not there"] == 1
    assert done.left_out.counts["instances whose pixels are not properly written"] == 1
    assert done.left_out.counts["pixels of instances under other instances"] == 5
    assert done.crowds == 1


def test_the_rule_decides_who_lies_on_top(tmp_path: Path) -> None:
    folders = {**draw_masks(tmp_path), "instances": draw_json(tmp_path)}
    root = json.loads(folders["instances"].read_text())
    root["annotations"] = root["annotations"][1::-1]  # the small cat first
    folders["instances"].write_text(json.dumps(root))
    for rule, cats in (("area", [1, 11]), ("order", [12])):
        done = convert_masks(tmp_path / rule, "train", **folders, categories=CATEGORIES, overlap=read_overlap(rule))
        assert described(CocoPanoptic(tmp_path / rule, "train"))["cat", False] == cats
        assert done.left_out.counts.get("instances wholly under others", 0) == (rule == "order")


def test_pictures_that_cannot_be_converted_are_left_out_and_named(tmp_path: Path) -> None:
    folders = draw_masks(tmp_path, pictures=5)
    (folders["semantic"] / "street" / "00.png").unlink()
    (folders["instances"] / "street" / "01.png").write_text("no picture")
    save(folders["semantic"] / "street" / "02.png", np.zeros((3, 3), dtype=np.uint8))
    (folders["images"] / "street" / "03.jpg").write_text("no picture")
    photo(folders["instances"] / "street" / "99.png")
    done = convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert done.pictures == 1
    assert done.left_out.counts["pictures left out"] == 4
    assert "00.png" in done.left_out.first["pictures left out"]
    assert done.left_out.counts["masks without a picture"] == 1
    assert len(CocoPanoptic(tmp_path / "out", "train")) == 1


def test_nothing_is_overwritten_and_an_interrupted_conversion_goes_on(tmp_path: Path) -> None:
    folders = draw_masks(tmp_path)
    convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    with pytest.raises(DataError, match="exists already"):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    (tmp_path / "out" / "panoptic_train.json").unlink()
    assert convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES).pictures == 2
    (tmp_path / "out" / "panoptic_train.json").unlink()
    target = tmp_path / "out" / "images" / "train" / "street" / "00.jpg"
    target.unlink()
    photo(target, seed=99)
    done = convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert "exists already" in done.left_out.first["pictures left out"]


def test_pictures_are_copied_where_they_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    convert_masks(tmp_path / "out", "train", **draw_masks(tmp_path), categories=CATEGORIES)
    copied = tmp_path / "out" / "images" / "train" / "street" / "00.jpg"
    assert copied.read_bytes() == (tmp_path / "photos" / "train" / "street" / "00.jpg").read_bytes()
    assert copied.stat().st_nlink == 1


@pytest.mark.parametrize("what", ["images", "semantic", "instances"])
def test_missing_folders_are_named(tmp_path: Path, what: str) -> None:
    folders = {**draw_masks(tmp_path), what: tmp_path / "nowhere"}
    with pytest.raises(DataError, match="nowhere is no folder"):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("split", ["", "../train", "train2017", "a b"])
def test_splits_have_plain_names(tmp_path: Path, split: str) -> None:
    with pytest.raises(DataError, match="call it train, val or test"):
        convert_masks(tmp_path / "out", split, **draw_masks(tmp_path), categories=CATEGORIES)


def test_nothing_to_convert(tmp_path: Path) -> None:
    folders = draw_masks(tmp_path)
    for path in folders["semantic"].rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"no picture could be converted: .*00"):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert not (tmp_path / "out" / "panoptic_train.json").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        convert_masks(tmp_path / "out", "train", **{**folders, "images": tmp_path / "empty"}, categories=CATEGORIES)


# ADE20K


def test_ade20k(tmp_path: Path) -> None:
    draw_ade(tmp_path / "ADEChallengeData2016")
    train, val = convert_ade20k(tmp_path / "ADEChallengeData2016", tmp_path / "out")
    assert check_folder(tmp_path / "out") == []
    for split in ("train", "val"):
        dataset = CocoPanoptic(tmp_path / "out", split)
        assert len(dataset.categories) == 150
        assert described(dataset) == {
            ("wall", False): [29],
            ("floor", False): [28],
            ("bed", False): [12],
            ("person", False): [3, 4],
            ("flag", False): [2],
        }
    assert (train.split, val.split) == ("train", "val")
    assert train.left_out.counts == {
        "pixels of a thing class in no instance, now void": 1,
        "pixels of stuff under instances": 2,
    }


def test_each_ade20k_instance_class_is_its_thing(tmp_path: Path) -> None:
    root = tmp_path / "ade"
    draw_ade(root)
    numbers = np.zeros((10, 10, 3), dtype=np.uint8)
    numbers[..., 0] = np.arange(1, 101).reshape(10, 10)
    numbers[..., 1] = np.arange(1, 101).reshape(10, 10)
    name = "ADE_train_00000001"
    save(root / "annotations_instance" / "training" / f"{name}.png", numbers)
    save(root / "annotations" / "training" / f"{name}.png", np.zeros((10, 10), dtype=np.uint8))
    photo(root / "images" / "training" / f"{name}.jpg", shape=(10, 10))
    convert_ade20k(root, tmp_path / "out")
    truth = CocoPanoptic(tmp_path / "out", "train", decode=False)[0].truth
    by_id = {segment.id: segment.category_id for segment in truth.segments}
    labels = [by_id[number] for number in truth.ids.ravel().tolist()]
    # From the release's own table of instance classes: 1 is SceneParse class 8, 4 is 13, 56 is 88.
    names = read_classes("ade20k")
    found = [names[labels[n - 1]].name for n in (1, 2, 4, 9, 31, 56, 75, 90, 100)]
    assert found == ["bed", "window", "person", "car", "stairs", "street lamp", "oven", "traffic light", "flag"]


def test_ade20k_without_instances(tmp_path: Path) -> None:
    draw_ade(tmp_path / "ade")
    (tmp_path / "ade" / "annotations_instance" / "validation" / "ADE_val_00000001.png").rename(
        tmp_path / "ade" / "annotations_instance" / "validation" / "other.png"
    )
    with pytest.raises(DataError, match=r"no picture could be converted: .*ADE_val_00000001\.png"):
        convert_ade20k(tmp_path / "ade", tmp_path / "out")
    with pytest.raises(DataError, match="is no folder; name the folder that holds"):
        convert_ade20k(tmp_path, tmp_path / "out")


# Cityscapes


def test_cityscapes(tmp_path: Path) -> None:
    draw_cityscapes(tmp_path / "city")
    train, val = convert_cityscapes(tmp_path / "city", tmp_path / "out")
    assert check_folder(tmp_path / "out") == []
    dataset = CocoPanoptic(tmp_path / "out", "val")
    assert dataset[0].name == "lindau/lindau_000000_000019_leftImg8bit.png"
    assert described(dataset) == {
        ("sky", False): [30],
        ("road", False): [40 - 10 - 2 - 1 - 2],
        ("car", False): [4, 6],
        ("person", True): [2],
    }
    assert train.left_out.counts == {
        "instances of a class that is not declared": 1,
        "pixels of a value that no class has, now void": 10,
    }
    assert (val.things, val.stuff, val.crowds) == (2, 2, 1)
    with pytest.raises(DataError, match="leftImg8bit"):
        convert_cityscapes(tmp_path, tmp_path / "out2")


def test_cityscapes_pictures_of_other_names_are_noted(tmp_path: Path) -> None:
    draw_cityscapes(tmp_path / "city")
    photo(tmp_path / "city" / "leftImg8bit" / "train" / "aachen" / "sheet.png")
    save(tmp_path / "city" / "gtFine" / "train" / "x_gtFine_instanceIds.png", np.zeros((2, 2), dtype=np.uint16))
    train, _ = convert_cityscapes(tmp_path / "city", tmp_path / "out")
    assert train.left_out.counts["pictures that are not called *_leftImg8bit.png"] == 1
    assert train.left_out.counts["masks without a picture"] == 1


# The command


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"--classes": "voc"}, "'voc' are unknown"),
        ({"--overlap": "size"}, "area and order"),
        ({"--images": "nowhere"}, "nowhere is no folder"),
        ({"--instances": "nowhere.json"}, "nowhere.json cannot be read"),
        ({"--split": "../x"}, "call it train, val or test"),
    ],
)
def test_wrong_flags_are_one_clear_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, str],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = {f"--{name}": str(path) for name, path in draw_masks(tmp_path).items()}
    (tmp_path / "classes.json").write_text(json.dumps(CATEGORIES.to_json()))
    flags = {**folders, "--classes": "classes.json", "--split": "train", **changed}
    words = ["data", "convert", "masks", "out", *(word for flag in flags.items() for word in flag)]
    monkeypatch.setattr(sys, "argv", ["ada-segment", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert named in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


# Numbers that begin anew in each class


def drawn(root: Path, labels: np.ndarray, numbers: np.ndarray) -> tuple[dict[tuple[str, bool], list[int]], LeftOut]:
    """What becomes of one picture with these masks."""
    photo(root / "photos" / "a.jpg", shape=labels.shape)
    save(root / "classes" / "a.png", labels.astype(np.uint8))
    save(root / "numbers" / "a.png", numbers.astype(np.uint8))
    folders = {"images": root / "photos", "semantic": root / "classes", "instances": root / "numbers"}
    done = convert_masks(root / "out", "train", **folders, categories=CATEGORIES)
    return described(CocoPanoptic(root / "out", "train")), done.left_out


def cat_and(dog: tuple[slice, slice], *, shape: tuple[int, int] = (20, 30)) -> tuple[np.ndarray, np.ndarray]:
    """A cat of 100 pixels at the left and a dog, both with number 1."""
    labels, numbers = np.full(shape, 7), np.zeros(shape)
    for where, label in (((slice(2, 12), slice(2, 12)), 1), (dog, 2)):
        labels[where], numbers[where] = label, 1
    return labels, numbers


@pytest.mark.parametrize(
    ("dog", "pixels"),
    [
        ((slice(2, 12), slice(18, 28)), 100),  # as large
        ((slice(2, 4), slice(18, 20)), 4),  # small, but nowhere beside the cat
        ((slice(2, 12), slice(12, 18)), 60),  # beside the cat, but too large for a border
    ],
)
def test_one_number_on_two_things_is_two_objects(tmp_path: Path, dog: tuple[slice, slice], pixels: int) -> None:
    labels, numbers = cat_and(dog)
    numbers[14, 2:12] = 1  # on the sky: of neither
    found, left_out = drawn(tmp_path, labels, numbers)
    assert found == {("sky", False): [500 - pixels], ("cat", False): [100], ("dog", False): [pixels]}
    assert left_out.counts == {"numbers on things of several classes, now an instance for each class": 1}
    assert "a.jpg: number 1, cat and dog" in left_out.first.values()


def test_where_borders_disagree_the_vote_decides_and_the_pixels_are_counted(tmp_path: Path) -> None:
    labels, numbers = cat_and((slice(2, 12), slice(12, 18)))
    numbers[2:12, 14:18] = 2  # the dog's own number begins two pixels too far to the right
    labels[2:12, 2], labels[2, 2:12] = 7, 255  # and the cat's too far to the left and top
    found, left_out = drawn(tmp_path, labels, numbers)
    assert found == {("sky", False): [440], ("cat", False): [120], ("dog", False): [40]}
    assert left_out.counts["pixels of a thing within an instance of another class, now of that class"] == 20
    assert "a.jpg: instance 1, dog in cat" in left_out.first.values()


@given(
    labels=hnp.arrays(np.int32, (5, 6), elements=st.sampled_from([0, 1, 2, 7])),
    numbers=hnp.arrays(np.int32, (5, 6), elements=st.integers(0, 2)),
)
def test_instances_share_no_pixel_and_each_thing_pixel_is_accounted_for(
    labels: np.ndarray, numbers: np.ndarray
) -> None:
    left_out = LeftOut()
    found = number_instances(numbers, labels, CATEGORIES, left_out=left_out, picture="x")
    taken = np.zeros(labels.size, dtype=int)
    other = 0
    for instance in found:
        taken[instance.pixels] += 1
        of = labels.ravel()[instance.pixels]
        assert (of == instance.category_id).any()
        other += int(np.isin(of, (1, 2)).sum() - (of == instance.category_id).sum())
    assert taken.max() <= 1
    assert not taken[numbers.ravel() == 0].any()
    reason = "pixels of a thing within an instance of another class, now of that class"
    assert left_out.counts.get(reason, 0) == other


def test_pictures_that_are_symbolic_links_are_followed(tmp_path: Path) -> None:
    folders = draw_masks(tmp_path)
    store = tmp_path / "store" / "00.jpg"
    store.parent.mkdir()
    picture = folders["images"] / "street" / "00.jpg"
    picture.rename(store)
    picture.symlink_to(Path("../../../store/00.jpg"))
    placed = tmp_path / "out" / "images" / "train" / "street" / "00.jpg"
    placed.parent.mkdir(parents=True)
    placed.symlink_to(Path("../../nowhere.jpg"))  # what an earlier version left
    convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert not placed.is_symlink()
    assert placed.samefile(store)
    assert not (tmp_path / "out" / "nowhere.jpg").exists()
    assert check_folder(tmp_path / "out")[0].kind == "missing split"  # and nothing else comes first
    assert len(CocoPanoptic(tmp_path / "out", "train")) == 2


@pytest.mark.parametrize("split", ["train", "val"])
def test_cityscapes_without_a_picture_of_its_names_is_refused_before_anything_is_written(
    tmp_path: Path, split: str
) -> None:
    draw_cityscapes(tmp_path / "city")
    (picture,) = (tmp_path / "city" / "leftImg8bit" / split).rglob("*.png")
    picture.rename(picture.with_suffix(".jpg"))
    with pytest.raises(DataError, match=rf"{split} holds no picture called \*_leftImg8bit\.png \(\w+/\w+\.jpg .*; "):
        convert_cityscapes(tmp_path / "city", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["images", "semantic", "instances"])
@pytest.mark.parametrize("within", ["", "deeper"])
def test_masks_are_never_written_over_those_given(tmp_path: Path, what: str, within: str) -> None:
    folders = draw_masks(tmp_path)
    target = tmp_path / "out" / "panoptic_train" / within
    target.parent.mkdir(parents=True)
    folders[what].rename(target)
    before = {path: path.read_bytes() for path in target.rglob("*.*")}
    with pytest.raises(DataError, match=r"panoptic_train.* is where the new masks go; "):
        convert_masks(tmp_path / "out", "train", **{**folders, what: target}, categories=CATEGORIES)
    assert {path: path.read_bytes() for path in target.rglob("*.*")} == before


def test_pictures_may_lie_where_the_new_dataset_has_them(tmp_path: Path) -> None:
    folders = draw_masks(tmp_path)
    target = tmp_path / "out" / "images" / "train"
    target.parent.mkdir(parents=True)
    folders["images"].rename(target)
    done = convert_masks(tmp_path / "out", "train", **{**folders, "images": target}, categories=CATEGORIES)
    assert done.pictures == 2
    with pytest.raises(DataError, match=r"is where the new dataset's pictures go; "):
        convert_masks(tmp_path / "out", "train", **{**folders, "semantic": target}, categories=CATEGORIES)


def rewrite(path: Path, **changed: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_an_instances_json_of_other_classes_is_refused(tmp_path: Path) -> None:
    folders = {**draw_masks(tmp_path), "instances": draw_json(tmp_path)}
    swapped = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}, {"id": 99, "name": "zebra"}]
    rewrite(folders["instances"], categories=swapped)
    words = r"instances\.json calls category id 1 'dog', which is 'cat' among the classes given \(2 names differ\); "
    with pytest.raises(DataError, match=words):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "same",
    [[{"id": 1, "name": " Cat"}, {"id": 2, "name": "dog"}], [], None, "x", [5, {"id": 1}, {"id": []}]],
)
def test_an_instances_json_of_the_same_classes_or_none_is_taken(tmp_path: Path, same: Any) -> None:
    folders = {**draw_masks(tmp_path), "instances": draw_json(tmp_path)}
    rewrite(folders["instances"], categories=same)
    assert convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES).pictures == 2


@pytest.mark.parametrize("value", ["0", "1", None, 2, []])
def test_iscrowd_of_an_instances_json_is_0_or_1(tmp_path: Path, value: Any) -> None:
    folders = {**draw_masks(tmp_path), "instances": draw_json(tmp_path)}
    annotations = json.loads(folders["instances"].read_text())["annotations"]
    annotations[1]["iscrowd"] = value
    rewrite(folders["instances"], annotations=annotations)
    with pytest.raises(DataError, match=rf"instances\.json gives annotation 2 iscrowd {re.escape(repr(value))}; "):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)


def test_masks_drawn_upright_on_a_picture_that_is_stored_lying_are_explained(tmp_path: Path) -> None:
    folders = draw_masks(tmp_path)
    path = folders["images"] / "street" / "00.jpg"
    photo(path, shape=(WIDTH, HEIGHT))
    with Image.open(path) as picture:
        exif = picture.getexif()
        exif[ExifTags.Base.Orientation] = 6
        picture.save(path, exif=exif)
    done = convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    first = done.left_out.first["pictures left out"]
    assert "00.png has another size than" in first
    assert "00.jpg, which is shown turned or mirrored by viewers (EXIF orientation)" in first
    assert "store the picture upright" in first


def test_problems_of_a_table_are_not_said_to_be_found_by_a_check_of_data(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_text('[{"id": "1"}, {"id": 2}]')
    with pytest.raises(DataError, match=r"\(and 3 more problems in this file\)"):
        read_classes(str(path))
    path.write_text('{"annotations": [5, 6]}')
    folders = {**draw_masks(tmp_path), "instances": path}
    with pytest.raises(DataError, match=r"\(and 1 more problem in this file\)"):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)


def test_a_table_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(CATEGORIES.to_json()), encoding="utf-8-sig")
    assert read_classes(str(path)) == CATEGORIES


def test_splits_of_names_that_nothing_reads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split 'trian' is one that nothing reads; call it train, val or test"):
        convert_masks(tmp_path / "out", "trian", **draw_masks(tmp_path), categories=CATEGORIES)
    assert not (tmp_path / "out").exists()


def write_png(path: Path, *, bits: int, kind: int, row: bytes, width: int) -> None:
    """A PNG of one row, of kinds that Pillow does not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return len(content).to_bytes(4, "big") + name + content + check.to_bytes(4, "big")

    header = struct.pack(">IIBBBBB", width, 1, bits, kind, 0, 0, 0)
    pixels = zlib.compress(b"\0" + row)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("bits", "kind", "row", "width"),
    [
        (16, 2, struct.pack(">6H", *[26001] * 3, *[26002] * 3), 2),
        (16, 6, struct.pack(">8H", *[26001] * 3, 65535, *[26002] * 3, 65535), 2),
        (16, 4, struct.pack(">4H", 26001, 65535, 26002, 65535), 2),
        (4, 0, bytes([0x12]), 2),
        (2, 0, bytes([0b01100000]), 2),
    ],
    ids=["colours of 16 bits", "and alpha", "grey of 16 bits and alpha", "grey of 4 bits", "grey of 2 bits"],
)
def test_masks_whose_numbers_would_arrive_changed_are_refused(
    tmp_path: Path, bits: int, kind: int, row: bytes, width: int
) -> None:
    """Two objects became one, or one class another, and nobody was told."""
    write_png(tmp_path / "mask.png", bits=bits, kind=kind, row=row, width=width)
    with pytest.raises(DataError, match=r"mask\.png is a PNG of kind .*; save it as grey of 8 or 16 bits"):
        read_labels(tmp_path / "mask.png")


def test_masks_of_one_bit_are_read(tmp_path: Path) -> None:
    write_png(tmp_path / "mask.png", bits=1, kind=0, row=bytes([0b01000000]), width=2)
    assert read_labels(tmp_path / "mask.png").tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"file_name": "street/00.jpg"}, r"lists picture street/00\.jpg twice"),
        ({"id": 4}, "uses image id 4 twice"),
    ],
)
def test_images_that_an_instances_json_lists_twice_are_refused(
    tmp_path: Path, change: dict[str, object], text: str
) -> None:
    folders = {**draw_masks(tmp_path), "instances": draw_json(tmp_path)}
    root = json.loads(folders["instances"].read_text())
    root["images"][1].update(change)
    folders["instances"].write_text(json.dumps(root))
    with pytest.raises(DataError, match=text):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)


def test_outlines_of_another_size_than_the_pictures_are_refused(tmp_path: Path) -> None:
    folders = {**draw_masks(tmp_path), "instances": draw_json(tmp_path)}
    root = json.loads(folders["instances"].read_text())
    root["images"][0].update(width=2 * WIDTH, height=2 * HEIGHT)
    root["images"][1].update(width=WIDTH, height=HEIGHT)
    folders["instances"].write_text(json.dumps(root))
    done = convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert done.pictures == 1
    said = done.left_out.first["pictures left out"]
    assert f"says that street/00.jpg is {2 * WIDTH} x {2 * HEIGHT} px, and it is {WIDTH} x {HEIGHT}" in said


def test_linked_folders_are_looked_into_and_a_circle_ends(tmp_path: Path) -> None:
    folders = draw_masks(tmp_path)
    for name, folder in folders.items():
        store = tmp_path / "store" / name
        store.parent.mkdir(exist_ok=True)
        (folder / "street").rename(store)
        (folder / "street").symlink_to(store)
        (store / "round").symlink_to(folder)
    done = convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert done.pictures == 2
    assert "masks without a picture" not in done.left_out.counts


def test_a_mask_is_that_of_one_picture(tmp_path: Path) -> None:
    folders = draw_masks(tmp_path)
    folders["images"] = folders["semantic"]
    photo(folders["images"] / "street" / "00.jpg")
    with pytest.raises(DataError, match=r"would be the mask of both street/00\.jpg and street/00\.png"):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)


def test_a_small_outline_does_not_cost_the_whole_picture() -> None:
    corner = [10.0, 10.0, 40.0, 10.0, 40.0, 40.0, 10.0, 40.0]
    tracemalloc.start()
    assert len(pixels_of([corner], 4000, 4000)) == 900
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 4000 * 4000  # bytes: the picture's own mask, and not eight a pixel


def test_masks_of_nearly_the_right_name_are_named(tmp_path: Path) -> None:
    """It was said to restore a file that was there."""
    folders = draw_masks(tmp_path)
    mask = folders["semantic"] / "street" / "00.png"
    mask.rename(mask.with_suffix(".PNG"))
    done = convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert "00.png is missing; there is 00.PNG: make the names the same" in done.left_out.first["pictures left out"]
    assert done.left_out.counts["masks without a picture"] == 1


def test_a_copy_that_was_broken_off_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError("another file system")

    def broken_off(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise KeyboardInterrupt

    folders = draw_masks(tmp_path)
    monkeypatch.setattr(os, "link", refuse)
    copy = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", broken_off)
    with pytest.raises(KeyboardInterrupt):
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    monkeypatch.setattr(shutil, "copyfile", copy)
    done = convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert (done.pictures, done.left_out.counts.get("pictures left out")) == (2, None)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_masks_that_were_squeezed_are_refused_whatever_their_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(np.full((9, 9), 3, dtype=np.uint8)).save(path, format=kind)
    with pytest.raises(DataError, match=rf"mask\.png is {kind} data, whose numbers do not arrive .*; save it as PNG"):
        read_labels(path)


@pytest.mark.parametrize("name", ["00.jpg", "./street/00.jpg", "street\\00.jpg", "street/00.png"])
def test_an_instances_json_with_other_names_for_the_pictures_says_so(tmp_path: Path, name: str) -> None:
    folders = {**draw_masks(tmp_path, pictures=1), "instances": draw_json(tmp_path)}
    root = json.loads(folders["instances"].read_text())
    root["images"][0]["file_name"] = name
    folders["instances"].write_text(json.dumps(root))
    with pytest.raises(DataError, match=r"and the picture is 'street/00\.jpg'; make the names the same") as caught:
        convert_masks(tmp_path / "out", "train", **folders, categories=CATEGORIES)
    assert f"lists {name!r}" in str(caught.value)


def test_other_names_are_looked_for_once_in_a_large_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(instances_json, "stem_of", lambda name: asked.append(name) or Path(name).stem)
    names = [f"{number}.jpg" for number in range(100)]
    listed = [{"id": number, "file_name": f"train/{name}"} for number, name in enumerate(names)]
    (tmp_path / "all.json").write_text(json.dumps({"images": listed, "annotations": []}))
    read = instances_json.json_instances(tmp_path / "all.json", names, CATEGORIES, LeftOut())
    for name in names:
        with pytest.raises(DataError, match=f"lists 'train/{name}', and the picture is '{name}'"):
            read(name, np.zeros((2, 2), np.int32))
    assert len(asked) <= 2 * len(names)


def test_hidden_folders_are_passed_over_and_those_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "street").mkdir()
    photo(tmp_path / "street" / "0.png")
    photo(tmp_path / ".ipynb_checkpoints" / "0-checkpoint.png")
    assert list_pictures(tmp_path) == ["street/0.png"]
    scan = os.scandir

    def locked(path: Any) -> Any:  # whoever tests may be root, who reads everything
        if Path(path).name == "street":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DataError, match=r"street cannot be read \(Permission denied\); let it be read"):
        list_pictures(tmp_path)
