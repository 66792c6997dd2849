"""The index of annotations: says what the annotations say, notices changes, costs later starts nothing."""

import copy
import json
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_data import CATEGORIES, SHARED, write_folder
from safetensors import SafetensorError
from torch.utils.data import DataLoader, Dataset

from ada_segment.data import coco, index, looked_at
from ada_segment.data.annotation_arrays import quick_arrays, slow_arrays
from ada_segment.data.annotations import read_annotations
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.index import open_index
from ada_segment.data.inspection import Inspection
from ada_segment.data.problems import refuse_fatal
from ada_segment.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


NAMES = st.text("abc/.é \\:", min_size=1, max_size=6)
NUMBERS = st.integers(-1, 5) | st.sampled_from([True, 2**24, 2**24 - 1, 2**70, 1.0, "7", None])
SEGMENT = st.fixed_dictionaries(
    {"id": st.integers(1, 9) | NUMBERS, "category_id": st.sampled_from([3, 9, 90]) | NUMBERS},
    optional={"iscrowd": st.sampled_from([0, 1, True, 1.0, 2, []]), "area": NUMBERS, "bbox": st.just([1])},
)
ANNOTATION = st.fixed_dictionaries({"segments_info": st.lists(SEGMENT, max_size=3) | st.none()})


@given(data=st.data(), count=st.integers(1, 3), tidy=st.booleans())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrays_say_what_reading_entry_by_entry_says(
    tmp_path: Path, data: st.DataObject, count: int, tidy: bool
) -> None:
    """Where the quick way gives an answer the slow one finds nothing fatal and gives the same."""
    images, annotations = [], []
    for number in range(count):
        name = f"{number}" if tidy else data.draw(NAMES)
        images.append({"id": number if tidy else data.draw(NUMBERS), "file_name": name, "height": data.draw(NUMBERS)})
        annotations.append({"image_id": images[-1]["id"], "file_name": name + ".png", **data.draw(ANNOTATION)})
    root: dict[str, Any] = {"images": images[::-1], "annotations": annotations, "categories": CATEGORIES}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(root))
    slow = read_annotations(path)
    try:
        categories, quick = quick_arrays(Inspection(path), root)
    except Exception:
        return
    refuse_fatal(slow.problems)
    expected = slow_arrays(slow)
    assert categories == slow.categories
    assert quick.keys() == expected.keys()
    for key, values in expected.items():
        assert values.shape == quick[key].shape
        assert (values == quick[key]).all(), key


@pytest.mark.parametrize("name", ["facades", "coco-mini", "coco-panoptic-133"])
def test_real_files_go_the_quick_way(name: str) -> None:
    path = SHARED / "data" / name / "panoptic_train.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    categories, arrays = quick_arrays(Inspection(path), json.loads(path.read_text()))
    slow = read_annotations(path)
    for key, values in slow_arrays(slow).items():
        assert np.array_equal(values, arrays[key]), key
    assert categories == slow.categories


def test_pictures_are_those_of_the_file(folder: Path) -> None:
    path = folder / "panoptic_train.json"
    read = read_annotations(path)
    indexed = open_index(path)
    assert [indexed.file_name(number) for number in range(3)] == ["0000.jpg", "0001.jpg", "0002.jpg"]
    for ours, theirs in zip(indexed, read.pictures, strict=True):
        assert (ours.image_id, ours.file_name, ours.mask_name) == (theirs.image_id, theirs.file_name, theirs.mask_name)
        assert (ours.height, ours.width) == (theirs.height, theirs.width)
        for segment, other in zip(ours.segments, theirs.segments, strict=True):
            assert (segment.id, segment.category_id, segment.isthing, segment.iscrowd) == (
                other.id,
                other.category_id,
                other.isthing,
                other.iscrowd,
            )
    assert indexed[-1].image_id == 52
    with pytest.raises(IndexError):
        indexed[3]


def test_a_later_start_reads_no_json_and_no_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = CocoPanoptic(folder, "train")

    def fail(*arguments: Any, **options: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(index, "read_arrays", fail)
    monkeypatch.setattr(coco, "check_files", fail)
    again = CocoPanoptic(folder, "train")
    assert again.image_ids == first.image_ids
    (folder / "images" / "train" / "0001.jpg").touch()
    with pytest.raises(AssertionError, match="read again"):
        CocoPanoptic(folder, "train")


def test_any_change_of_the_json_is_noticed(folder: Path) -> None:
    path = folder / "panoptic_train.json"
    before = open_index(path)
    state = path.stat()
    text = path.read_text()
    path.write_text(text.replace('"image_id": 50', '"image_id": 40').replace('"id": 50', '"id": 40'))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # the same size and the same time
    assert path.stat().st_size == state.st_size
    assert [before[0].image_id, open_index(path)[0].image_id] == [50, 40]
    path.write_text(text[:-5])
    with pytest.raises(DataError, match="is no JSON"):
        open_index(path)


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"\x05\0\0\0\0\0\0\0{}   ", None])
def test_a_damaged_index_is_made_again(folder: Path, damage: bytes | None) -> None:
    made = open_index(folder / "panoptic_train.json").path
    data = made.read_bytes()
    made.unlink()  # the old one stays mapped
    made.write_bytes(data[: len(data) // 2] if damage is None else damage)
    assert len(open_index(folder / "panoptic_train.json")) == 3


def test_a_harmless_fault_is_looked_over_and_indexed(folder: Path) -> None:
    path = folder / "panoptic_train.json"
    root = json.loads(path.read_text())
    root["annotations"][0]["segments_info"][0]["iscrowd"] = 1  # stuff
    root["annotations"][0]["segments_info"][2]["bbox"] = "none"
    path.write_text(json.dumps(root))
    assert not open_index(path)[0].segments[0].iscrowd


def test_another_process_gets_a_path(folder: Path) -> None:
    dataset = CocoPanoptic(folder, "train")
    data = pickle.dumps(dataset)
    assert b"0001.jpg" not in data
    assert len(data) < 2000
    twin = pickle.loads(data)
    assert (twin[1].truth.ids == dataset[1].truth.ids).all()
    assert copy.deepcopy(dataset).image_ids == dataset.image_ids


def test_another_process_is_told_when_the_annotations_have_changed(folder: Path) -> None:
    path = folder / "panoptic_train.json"
    data = pickle.dumps(open_index(path))
    path.write_text(path.read_text() + " ")
    open_index(path)
    with pytest.raises(DataError, match="start the run again"):
        pickle.loads(data)


def test_a_note_that_cannot_be_written_costs_the_next_start_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(looked_at, "write_text", fail)
        CocoPanoptic(folder, "train")
    (folder / "images" / "train" / "0001.jpg").unlink()
    with pytest.raises(DataError, match=r"0001\.jpg is missing"):
        CocoPanoptic(folder, "train")


def test_loader_processes_see_what_this_one_sees(folder: Path) -> None:
    dataset = CocoPanoptic(folder, "train")
    loader = DataLoader(_Names(dataset), num_workers=1, multiprocessing_context="spawn", collate_fn=list)
    assert [name for batch in loader for name in batch] == ["0000.jpg 5", "0001.jpg 5", "0002.jpg 5"]


class _Names(Dataset[str]):
    def __init__(self, dataset: CocoPanoptic) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> str:
        sample = self.dataset[index]
        return f"{sample.name} {len(sample.truth.segments)}"


def test_the_arrays_are_mapped_not_read(folder: Path) -> None:
    indexed = open_index(folder / "panoptic_train.json")
    assert all(not values.flags.owndata and not values.flags.writeable for values in indexed._arrays.values())


def test_a_cache_that_cannot_be_written_gives_way(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ADA_SEGMENT_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "elsewhere"))
    found = open_index(folder / "panoptic_train.json")
    assert tmp_path / "elsewhere" in found.path.parents
    assert len(found) == 3


def test_a_cache_that_is_full_gives_way(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """safetensors calls a full disk an error of its own."""
    write = index.save_file

    def full(arrays: dict[str, np.ndarray], path: Path, **about: Any) -> None:
        if tmp_path / "full" in path.parents:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        write(arrays, path, **about)

    monkeypatch.setenv("ADA_SEGMENT_CACHE", str(tmp_path / "full"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "elsewhere"))
    monkeypatch.setattr(index, "save_file", full)
    assert tmp_path / "elsewhere" in open_index(folder / "panoptic_train.json").path.parents


def test_an_image_id_beyond_64_bits_is_refused(folder: Path) -> None:
    path = folder / "panoptic_train.json"
    path.write_text(path.read_text().replace('"image_id": 50', f'"image_id": {2**70}').replace(": 50", f": {2**70}"))
    with pytest.raises(DataError, match="64 bits"):
        open_index(path)


def test_unusual_names_are_kept(folder: Path) -> None:
    (folder / "images" / "train" / "0000.jpg").rename(folder / "images" / "train" / "ä b,(1).jpg")
    path = folder / "panoptic_train.json"
    path.write_text(path.read_text().replace("0000.jpg", "ä b,(1).jpg"))
    assert CocoPanoptic(folder, "train")[0].name == "ä b,(1).jpg"


def test_a_user_without_a_home_has_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers that run under a number without a name."""

    def expanduser(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", expanduser)
    for variable in (index.CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert {folder.parent for folder in index._folders()} == {Path(tempfile.gettempdir())}
