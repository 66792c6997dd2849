"""docs/own-data.md, command by command, on pictures drawn in the layout that it asks for."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from made_layouts import draw_ade, draw_cityscapes
from PIL import Image
from small_runs import SMALL
from typer.testing import CliRunner

from ada_segment.cli import app
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.file_quality import quality_of_files

GUIDE = (Path(__file__).parents[1] / "docs" / "own-data.md").read_text()
SIZE = 48
# The guide's own trainings are made small in everything that it does not speak of.
SHORTER = [
    f"--set={key}={value}" for key, value in SMALL.items() if not key.startswith(("data.scenes", "augmentation"))
]


def draw(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture, classes and numbers of a scene with two discs and a box over sky and ground."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    classes = np.where(rows < random.integers(15, 30), 3, 4)
    classes[:2] = 255
    numbers = np.zeros((SIZE, SIZE), dtype=np.int64)
    for number, kind in enumerate((1, 2, 1), start=1):
        top, left, side = [*random.integers(4, SIZE - 16, 2).tolist(), int(random.integers(8, 14))]
        inside = (abs(rows - top - side / 2) < side / 2) & (abs(columns - left - side / 2) < side / 2)
        if kind == 1:
            inside = (rows - top - side / 2) ** 2 + (columns - left - side / 2) ** 2 < side**2 / 4
        classes[inside], numbers[inside] = kind, number * 100
    colours = np.zeros((256, 3))
    colours[1:5] = [(220, 60, 60), (60, 60, 220), (150, 200, 250), (90, 140, 60)]
    photo = colours[classes] + random.normal(0, 12, (SIZE, SIZE, 3))
    return photo.clip(0, 255).astype(np.uint8), classes.astype(np.uint8), numbers.astype(np.uint16)


def draw_all(folder: Path) -> None:
    random = np.random.default_rng(0)
    images = []
    for split, count in (("train", 12), ("val", 4)):
        for number in range(count):
            parts = zip(("photos", "classes", "numbers"), draw(random), (".jpg", ".png", ".png"), strict=True)
            for kind, pixels, ending in parts:
                path = folder / kind / split / f"{number:04d}{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
            if split == "train":
                images.append({"id": number + 1, "file_name": f"{number:04d}.jpg"})
    square = [5, 5, 15, 5, 15, 15, 5, 15]
    annotations = [{"id": 1, "image_id": 1, "category_id": 2, "segmentation": [square], "iscrowd": 0}]
    (folder / "instances_train.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    draw_ade(folder / "ADEChallengeData2016")
    draw_cityscapes(folder / "Cityscapes")


def run(command: str) -> str:
    """What a command of the guide prints."""
    words = shlex.split(command, comments=True)[1:]
    shorter = [flag for flag in SHORTER if flag.split("=")[1] not in ("search.members", "search.rounds")]
    if words[0] == "search":
        words += shorter if "--members" in words else SHORTER
    if words[0] == "train":
        words[words.index("--epochs") + 1] = "2"
        words += shorter
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert result.exit_code == 0, f"{command}\n{result.output}\n{result.exception!r}"
    return result.output


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder in which all commands of the guide have run, and what each printed."""
    folder = tmp_path_factory.mktemp("guide")
    draw_all(folder)
    (classes,) = re.findall(r"^```json\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    (folder / "classes.json").write_text(classes)
    printed = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL):
            for command in block.splitlines():
                printed[command] = run(command)
    return folder, printed


def test_every_command_works(done: tuple[Path, dict[str, str]]) -> None:
    folder, printed = done
    assert len(printed) == 17
    for name in ("mine/panoptic_train.json", "mine-too/panoptic_train.json", "ade20k/panoptic_val.json", "sheet.png",
                 "cityscapes/panoptic_val.json", "runs/trial/best.safetensors", "seen/0000.overlay.png",
                 "runs/mine/report.html", "runs/longer/metrics.json"):  # fmt: skip
        assert (folder / name).exists(), name
    assert "nothing wrong" in printed["ada-segment data check mine --statistics --picture sheet.png"]
    assert not (folder / "mended").exists()


def test_what_was_drawn_is_what_is_trained_on(done: tuple[Path, dict[str, str]]) -> None:
    folder, _ = done
    dataset = CocoPanoptic(folder / "mine", "train")
    assert len(dataset) == 12
    for index in range(len(dataset)):
        sample = dataset[index]
        classes = np.asarray(Image.open(folder / "classes" / "train" / f"{index:04d}.png"))
        numbers = np.asarray(Image.open(folder / "numbers" / "train" / f"{index:04d}.png"))
        category = np.zeros(2**8)
        for segment in sample.truth.segments:
            category[segment.id] = segment.category_id
        assert np.array_equal(category[sample.truth.ids], np.where(classes == 255, 0, classes))
        things = {segment.id for segment in sample.truth.segments if segment.isthing}
        assert len(things) == len(np.unique(numbers)) - 1
        assert np.array_equal(np.isin(sample.truth.ids, list(things)), numbers > 0)


def test_predictions_check_and_give_the_same_pq(done: tuple[Path, dict[str, str]]) -> None:
    folder, printed = done
    for command in (command for command in printed if command.startswith("ada-segment data check")):
        assert "nothing wrong" in printed[command]
    metrics = json.loads((folder / "runs" / "trial" / "metrics.json").read_text())
    exact = quality_of_files(folder / "mine" / "panoptic_val.json", folder / "predictions" / "panoptic_val.json")
    assert exact.compute().pq == pytest.approx(metrics["tuned"]["all"]["pq"], abs=1e-12)
    command = "ada-segment pq --truth mine/panoptic_val.json --prediction predictions/panoptic_val.json"
    assert f"{100 * metrics['tuned']['all']['pq']:.1f}" in printed[command]
