"""What we write, our own reader and check accept, and PQ from files is PQ from memory."""

from pathlib import Path

import numpy as np
import pytest

from ada_segment.data.annotations import read_annotations
from ada_segment.data.check import check_folder
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.file_quality import quality_of_files
from ada_segment.data.png import read_ids
from ada_segment.data.scenes import Scenes
from ada_segment.data.settings import DataSettings
from ada_segment.data.splits import open_splits
from ada_segment.data.subset import Subset
from ada_segment.data.writing import image_ids, picture_names, write_panoptic, write_scenes
from ada_segment.errors import DataError
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.quality import PanopticQuality
from ada_segment.panoptic.recount import recount


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, size=32, train=6, test=4, seed=3)
    return folder


def test_written_scenes_are_those_of_memory(scenes: Path) -> None:
    assert check_folder(scenes) == []
    splits = open_splits(DataSettings(source=str(scenes), reward_minimum=2))
    drawn = Scenes(size=32, count=4, seed=3, split="test")
    assert splits.categories == drawn.categories
    for index in range(4):
        ours, theirs = drawn[index], splits.test[index]
        assert ours.image.equal(theirs.image)
        assert (ours.truth.ids == theirs.truth.ids).all()
        assert ours.truth.segments == theirs.truth.segments


def test_a_folder_in_use_is_left_alone(scenes: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        write_scenes(scenes, size=32, train=2, test=2)


def test_quality_of_files_is_that_of_memory(scenes: Path, tmp_path: Path) -> None:
    truth = CocoPanoptic(scenes, "val")
    quality = PanopticQuality(truth.categories, thresholds=(0.5, 0.3))
    predictions: list[tuple[str, PanopticMap]] = []
    for index in range(len(truth)):
        sample = truth[index]
        ids = np.roll(sample.truth.ids, 2, axis=1)
        prediction = recount(ids, sample.truth.segments)
        predictions.append((sample.name, prediction))
        quality.update(prediction, sample.truth)
    out = tmp_path / "out" / "predictions.json"
    write_panoptic(out, reversed(predictions), truth.categories, image_ids=image_ids(truth))
    counted = quality_of_files(scenes / "panoptic_val.json", out, thresholds=(0.5, 0.3))
    assert np.allclose(counted.counts, quality.counts, rtol=0, atol=1e-12)
    assert 0 < quality.compute().pq < 1


def test_names_and_ids_go_with_the_pictures(scenes: Path) -> None:
    for dataset in (Scenes(size=16, count=5), CocoPanoptic(scenes, "train")):
        part = Subset(dataset, [3, 1])
        assert picture_names(part) == [part[0].name, part[1].name]
        assert image_ids(part) == {part[0].name: 4, part[1].name: 2}


def test_pictures_whose_names_differ_in_their_endings_alone_have_a_png_each(tmp_path: Path) -> None:
    scenes = Scenes(size=16, count=2)
    pairs = [("a/x.jpg", scenes[0].truth), ("a/x.png", scenes[1].truth)]
    write_panoptic(tmp_path / "a.json", pairs, scenes.categories)
    written = read_annotations(tmp_path / "a.json").pictures
    assert [(picture.file_name, picture.mask_name) for picture in written] == [
        ("a/x.jpg", "a/x.png"),
        ("a/x.png", "a/x.png.png"),
    ]
    for picture, (_, truth) in zip(written, pairs, strict=True):
        assert np.array_equal(read_ids(tmp_path / "a" / picture.mask_name), truth.ids)


def test_names_that_would_collide_or_are_unknown_are_refused(tmp_path: Path) -> None:
    scenes = Scenes(size=16, count=1)
    truth = scenes[0].truth
    with pytest.raises(DataError, match=r"two pictures are called x\.jpg"):
        write_panoptic(tmp_path / "a.json", [("x.jpg", truth), ("x.jpg", truth)], scenes.categories)
    three = [(name, truth) for name in ("x.jpg.png", "x.png", "x.jpg")]
    with pytest.raises(DataError, match=r"x\.jpg\.png would be written twice"):
        write_panoptic(tmp_path / "a.json", three, scenes.categories)
    with pytest.raises(DataError, match="no image id"):
        write_panoptic(tmp_path / "b.json", [("x.jpg", truth)], scenes.categories, image_ids={"y.jpg": 1})
    for name in ("../x.jpg", "/x.jpg", "a/../../x.jpg"):
        with pytest.raises(DataError, match="leaves its folder"):
            write_panoptic(tmp_path / "b.json", [(name, truth)], scenes.categories)
    assert not (tmp_path / "b.json").exists()
