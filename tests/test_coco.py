"""Reading COCO panoptic: both layouts, the pixels' word over the JSON's, real photographs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made_data import HEIGHT, SHARED, WIDTH, colours, draw_ids, write_folder
from PIL import Image

from ada_segment.data import png
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.layout import list_splits
from ada_segment.data.png import read_header, read_ids, write_ids
from ada_segment.errors import DataError


@pytest.mark.parametrize("official", [False, True])
def test_both_layouts_give_the_same(tmp_path: Path, official: bool) -> None:
    folder = write_folder(tmp_path, official=official)
    dataset = CocoPanoptic(folder, "train")
    assert len(dataset) == 3
    assert list(list_splits(folder)) == ["train", "val"]
    assert [category.id for category in dataset.categories.things] == [3, 5]
    sample = dataset[1]
    assert sample.name == "0001.jpg"
    assert sample.image.shape == (3, HEIGHT, WIDTH)
    assert sample.image.dtype == torch.uint8
    assert sample.truth.ids.dtype == np.int32
    assert (sample.truth.ids == draw_ids(1)).all()
    assert {segment.id for segment in sample.truth.segments if segment.iscrowd} == {513}
    assert dataset.image_ids == {"0000.jpg": 50, "0001.jpg": 51, "0002.jpg": 52}


def test_png_folder_beside_the_annotations_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, official=True)
    (folder / "annotations" / "panoptic_train2017").rename(folder / "panoptic_train2017")
    assert len(CocoPanoptic(folder, "train")) == 3


def test_areas_come_from_the_pixels(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    path = folder / "panoptic_train.json"
    root = json.loads(path.read_text())
    root["annotations"][0]["segments_info"][2]["area"] = 1_000_000
    path.write_text(json.dumps(root))
    truth = CocoPanoptic(folder, "train")[0].truth
    assert {segment.id: segment.area for segment in truth.segments}[1] == 16
    assert sum(segment.area for segment in truth.segments) == HEIGHT * WIDTH - 3


def test_a_file_damaged_after_opening_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    dataset = CocoPanoptic(folder, "train")
    mask = folder / "panoptic_train" / "0002.png"
    write_ids(mask, np.full((HEIGHT, WIDTH), 7, dtype=np.int32))
    with pytest.raises(DataError, match=r"0002\.png has pixels of ids 7"):
        dataset[2]
    mask.write_bytes(mask.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"0002\.png is damaged"):
        dataset[2]
    dataset.picture_path(2).unlink()
    with pytest.raises(DataError, match=r"0002\.jpg cannot be read \(No such file"):
        dataset[2]


def test_a_large_split_is_opened_by_headers_alone(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    mask = folder / "panoptic_train" / "0002.png"
    mask.write_bytes(mask.read_bytes()[:-30])
    with pytest.raises(DataError, match="damaged"):
        CocoPanoptic(folder, "train")
    dataset = CocoPanoptic(folder, "train", decode=False)
    dataset[0]
    with pytest.raises(DataError, match="damaged"):
        dataset[2]


def test_ids_return_from_a_png(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 2**24, (37, 53)).astype(np.int32)
    write_ids(tmp_path / "ids.png", ids)
    assert read_header(tmp_path / "ids.png") == (37, 53)
    assert (read_ids(tmp_path / "ids.png") == ids).all()
    with_alpha = np.dstack([colours(ids), np.random.default_rng(1).integers(0, 256, ids.shape, dtype=np.uint8)])
    Image.fromarray(with_alpha).save(tmp_path / "alpha.png")
    assert (read_ids(tmp_path / "alpha.png") == ids).all()


def test_both_decoders_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspng")
    ids = np.random.default_rng(0).integers(0, 2**24, (37, 53)).astype(np.int32)
    write_ids(tmp_path / "ids.png", ids)
    fast = read_ids(tmp_path / "ids.png")
    monkeypatch.setattr(png, "pyspng", None)
    assert (read_ids(tmp_path / "ids.png") == fast).all()


@pytest.mark.parametrize(
    ("name", "things", "stuff", "train", "val"),
    [("facades", 5, 5, 505, 93), ("coco-mini", 12, 1, 223, 118), ("coco-panoptic-133", 80, 53, 70, 68)],
)
def test_real_photographs(name: str, things: int, stuff: int, train: int, val: int) -> None:
    folder = SHARED / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    # Their files are read to the end by the test of `check_folder`; here the annotations and headers.
    parts = [CocoPanoptic(folder, split, decode=False) for split in ("train", "val")]
    assert [len(part) for part in parts] == [train, val]
    assert parts[0].categories == parts[1].categories
    assert (len(parts[0].categories.things), len(parts[0].categories.stuff)) == (things, stuff)
    sample = parts[1][5]
    assert sample.truth.ids.shape == sample.image.shape[1:]
    assert sum(s.area for s in sample.truth.segments) == (sample.truth.ids > 0).sum()
