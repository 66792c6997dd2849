"""What `data check` does beside finding faults: mended copies, statistics, a sheet to look at."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_data import HEIGHT, SHARED, WIDTH, draw_ids, write_folder
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from ada_segment.cli import app
from ada_segment.data.check import check_folder
from ada_segment.data.mending import Mended, mend_folder
from ada_segment.data.overlap import shared_files
from ada_segment.data.problems import group
from ada_segment.data.statistics import Tally
from ada_segment.errors import ConfigError, DataError
from ada_segment.report.data_sheet import draw_data_sheet
from ada_segment.report.overlay import to_width
from ada_segment.report.tables import mended_table, statistics_tables

Root = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data")


def edit(path: Path, change: Callable[[Root], object]) -> None:
    root = json.loads(path.read_text())
    change(root)
    path.write_text(json.dumps(root))


def spoil(root: Root) -> None:
    first, second, third, *_ = root["annotations"][0]["segments_info"]
    first.update(area=3, iscrowd=1)  # sky
    second.update(bbox=[float("nan"), 0, 1, 1])
    third.update(isthing=0)  # a cat
    root["annotations"][1]["segments_info"][0].update(area=None, bbox="none", isthing=True)
    root["images"][1].update(height=5)
    root["note"] = "kept"


def test_what_is_safe_to_mend_is_mended_in_a_copy(folder: Path, tmp_path: Path) -> None:
    path = folder / "panoptic_train.json"
    good = json.loads(path.read_text())
    edit(path, spoil)
    spoilt = path.read_bytes()
    assert check_folder(folder)
    (mended,) = mend_folder(folder, tmp_path / "mended")
    assert mended.path == tmp_path / "mended" / "panoptic_train.json"
    assert mended.fields == {"area": 2, "bbox": 2, "isthing": 2, "iscrowd": 1, "height": 1}
    assert path.read_bytes() == spoilt
    mended.path.replace(path)
    assert check_folder(folder) == []
    made = json.loads(path.read_text())
    assert made.pop("note") == "kept"
    for annotation in made["annotations"]:
        for segment in annotation["segments_info"]:
            segment.pop("isthing", None)
    assert made == good
    assert mend_folder(folder, tmp_path / "again") == []
    assert not (tmp_path / "again").exists()


def test_what_needs_a_person_stays_wrong(folder: Path, tmp_path: Path) -> None:
    path = folder / "panoptic_train.json"
    edit(path, spoil)
    edit(path, lambda root: root["annotations"][0]["segments_info"].append({"id": 99, "category_id": 3}))
    edit(path, lambda root: root["annotations"][2]["segments_info"][0].update(category_id=77))
    edit(path, lambda root: root["annotations"].append("no annotation"))
    (folder / "panoptic_train" / "0001.png").write_text("no picture")
    (mended,) = mend_folder(folder, tmp_path / "mended")
    mended.path.replace(path)
    assert set(group(check_folder(folder))) == {
        "id missing in the PNG",
        "undeclared category",
        "id missing in the JSON",
        "malformed annotations",
        "unreadable PNG",
        "bad box",  # of the picture whose PNG cannot be read
    }


def test_nothing_is_overwritten(folder: Path, tmp_path: Path) -> None:
    edit(folder / "panoptic_val.json", lambda root: root["images"][0].update(width=1))
    edit(folder / "panoptic_train.json", spoil)
    with pytest.raises(DataError, match="exists already"):
        mend_folder(folder, folder)
    (tmp_path / "mended").mkdir()
    (tmp_path / "mended" / "panoptic_val.json").write_text("mine")
    with pytest.raises(DataError, match=r"panoptic_val\.json exists already"):
        mend_folder(folder, tmp_path / "mended")
    assert [file.name for file in (tmp_path / "mended").iterdir()] == ["panoptic_val.json"]


@pytest.mark.parametrize("text", ["{oops", "[]", '{"annotations": []}', '{"annotations": [1, {"file_name": "../x"}]}'])
def test_broken_files_are_left_alone(folder: Path, tmp_path: Path, text: str) -> None:
    (folder / "panoptic_train.json").write_text(text)
    assert mend_folder(folder, tmp_path / "mended") == []


def test_the_tally_counts_pixels(folder: Path) -> None:
    edit(folder / "panoptic_train.json", lambda r: r["annotations"][0]["segments_info"][0].update(area=10**6))
    tallies: dict[str, Tally] = {}
    check_folder(folder, tallies=tallies)
    assert list(tallies) == ["train", "val"]
    tally = tallies["train"]
    assert (tally.pictures, tally.pixels, tally.void) == (3, 3 * HEIGHT * WIDTH, 9)
    ids = draw_ids(0)
    cat, dog = tally.classes[3], tally.classes[5]
    assert (cat.pictures, cat.segments, cat.crowds, cat.pixels) == (3, 3, 0, 3 * 16)
    assert (dog.pictures, dog.segments, dog.crowds) == (3, 3, 3)
    assert dog.pixels == 3 * np.isin(ids, (16_777_215, 513)).sum()
    assert tally.void + sum(count.pixels for count in tally.classes.values()) == tally.pixels


def test_the_table_has_every_class(folder: Path) -> None:
    tallies: dict[str, Tally] = {}
    check_folder(folder, tallies=tallies)
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(statistics_tables(tallies))
    text = console.export_text()
    for word in ("cat", "dog", "sky", "grass", "thing", "stuff", "train: 3 pictures", "1.56 %"):
        assert word in text
    console.file.close()


def test_statistics_of_real_photographs() -> None:
    folder = SHARED / "data" / "coco-panoptic-133"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    tallies: dict[str, Tally] = {}
    assert check_folder(folder, tallies=tallies) == []
    for split, pictures in (("train", 70), ("val", 68)):
        tally = tallies[split]
        assert tally.pictures == pictures
        root = json.loads((folder / f"panoptic_{split}.json").read_text())
        infos = [info for annotation in root["annotations"] for info in annotation["segments_info"]]
        assert sum(count.segments + count.crowds for count in tally.classes.values()) == len(infos)
        assert sum(count.pixels for count in tally.classes.values()) == sum(info["area"] for info in infos)


def test_a_sheet_shows_pictures_of_each_split(folder: Path, tmp_path: Path) -> None:
    assert draw_data_sheet(folder, tmp_path / "sheet.png", rows=2) == 4
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 100
    assert draw_data_sheet(folder, tmp_path / "sheet.jpg") == 5
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.format == "JPEG"


def test_a_sheet_passes_over_what_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    (folder / "panoptic_train" / "0001.png").write_text("no picture")
    assert draw_data_sheet(folder, tmp_path / "sheet.png") == 4
    for path in folder.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match="data check"):
        draw_data_sheet(folder, tmp_path / "sheet.png")
    with pytest.raises(ConfigError, match=r"\.png or \.jpg"):
        draw_data_sheet(folder, tmp_path / "sheet.txt")


@pytest.mark.parametrize("flags", [["--picture", "sheet.gif"], ["--fix", "used"]])
def test_what_cannot_be_written_is_said_before_files_are_read(
    flags: list[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    shutil.copy(folder / "panoptic_train.json", tmp_path / "used")
    monkeypatch.setattr("ada_segment.data.check.check_folder", lambda *_, **__: pytest.fail("files were read"))
    result = CliRunner().invoke(app, ["data", "check", str(folder), *flags])
    assert isinstance(result.exception, ConfigError | DataError)


def test_paths_in_brackets_are_shown_as_they_are() -> None:
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(mended_table([Mended(Path("a[/m]") / "b[bold].json", Counter(area=2))]))
    assert "a[/m]/b[bold].json" in console.export_text()


def test_the_command_does_it_all(folder: Path, tmp_path: Path) -> None:
    edit(folder / "panoptic_train.json", spoil)
    sheet, mended = tmp_path / "sheet.png", tmp_path / "mended"
    flags = ["data", "check", str(folder), "--statistics", "--picture", str(sheet), "--fix", str(mended)]
    result = CliRunner().invoke(app, flags, env={"COLUMNS": "200"})
    assert result.exit_code == 1, result.output
    for word in ("wrong area", "grass", "sheet.png", "isthing"):
        assert word in result.output
    assert sheet.exists()
    (mended / "panoptic_train.json").replace(folder / "panoptic_train.json")
    result = CliRunner().invoke(app, ["data", "check", str(folder)])
    assert result.exit_code == 0
    assert "nothing wrong" in result.output


def test_a_folder_in_cocos_layout_can_be_mended_in_place(tmp_path: Path) -> None:
    """The new file came first, and found no PNGs beside it."""
    folder = write_folder(tmp_path / "data", official=True)
    edit(folder / "annotations" / "panoptic_train2017.json", spoil)
    assert mend_folder(folder, folder)
    assert (folder / "panoptic_train2017.json").exists()
    assert not [problem for problem in check_folder(folder) if problem.kind == "missing folder"]


def test_very_tall_pictures_stay_within_what_a_picture_file_can_hold() -> None:
    """WebP's end was the end of a run, and JPEG's that of a sheet."""
    for width, height in ((8, 800), (1, 10**6), (24, 1500)):
        drawn = to_width(Image.new("RGB", (width, height)), 320)
        assert drawn.height == 4 * 320
        assert drawn.width == max(1, round(width * 1280 / height))
    assert to_width(Image.new("RGB", (100, 300)), 320).size == (320, 960)


def test_what_cannot_be_read_is_like_nothing_else(tmp_path: Path) -> None:
    """It ended the check, and what had been found was lost."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    assert shared_files([tmp_path / "one"], [tmp_path / "other"]) == []
