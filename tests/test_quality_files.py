"""PQ of files: the reference evaluator's figures, with one process and two, whole and in parts."""

import json
import shutil
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_data import SHARED, colours, write_split
from PIL import Image
from slow_quality import slow_counts

from ada_segment.data.annotation_arrays import quick_arrays, slow_arrays, string_from
from ada_segment.data.annotations import read_annotations
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.file_quality import quality_of_files
from ada_segment.data.inspection import Inspection
from ada_segment.data.png import read_ids
from ada_segment.errors import DataError
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.panoptic.quality import PanopticQuality, PanopticResult, Quality

ORACLE = SHARED / "oracle" / "pq"
needs_oracle = pytest.mark.skipif(not ORACLE.is_dir(), reason=f"no {ORACLE}")


def agrees(result: PanopticResult) -> None:
    expected = json.loads((ORACLE / "expected.json").read_text())
    for name, group in (("All", result.all), ("Things", result.things), ("Stuff", result.stuff)):
        same(group, expected[name])
        assert group is not None
        assert group.classes == expected[name]["n"]
    assert {str(label) for label in result.per_class} == set(expected["per_class"])
    for label, figures in expected["per_class"].items():
        quality, counts = result.per_class[int(label)], expected["counts"][label]
        if counts["tp"] + counts["fp"] + counts["fn"] == 0:
            assert quality is None
            continue
        same(quality, figures)
        assert quality is not None
        assert (quality.tp, quality.fp, quality.fn) == (counts["tp"], counts["fp"], counts["fn"])


def same(quality: Quality | None, figures: dict[str, Any]) -> None:
    assert quality is not None
    for key in ("pq", "sq", "rq"):
        assert getattr(quality, key) == pytest.approx(figures[key], abs=1e-9)


@needs_oracle
@pytest.mark.parametrize("processes", [1, 2])
def test_files_agree_with_the_reference(processes: int) -> None:
    agrees(quality_of_files(ORACLE / "gt.json", ORACLE / "pred.json", processes=processes).compute())


@needs_oracle
def test_memory_agrees_with_the_reference_in_parts() -> None:
    truth = read_annotations(ORACLE / "gt.json")
    prediction = read_annotations(ORACLE / "pred.json", categories=truth.categories)
    by_id = {picture.image_id: picture for picture in prediction.pictures}
    parts = [PanopticQuality(truth.categories, thresholds=(0.5, 0.25)) for _ in range(3)]
    for index, picture in enumerate(truth.pictures):
        predicted = by_id[picture.image_id]
        parts[index % 3].update(
            PanopticMap(ids=read_ids(ORACLE / "pred" / predicted.mask_name), segments=predicted.segments),
            PanopticMap(ids=read_ids(ORACLE / "gt" / picture.mask_name), segments=picture.segments),
        )
    agrees((parts[0] + parts[1] + parts[2]).compute(0.5))


@needs_oracle
def test_the_challenge_format_has_annotations_alone(tmp_path: Path) -> None:
    root = json.loads((ORACLE / "pred.json").read_text())
    bare = tmp_path / "pred.json"
    bare.write_text(json.dumps({"annotations": root["annotations"]}))
    (tmp_path / "pred").symlink_to((ORACLE / "pred").resolve())
    agrees(quality_of_files(ORACLE / "gt.json", bare).compute())


@needs_oracle
def test_faults_of_a_prediction_are_named(tmp_path: Path) -> None:
    shutil.copytree(ORACLE / "pred", tmp_path / "pred")
    root = json.loads((ORACLE / "pred.json").read_text())
    target = tmp_path / "pred.json"

    def score() -> None:
        target.write_text(json.dumps(root))
        quality_of_files(ORACLE / "gt.json", target)

    taken = next(entry for entry in root["annotations"] if len(entry["segments_info"]) > 1)
    root["annotations"].remove(taken)
    with pytest.raises(DataError, match=r"pred\.json has no annotation of 1 pictures .*image id"):
        score()
    root["annotations"].append(taken)
    first = taken["segments_info"].pop()
    with pytest.raises(DataError, match=rf"pred/{taken['file_name']}.*pixels with ids \[{first['id']}\]"):
        score()
    taken["segments_info"].append({**first, "category_id": 12345})
    with pytest.raises(DataError, match="12345"):
        score()
    taken["segments_info"][-1] = first
    (tmp_path / "pred" / taken["file_name"]).unlink()
    with pytest.raises(DataError, match=rf"{taken['file_name']} cannot be read"):
        score()


@pytest.mark.parametrize("name", ["coco-mini", "coco-panoptic-133"])
def test_real_truth_against_itself_is_perfect(name: str) -> None:
    folder = SHARED / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    files = CocoPanoptic(folder, "val", decode=False).files
    result = quality_of_files(files.annotations, files.annotations).compute()
    assert result.all is not None
    # Crowds are left out of the truth, and excused in the prediction.
    assert (result.all.pq, result.all.fp, result.all.fn) == (1.0, 0, 0)


@pytest.mark.parametrize("things", [True, False], ids=["quick", "entry by entry"])
def test_a_crowd_of_stuff_is_a_crowd_as_in_the_reference(things: bool, tmp_path: Path) -> None:
    categories = [{"id": 9, "name": "sky", "isthing": 0}, {"id": 90, "name": "grass", "isthing": 0}]
    if things:
        categories.append({"id": 3, "name": "cat", "isthing": 1})
    ids = np.repeat(np.array([[1], [1], [2], [3]], dtype=np.int32), 6, axis=1)
    maps = {}
    for side, crowd in (("gt", 1), ("pred", 0)):
        infos = [
            {"id": 1, "category_id": 9, "iscrowd": crowd},
            {"id": 2, "category_id": 90},
            {"id": 3, "category_id": 9},
        ]
        segments = tuple(
            Segment(one["id"], one["category_id"], isthing=False, iscrowd=bool(one.get("iscrowd"))) for one in infos
        )
        maps[side] = PanopticMap(ids, segments)
        (tmp_path / side).mkdir()
        Image.fromarray(colours(ids)).save(tmp_path / side / "0.png")
        root = {
            "images": [{"id": 1, "file_name": "0.jpg", "height": 4, "width": 6}],
            "annotations": [{"image_id": 1, "file_name": "0.png", "segments_info": infos}],
            "categories": categories,
        }
        (tmp_path / f"{side}.json").write_text(json.dumps(root))
    found = quality_of_files(tmp_path / "gt.json", tmp_path / "pred.json").compute().per_class
    for label, counts in slow_counts([(maps["pred"], maps["gt"])], 0.5).items():
        quality = found[label]
        assert quality is not None
        assert [quality.tp, quality.fp, quality.fn] == counts[:3] == [1, 0, 0], label


def two_files(folder: Path, names: list[str], *, bare: bool = False) -> tuple[Path, Path]:
    """A truth, and a prediction that is it with other names of pictures; bare: with none."""
    write_split(folder, "val", pictures=len(names))
    truth = folder / "panoptic_val.json"
    root = json.loads(truth.read_text())
    for image, name in zip(root["images"], names, strict=True):
        image["file_name"] = name
    root["images"] += [None, {"id": "x"}, {"id": 50}]
    if bare:
        del root["images"]
    prediction = folder / "pred.json"
    prediction.write_text(json.dumps(root))
    (folder / "pred").symlink_to(folder / "panoptic_val")
    return truth, prediction


def test_an_id_that_stands_for_other_pictures_is_refused(tmp_path: Path) -> None:
    """As in predictions that were made in another order than the truth's: they gave a wrong PQ without a word."""
    truth, prediction = two_files(tmp_path, ["0001.jpg", "0000.jpg", "0002.jpg"])
    with pytest.raises(
        DataError, match=r"pred\.json calls image id 50 0001\.jpg, which is 0000\.jpg in .*2 of 3"
    ) as no:
        quality_of_files(truth, prediction)
    assert "take `images` out" in str(no.value)


@pytest.mark.parametrize("names", [["a/0000.png", "0001.jpg"], ["C:\\a\\0000.png", "0001"], []])
def test_folders_and_endings_of_names_may_differ(names: list[str], tmp_path: Path) -> None:
    truth, prediction = two_files(tmp_path, names or ["x", "y"], bare=not names)
    assert quality_of_files(truth, prediction).compute().pq == 1


def test_names_of_a_prediction_are_read_alike_quickly_and_entry_by_entry(tmp_path: Path) -> None:
    truth, prediction = two_files(tmp_path, ["x", "y"])
    categories = read_annotations(truth).categories
    _, quick = quick_arrays(Inspection(prediction), json.loads(prediction.read_text()), categories)
    slow = slow_arrays(read_annotations(prediction, categories=categories))
    assert [string_from(quick, "name", place) for place in range(2)] == ["x", "y"]
    assert all(np.array_equal(quick[key], slow[key]) for key in slow)


def test_image_ids_may_be_text(tmp_path: Path) -> None:
    """As in the files of Cityscapes' own script."""
    truth, prediction = two_files(tmp_path, ["a", "b", "c"])
    for file in (truth, prediction):
        root = json.loads(file.read_text())
        images = [image for image in root["images"] if image and isinstance(image["id"], int)][:3]
        names = {image["id"]: f"town_{number}" for number, image in enumerate(images)}
        for image in images:
            image["id"] = names[image["id"]]
        for annotation in root["annotations"]:
            annotation["image_id"] = names[annotation["image_id"]]
        if file == prediction:
            root["annotations"].reverse()
        root["images"] = [{**image, "file_name": f"{image['id']}.jpg"} for image in images]
        file.write_text(json.dumps(root))
    assert quality_of_files(truth, prediction).compute().pq == 1
    root = json.loads(prediction.read_text())
    prediction.write_text(json.dumps({"annotations": root["annotations"][1:]}))
    with pytest.raises(DataError, match=r"no annotation of 1 pictures of .*town_2\.jpg"):
        quality_of_files(truth, prediction)
    with pytest.raises(DataError, match="without a proper id"):
        CocoPanoptic(tmp_path, "val")


def test_a_process_that_is_ended_from_outside_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, prediction = two_files(tmp_path, ["0000.jpg", "0001.jpg", "0002.jpg", "0003.jpg"])

    class Killed:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def __enter__(self) -> "Killed":
            return self

        def __exit__(self, *_: object) -> None: ...

        def map(self, *_: Any) -> Any:
            raise BrokenProcessPool("terminated abruptly")

    monkeypatch.setattr("ada_segment.data.file_quality.ProcessPoolExecutor", Killed)
    with pytest.raises(DataError, match=r"one of 2 processes .* ended from outside.*--processes"):
        quality_of_files(truth, prediction, processes=2)


def test_a_mask_of_more_pixels_than_are_opened_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyspng, where it is installed, opens any."""
    truth, prediction = two_files(tmp_path, ["0000.jpg", "0001.jpg", "0002.jpg"])
    monkeypatch.setattr("ada_segment.data.png.pyspng", None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match=r"png has more pixels than are opened .*cut it into parts"):
        quality_of_files(truth, prediction)
