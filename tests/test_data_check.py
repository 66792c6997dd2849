"""Planted faults: each is found, named with its file, and refused before training where nothing can be learned."""

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_data import HEIGHT, SHARED, WIDTH, draw_ids, write_folder
from made_data import colours as to_colours
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ada_segment.data import check
from ada_segment.data.check import check_file, check_folder, check_split
from ada_segment.data.convert.label_mask import read_labels
from ada_segment.data.layout import find_split
from ada_segment.data.picture import is_turned, read_picture, read_picture_size
from ada_segment.data.problems import group
from ada_segment.data.settings import DataSettings
from ada_segment.data.splits import open_splits
from ada_segment.errors import DataError

Root = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("good"), train=4, val=2)


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "data"))


def edit(change: Callable[[Root], object]) -> Callable[[Path], None]:
    """A fault planted into panoptic_train.json."""

    def plant(folder: Path) -> None:
        path = folder / "panoptic_train.json"
        root = json.loads(path.read_text())
        change(root)
        path.write_text(json.dumps(root))

    return plant


def info(root: Root, index: int = 0) -> Root:
    segment: Root = root["annotations"][0]["segments_info"][index]
    return segment


def redraw(draw: Callable[[Path], None]) -> Callable[[Path], None]:
    """A fault planted into the PNG of the first picture."""
    return lambda folder: draw(folder / "panoptic_train" / "0000.png")


def paint_id(value: int) -> Callable[[Path], None]:
    def draw(path: Path) -> None:
        ids = draw_ids(0)
        ids[6, 6] = value
        Image.fromarray(to_colours(ids)).save(path)

    return draw


def erase_cat(path: Path) -> None:
    ids = draw_ids(0)
    ids[ids == 1] = 300
    Image.fromarray(to_colours(ids)).save(path)


def sixteen_bits(path: Path) -> None:
    # Pillow writes no 16-bit RGB; the header alone makes one.
    data = bytearray(path.read_bytes())
    data[24] = 16
    path.write_bytes(data)


def image(mode: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Callable[[Path], None]:
    return lambda path: Image.new(mode, size).save(path)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def turn(folder: Path) -> None:
    with Image.open(folder / JPG) as picture:
        exif = picture.getexif()
        exif[ExifTags.Base.Orientation] = 6
        picture.save(folder / JPG, exif=exif)


def draw_upright(folder: Path) -> None:
    """A picture that viewers turn, and a PNG of the size that they show."""
    turn(folder)
    image("RGB", (HEIGHT, WIDTH))(folder / "panoptic_train" / "0001.png")


JPG = Path("images") / "train" / "0001.jpg"


def accents(folder: Path) -> None:
    """The same name, as one system writes it and another one does."""
    (folder / JPG).rename(folder / JPG.with_name("caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg"))
    edit(lambda r: r["images"][1].update(file_name="cafe\N{COMBINING ACUTE ACCENT}.jpg"))(folder)


def rename_splits(names: dict[str, str]) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        for old, new in names.items():
            for name in ("panoptic_{}.json", "panoptic_{}", "images/{}"):
                (folder / name.format(old)).rename(folder / name.format(new))

    return plant


def into_subfolder(folder: Path) -> None:
    (folder / JPG.parent / "a").mkdir()
    (folder / JPG).rename(folder / JPG.parent / "a" / JPG.name)
    edit(lambda r: r["images"][1].update(file_name="a\\0001.jpg"))(folder)


@edit
def huge_image_id(root: Root) -> None:
    root["images"][1]["id"] = root["annotations"][1]["image_id"] = 2**70


def in_place_of_json(folder: Path) -> None:
    (folder / "panoptic_train.json").unlink()
    (folder / "panoptic_train.json").mkdir()


FATAL: dict[str, tuple[Callable[[Path], object], str, str]] = {
    # name: (what is planted, kind of the problem, what its text names)
    "no JSON": (lambda f: (f / "panoptic_train.json").write_text("{oops"), "broken JSON", "panoptic_train.json"),
    "JSON without annotations": (edit(lambda r: r.pop("annotations")), "malformed annotations", "annotations"),
    "JSON list": (lambda f: (f / "panoptic_train.json").write_text("[1]"), "malformed annotations", "annotations"),
    "images no list": (edit(lambda r: r.update(images=5)), "malformed annotations", "images"),
    "image no object": (edit(lambda r: r["images"].append("x")), "malformed annotations", "images[4]"),
    "image without name": (edit(lambda r: r["images"][2].pop("file_name")), "malformed annotations", "images[2]"),
    "id a string": (edit(lambda r: info(r).update(id="7")), "malformed annotations", "0000.png"),
    "no pictures": (edit(lambda r: r.update(images=[], annotations=[])), "no pictures", "panoptic_train.json"),
    "no things": (edit(lambda r: [c.update(isthing=0) for c in r["categories"]]), "no things", "isthing 1"),
    "no stuff": (edit(lambda r: [c.update(isthing=1) for c in r["categories"]]), "no stuff", "isthing 0"),
    "category twice": (edit(lambda r: r["categories"].append(r["categories"][0])), "category declared twice", "3"),
    "negative category": (edit(lambda r: r["categories"][0].update(id=-1)), "bad category id", "-1"),
    "category too great": (edit(lambda r: r["categories"][0].update(id=65_536)), "bad category id", "above 65535"),
    "isthing no flag": (edit(lambda r: r["categories"][0].update(isthing=2)), "malformed annotations", "isthing 2"),
    "undeclared category": (edit(lambda r: info(r).update(category_id=77)), "undeclared category", "77"),
    "image id twice": (edit(lambda r: r["images"][1].update(id=50)), "image listed twice", "50"),
    "picture twice": (
        edit(lambda r: r["images"][1].update(file_name="0000.jpg")),
        "image listed twice",
        "0000.jpg",
    ),
    "annotated twice": (edit(lambda r: r["annotations"][1].update(image_id=50)), "annotation twice", "50"),
    "annotation of nothing": (
        edit(lambda r: r["annotations"][1].update(image_id=999)),
        "annotation without image",
        "999",
    ),
    "image without annotation": (edit(lambda r: r["annotations"].pop()), "image without annotation", "0003.jpg"),
    "PNG of two": (
        edit(lambda r: r["annotations"][1].update(file_name="0000.png")),
        "PNG listed twice",
        "0000.png",
    ),
    "segment id 0": (edit(lambda r: info(r).update(id=0)), "bad segment id", "segment 0"),
    "segment id too great": (edit(lambda r: info(r).update(id=2**24)), "bad segment id", str(2**24)),
    "segment twice": (
        edit(lambda r: r["annotations"][0]["segments_info"].append(info(r))),
        "segment listed twice",
        "70000",
    ),
    "crowd no flag": (edit(lambda r: info(r, 2).update(iscrowd=3)), "malformed annotations", "iscrowd 3"),
    "picture outside": (
        edit(lambda r: r["images"][0].update(file_name="../0000.jpg")),
        "file outside",
        "../0000.jpg",
    ),
    "picture absolute": (edit(lambda r: r["images"][0].update(file_name="/etc/passwd")), "file outside", "/etc"),
    "PNG outside": (
        edit(lambda r: r["annotations"][0].update(file_name="a/../../0.png")),
        "file outside",
        "a/../../0.png",
    ),
    "Windows path": (edit(lambda r: r["images"][0].update(file_name="C:\\a.jpg")), "file outside", "a.jpg"),
    "name too long": (edit(lambda r: r["images"][0].update(file_name="a" * 5000)), "missing picture", "aaaa"),
    "picture missing": (lambda f: (f / JPG).unlink(), "missing picture", "0001.jpg"),
    "other ending": (lambda f: (f / JPG).rename((f / JPG).with_suffix(".JPG")), "missing picture", "0001.JPG"),
    "picture cut short": (lambda f: halve(f / JPG), "unreadable picture", "0001.jpg"),
    "picture of fractions": (
        lambda f: Image.new("F", (WIDTH, HEIGHT), 0.5).save(f / JPG, format="TIFF"),
        "unreadable picture",
        "fractions",
    ),
    "picture is text": (lambda f: (f / JPG).write_text("no picture"), "unreadable picture", "0001.jpg"),
    "PNG missing": (redraw(Path.unlink), "missing PNG", "0000.png"),
    "PNG cut short": (redraw(halve), "unreadable PNG", "0000.png"),
    "PNG is text": (redraw(lambda path: path.write_text("no picture")), "unreadable PNG", "0000.png"),
    "PNG is empty": (redraw(lambda path: path.write_bytes(b"")), "unreadable PNG", "0000.png"),
    "palette PNG": (redraw(image("P")), "unreadable PNG", "palette PNG"),
    "grey PNG": (redraw(image("L")), "unreadable PNG", "grey PNG"),
    "16-bit grey PNG": (redraw(image("I;16")), "unreadable PNG", "16 bits"),
    "16-bit RGB PNG": (redraw(sixteen_bits), "unreadable PNG", "16 bits"),
    "other size": (redraw(image("RGB", (5, 7))), "sizes differ", "5x7"),
    "drawn upright": (draw_upright, "sizes differ", "as it is stored; store the picture upright"),
    "id the JSON lacks": (redraw(paint_id(4711)), "id missing in the JSON", "4711"),
    "id the PNG lacks": (redraw(erase_cat), "id missing in the PNG", "segments 1 of 0000.png"),
    "no PNG folder": (lambda f: shutil.rmtree(f / "panoptic_train"), "missing folder", "panoptic_train"),
    "no picture folder": (lambda f: shutil.rmtree(f / "images" / "train"), "missing folder", "images/train"),
    "other classes in val": (edit(lambda r: r["categories"].append({"id": 91, "name": "x", "isthing": 0})),
                             "categories differ", "panoptic_val.json"),
    "no val": (lambda f: (f / "panoptic_val.json").unlink(), "missing split", "has no val split (it has train)"),
    "no segments": (edit(lambda r: [a.update(segments_info=[]) for a in r["annotations"]]),
                    "no segments", "panoptic_train.json has no segment"),
    "id as text": (edit(lambda r: r["images"][2].update(id="52")), "malformed annotations", 'write id as 52, not "52"'),
    "isthing as text": (edit(lambda r: r["categories"][0].update(isthing="1")),
                        "malformed annotations", 'write isthing as 1, not "1"'),
    "id as a fraction": (edit(lambda r: info(r).update(id=1.0)), "malformed annotations", "write id as 1, not 1.0"),
    "id null": (edit(lambda r: info(r).update(id=None)), "malformed annotations", "write id as a whole number"),
    "name a number": (edit(lambda r: r["categories"][0].update(name=5)),
                      "malformed annotations", 'write name as "5", not 5'),
    "segments no list": (edit(lambda r: r["annotations"][0].update(segments_info="x")),
                         "malformed annotations", 'write segments_info as a list, not "x"'),
    "one wrong, one missing": (edit(lambda r: (info(r).update(id="7"), info(r).pop("category_id"))),
                               "malformed annotations", 'write id as 7, not "7"; add category_id'),
    "image id of 70 bits": (huge_image_id,
                            "bad image id", f"uses image id {2**70}, beyond 64 bits"),
    "no train either": (rename_splits({"train": "training", "val": "validation"}),
                        "missing split", "has no train and no val split (it has training, validation)"),
    "train of another name": (rename_splits({"train": "training"}),
                              "missing split", "has no train split (it has val, training)"),
    "Windows names": (edit(lambda r: r["annotations"][0].update(file_name="train\\0000.png")),
                      "missing PNG", "there is 0000.png: make the names the same"),
    "Windows folders": (into_subfolder,
                        "missing picture", "images/train/a/0001.jpg: make the names the same"),
    "folder in the name": (edit(lambda r: r["images"][1].update(file_name="images/train/0001.jpg")),
                           "missing picture", "images/train/0001.jpg: make the names the same"),
    "letters composed otherwise": (accents, "missing picture", "there is caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg"),
    "folder in place of the JSON": (in_place_of_json, "missing annotations", "is a folder; name the JSON file"),
    "folder in place of a picture": (lambda f: ((f / JPG).unlink(), (f / JPG).mkdir()), "missing picture", "0001.jpg"),
    "a picture in both": (lambda f: shutil.copy(f / "images/train/0000.jpg", f / "images/val/0000.jpg"),
                          "picture in two splits", "images/train/0000.jpg"),
}  # fmt: skip

HARMLESS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "wrong area": (edit(lambda r: info(r).update(area=3)), "wrong area", "70000"),
    "wrong box": (edit(lambda r: info(r).update(bbox=[1, 1, 2, 2])), "wrong box", "[1, 1, 2, 2]"),
    "NaN box": (edit(lambda r: info(r).update(bbox=[float("nan"), 0, 1, 1])), "bad box", "nan"),
    "crowd of stuff": (edit(lambda r: info(r).update(iscrowd=1)), "crowd of stuff", "sky"),
    "stuff in parts": (edit(lambda r: info(r, 1).update(category_id=9)), "stuff in parts", "sky"),
    "thing marked as stuff": (edit(lambda r: info(r, 2).update(isthing=0)), "isthing contradicts", "cat"),
    "same picture": (lambda f: shutil.copy(f / JPG, f / "images/train/0003.jpg"), "picture twice", "same as 0001.jpg"),
    "turned picture": (turn, "turned picture", "0001.jpg"),
    "wrong stated size": (edit(lambda r: r["images"][0].update(width=99)), "stated size is wrong", "99x12"),
}


@pytest.mark.parametrize("name", [*FATAL, *HARMLESS])
def test_planted_faults_are_found(name: str, folder: Path) -> None:
    plant, kind, names = {**FATAL, **HARMLESS}[name]
    plant(folder)
    problems = check_folder(folder)
    found = group(problems)
    assert kind in found, problems
    assert any(names in str(problem) for problem in found[kind]), problems
    assert all(problem.fix for problem in problems)
    assert any(problem.fatal for problem in problems) == (name in FATAL)


@pytest.mark.parametrize("name", FATAL)
def test_fatal_faults_are_refused_at_opening(name: str, folder: Path) -> None:
    plant, _, _ = FATAL[name]
    plant(folder)
    with pytest.raises(DataError, match=r"; "):
        open_splits(DataSettings(source=str(folder), reward_minimum=1))


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_faults_are_looked_over(name: str, folder: Path) -> None:
    plant, _, _ = HARMLESS[name]
    plant(folder)
    splits = open_splits(DataSettings(source=str(folder), reward_minimum=1))
    for index in range(len(splits.train)):
        truth = splits.train[index].truth
        assert all(segment.area == np.count_nonzero(truth.ids == segment.id) for segment in truth.segments)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a JSON tree something could be replaced."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from paths(child, (*path, key))


@given(data=st.data(), value=JSON, whole=st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_whatever_makes_it_stumble(
    good: Path, tmp_path: Path, data: st.DataObject, value: Any, whole: bool
) -> None:
    """One node of the annotations replaced by anything: problems or none, but never another exception."""
    root = json.loads((good / "panoptic_train.json").read_text())
    places = list(paths(root))
    *above, last = data.draw(st.sampled_from(places[1:]))
    node = root
    for key in above:
        node = node[key]
    node[last] = value
    path = tmp_path / "panoptic_train.json"
    path.write_text(json.dumps(root if whole else value))
    files = replace(find_split(good, "train"), annotations=path)
    annotations, problems = check_split(files)
    if not any(problem.fatal for problem in problems):
        assert len(annotations.pictures) == 4


def test_a_folder_that_may_not_be_looked_into_is_named_and_the_rest_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "panoptic_val" / "0001.png").unlink()
    look = check.find_split

    def find(folder: Path, split: str) -> Any:
        if split == "train":
            raise PermissionError(13, "Permission denied", str(folder / "panoptic_train"))
        return look(folder, split)

    monkeypatch.setattr(check, "find_split", find)
    problems = {problem.kind: problem for problem in check_folder(folder)}
    assert str(problems["unreadable folder"]).startswith(f"{folder}/panoptic_train cannot be looked into (Permission")
    assert "missing PNG" in problems


def test_all_faults_are_found_in_one_pass(folder: Path) -> None:
    for name in ("wrong area", "picture cut short", "id the PNG lacks", "undeclared category"):
        ({**FATAL, **HARMLESS})[name][0](folder)
    (folder / "panoptic_val" / "0001.png").unlink()
    assert {"unreadable picture", "id missing in the PNG", "undeclared category", "missing PNG"} <= set(
        group(check_folder(folder))
    )


def test_opening_names_the_first_fault_and_counts_the_others(folder: Path) -> None:
    for name in ("picture cut short", "id the PNG lacks", "wrong area"):
        ({**FATAL, **HARMLESS})[name][0](folder)
    with pytest.raises(DataError, match=r"\(and 1 more problem"):
        open_splits(DataSettings(source=str(folder), reward_minimum=1))


def test_a_good_folder_is_silent(good: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert check_folder(good, progress=lambda done, of: seen.append((done, of))) == []
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 2), (2, 2)]


@pytest.mark.parametrize("name", ["facades", "coco-mini"])
def test_real_folders_are_silent(name: str) -> None:
    """The third is checked in tests/test_data_mending.py, with its statistics."""
    folder = SHARED / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    assert check_folder(folder) == []


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        (problem,) = check_folder(path)
        assert problem.fatal
        assert str(path) in str(problem)


def test_a_folder_for_evaluation_alone_is_silent(folder: Path) -> None:
    (folder / "panoptic_train.json").unlink()
    assert check_folder(folder) == []


def test_one_file_is_checked_as_a_split_is(folder: Path) -> None:
    path, images = folder / "panoptic_train.json", folder / "images" / "train"
    assert check_file(path, images) == []
    for name in ("wrong area", "picture cut short", "id the PNG lacks"):
        ({**FATAL, **HARMLESS})[name][0](folder)
    assert check_file(path, images) == check_folder(folder)
    shutil.rmtree(folder / "panoptic_train")
    (problem,) = check_file(path, images)
    assert "panoptic_train is no folder" in str(problem)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_picture_of_16_bits_is_read_as_the_eye_sees_it(tmp_path: Path, ending: str) -> None:
    grey = np.linspace(0, 65_535, 48).astype(np.uint16).reshape(6, 8)
    path = tmp_path / f"grey.{ending}"
    Image.fromarray(grey).save(path)
    assert torch.equal(read_picture(path), torch.from_numpy((grey >> 8).astype(np.uint8)).expand(3, -1, -1))


def test_what_is_no_picture_is_no_way_out(folder: Path) -> None:
    picture = next((folder / "images" / "train").iterdir())
    picture.unlink()
    picture.with_suffix(".txt").write_text("of another kind")
    (problem,) = (problem for problem in check_folder(folder) if problem.kind == "missing picture")
    assert problem.fix == "restore the file or take it out of the JSON"


def test_a_name_too_long_to_ask_for_is_a_missing_picture(folder: Path) -> None:
    """It ended the check, and what had been found was lost."""
    file = folder / "panoptic_train.json"
    root = json.loads(file.read_text())
    root["images"][0]["file_name"] = f"{'x' * 300}/0.jpg"
    file.write_text(json.dumps(root))
    assert "missing picture" in {problem.kind for problem in check_folder(folder)}


def test_predictions_of_nothing_are_no_fault(folder: Path) -> None:
    file = folder / "panoptic_val.json"
    root = json.loads(file.read_text())
    for entry in root["annotations"]:
        entry["segments_info"] = []
        with Image.open(folder / "panoptic_val" / entry["file_name"]) as mask:
            size = mask.size
        Image.new("RGB", size).save(folder / "panoptic_val" / entry["file_name"])
    file.write_text(json.dumps(root))
    assert check_file(file, folder / "images" / "val") == []
    assert "no segments" in {problem.kind for problem in check_folder(folder)}


def test_a_large_picture_is_read_without_a_warning(tmp_path: Path) -> None:
    """In a process of its own: pytest has its own filters."""
    Image.new("RGB", (8, 8)).save(tmp_path / "large.png")
    code = (
        "import sys; from pathlib import Path; from PIL import Image\n"
        "from ada_segment.data.convert.label_mask import read_labels\n"
        "from ada_segment.data.picture import read_picture, read_picture_size, verify_picture\n"
        "Image.MAX_IMAGE_PIXELS = 40  # Pillow warns of more, and refuses twice as many\n"
        "for read in (read_picture, read_picture_size, read_labels, verify_picture):\n"
        "    read(Path(sys.argv[1]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "large.png")], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_pictures_of_too_many_pixels_are_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("RGB", (8, 8)).save(tmp_path / "large.png")
    for read in (read_picture, read_picture_size, read_labels):
        with pytest.raises(DataError, match=r"large\.png has more pixels than are opened.*; cut it into parts"):
            read(tmp_path / "large.png")


def test_a_stub_of_exif_turns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (4, 3)).save(path, exif=b"Exif\0\0II*\0")
    assert not is_turned(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "I;16", "1", "LA"])
def test_a_tiff_of_any_kind_is_read_as_it_is_stored(mode: str, orientation: int, tmp_path: Path) -> None:
    """Pillow maps some of them into memory, and those with their sides exchanged."""
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    image = Image.fromarray(grey.astype(np.uint16) << 8) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 1
    image.save(tmp_path / "upright.tif", exif=exif)
    exif[ExifTags.Base.Orientation] = orientation
    image.save(tmp_path / "turned.tif", exif=exif)
    assert read_picture_size(tmp_path / "turned.tif") == (4, 6)
    assert torch.equal(read_picture(tmp_path / "turned.tif"), read_picture(tmp_path / "upright.tif"))
    if mode in ("L", "P", "I;16", "LA"):
        assert read_picture(tmp_path / "upright.tif")[0].tolist() == grey.tolist()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["tif", "png", "webp", "jpg"])
def test_every_format_is_read_as_it_is_stored(ending: str, orientation: int, tmp_path: Path) -> None:
    """Pillow turns a TIFF as its camera noted, and its size before that, but no other format."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :20] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"picture.{ending}"
    Image.fromarray(pixels).save(path, exif=exif, lossless=True)
    assert read_picture_size(path) == (40, 60)
    assert np.abs(read_picture(path).permute(1, 2, 0).numpy().astype(int) - pixels).max() < 60
    assert is_turned(path) == (orientation != 1)


@pytest.mark.parametrize(("bits", "white_is_0"), [(12, False), (16, False), (16, True)])
def test_grey_of_many_bits_is_as_light_as_it_says(bits: int, white_is_0: bool, tmp_path: Path) -> None:
    shade = np.linspace(0, 2**bits - 1, 24).astype(np.uint16).reshape(4, 6)
    path = tmp_path / "picture.tif"
    write_tiff(path, 2**bits - 1 - shade if white_is_0 else shade, bits=bits, photometric=0 if white_is_0 else 1)
    assert read_picture_size(path) == (4, 6)
    assert np.abs(read_picture(path)[0].numpy().astype(int) - (shade >> (bits - 8))).max() <= 1


def write_tiff(path: Path, pixels: NDArray[np.uint16], *, bits: int, photometric: int) -> None:
    """Grey, by hand: Pillow writes none of 12 bits, nor with white as 0."""
    height, width = pixels.shape
    if bits == 12:
        stream = "".join(f"{value:012b}" for value in pixels.flatten())  # the width is even, so that rows end at a byte
        data = int(stream, 2).to_bytes(len(stream) // 8, "big")
    else:
        data = pixels.astype("<u2").tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 0), (277, 1), (278, height)]
    tags.append((279, len(data)))
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value) for tag, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data)
