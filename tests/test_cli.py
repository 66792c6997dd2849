"""The command line: its names and flags are a contract; what is wrong is one line, never a traceback."""

import errno
import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from made_data import SHARED
from PIL import Image
from small_runs import arguments

from ada_segment.cli import main
from ada_segment.config import Settings, resolve, to_yaml
from ada_segment.data.writing import write_scenes
from ada_segment.training.member import PanopticMember

Command = Callable[..., tuple[int, str, str]]
COMMANDS = ("search", "train", "evaluate", "pq", "predict", "report", "data scenes", "data check",
            "data convert masks", "data convert ade20k", "data convert cityscapes")  # fmt: skip


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `ada-segment ARGUMENTS`; gives the exit status, what it printed, and its errors."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ada-segment", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def refused(result: tuple[int, str, str], *texts: str) -> None:
    """The command failed with one clear line that holds all `texts`."""
    status, _, error = result
    assert status == 1, error
    assert error.startswith("error: ")
    assert len(error.strip().splitlines()) == 1
    assert "Traceback" not in error
    for text in texts:
        assert text in error


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset in files."""
    folder = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(folder, size=32, train=12, test=3)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example_of_the_command(command: Command, name: str) -> None:
    status, text, _ = command(*name.split(), "--help")
    assert status == 0
    assert f"Example: ada-segment {name}" in text


def test_the_examples_of_search_train_evaluate_predict_report_work(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples as `--help` prints them, on fewer and smaller scenes."""
    monkeypatch.chdir(tmp_path)
    small = [word for word in arguments(Path()) if word.startswith("--set=")]
    small = [word for word in small if not word.startswith("--set=search.")]
    Image.new("RGB", (40, 30)).save("photo.jpg")
    for name in ("search", "train", "evaluate", "predict", "report"):
        _, text, _ = command(name, "--help")
        example = re.search(r"Example: ada-segment (.*?)\s*$", text, re.MULTILINE)
        assert example
        words = shlex.split(example[1])
        status, _, error = command(*words, *(small if name in ("search", "train") else []))
        assert status == 0, error
    assert len(Path("runs/first/history.jsonl").read_text().splitlines()) == 3
    assert len(Path("runs/second/history.jsonl").read_text().splitlines()) == 3
    assert Path("seen/photo.overlay.png").exists()
    assert Path("report.html").stat().st_size > 1000
    status, text, _ = command("report", "runs/first", "--baseline", "runs/second", "--figures", "figures")
    assert status == 0
    assert all(name in text for name in ("first", "second", "One run each"))
    assert {"reward.svg", "reward.png", "weights.svg"} <= {file.name for file in Path("figures").iterdir()}
    assert "reward.csv" in {file.name for file in Path("figures").iterdir()}
    assert command("report", "runs/first", "runs/second", "--out", "both.html", "--figures", "arms")[0] == 0
    assert "Comparison of" in Path("both.html").read_text()
    assert {"arms.svg", "arms.csv", "differences.png"} <= {file.name for file in Path("arms").iterdir()}
    status, text, _ = command("report", "runs/first", "--watch")  # it has ended, and so does this
    assert (status, "follows runs/first" in text) == (0, True)
    refused(command("report", "runs/first", "runs/second", "--watch"), "--watch", "one run")
    assert "PQ" in command("evaluate", "runs/second", "--split", "reward", "--out", "m.json")[1]
    assert json.loads(Path("m.json").read_text())["split"] == "reward"


def test_the_examples_of_data_and_pq_work(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data scenes", "data check", "pq"):
        if name == "pq":
            for target in ("panoptic_val", "predictions"):
                shutil.copytree("scenes-64/panoptic_val", target)
                shutil.copy("scenes-64/panoptic_val.json", f"{target}.json")
        example = re.search(r"Example: ada-segment (.*?)\s*$", command(*name.split(), "--help")[1], re.MULTILINE)
        assert example
        status, text, error = command(*shlex.split(example[1]))
        assert status == 0, error
    assert json.loads(text)["All"]["pq"] == 1.0


def test_a_search_writes_its_settings_and_goes_on_with_them(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    mine = tmp_path / "mine.yaml"
    mine.write_text("training: {lr: 0.003}\n")
    words = ["search", "--data", "scenes", "--config", str(mine), *arguments(run, search__rounds=1)]
    words = [word for word in words if "training.lr" not in word and "search.members" not in word]
    status, text, error = command(*words, "--strategy", "default", "--members", "1", "--seed", "3")
    assert status == 0, error
    assert "PQ" in text
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["training"]["lr"] == 0.003
    assert settings["seed"] == 3
    assert (settings["search"]["members"], settings["search"]["rounds"]) == (1, 1)
    assert settings["search"]["strategy"] == "default"
    refused(command(*words, "--strategy", "default", "--members", "1", "--seed", "3"), str(run), "exists already")
    assert command(*words, "--strategy", "default", "--members", "1", "--seed", "3", "--resume")[0] == 0
    refused(command(*words, "--strategy", "pbt", "--members", "1", "--seed", "3", "--resume"), "search.strategy")


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--preset", "huge"], ["preset 'huge'", "r50-1x"]),
        (["--model", "mask-rcnn"], ["model 'mask-rcnn'", "cascade-panoptic-fpn"]),
        (["--strategy", "annealing"], ["annealing", "ada-segment"]),
        (["--backbone", "resnet9"], ["backbone 'resnet9'", "resnet50"]),
        (["--set", "training.learning_rate=1"], ["training.learning_rate", "nearest"]),
        (["--set", "training.lr=-1"], ["training.lr = -1", "at least"]),
        (["--set", "training.lr"], ["KEY=VALUE"]),
        (["--size", "3"], ["augmentation.size = 3"]),
        (["--members", "0"], ["search.members = 0"]),
        (["--rounds", "0"], ["search.rounds = 0"]),
        (["--config", "no.yaml"], ["no.yaml"]),
        (["--data", "no/folder"], ["no/folder"]),
        (["--set", "data.scenes_train=0"], ["data.scenes_train = 0"]),
    ],
)
def test_wrong_settings_are_one_line(command: Command, tmp_path: Path, words: list[str], texts: list[str]) -> None:
    run = tmp_path / "run"
    refused(command("search", "--out", run, *words), *texts)
    assert not run.exists()


@pytest.fixture
def resolved(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """The settings with which `ada-segment ARGUMENTS` would start."""

    def settings_of(*words: str | Path) -> Settings:
        started: list[Settings] = []
        monkeypatch.setattr("ada_segment.cli._run", lambda settings, *_: started.append(settings))
        status, _, error = command(*words, "--out", tmp_path / "run")
        assert status == 0, error
        return started[0]

    return settings_of


@pytest.fixture
def of_a_search(tmp_path: Path) -> Path:
    """The settings of a search on a folder, as its run folder keeps them."""
    file = tmp_path / "search.yaml"
    flags = {"data.source": "my/data", "search.members": 3, "search.settings": {"memory": 4}}
    file.write_text(to_yaml(resolve(preset="small", flags=flags)))
    return file


def test_a_file_counts_where_no_option_is_given(resolved: Callable[..., Settings], of_a_search: Path) -> None:
    kept = resolve(file=of_a_search)
    assert resolved("search", "--config", of_a_search) == kept
    assert resolved("search", "--config", of_a_search, "--data", "scenes").data.source == "scenes"
    assert resolved("search", "--set", "data.source=my/data") == resolve(
        preset="small", flags={"data.source": "my/data"}
    )
    assert resolved("search") == resolve(preset="tiny")


def test_one_model_is_trained_with_the_settings_of_a_search(
    resolved: Callable[..., Settings], of_a_search: Path, tmp_path: Path
) -> None:
    one = resolved("train", "--config", of_a_search)
    assert (one.data.source, one.search.weights, one.search.members) == ("my/data", "default", 1)
    assert one.search.settings == {}  # they were the strategy's
    dwa = resolved("train", "--config", of_a_search, "--weights", "dwa", "--set", "search.settings.temperature=3")
    assert (dwa.search.weights, dwa.search.settings) == ("dwa", {"temperature": 3})
    again = tmp_path / "dwa.yaml"
    again.write_text(to_yaml(dwa))
    assert resolved("train", "--config", again) == dwa
    assert resolved("train", "--config", again, "--weights", "default").search.settings == {}
    assert resolved("train", "--set", "search.weights=dwa").search.weights == "dwa"
    assert resolved("train", "--set", "search.weights=null").search.weights == "default"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train", "--set", "search.members=3"], "search.members"),
        (["train", "--set", "search.strategy=pbt"], "search.strategy"),
        (["train", "--set", "search.settings.memory=3"], "search.settings"),
        (["train", "--epochs", "7", "--set", "search.rounds=3"], "search.rounds = 3"),
        (["search", "--ray-address", "auto"], "search.ray_address = auto"),
        (["search", "--workers", "2"], "workers = 2"),
        (["search", "--set", "search.settings.first_step=-1e-3"], "search.settings.first_step = -0.001"),
        (["train", "--weights", "dwa", "--set", "search.settings.temperature=hot"], "search.settings.temperature"),
        (["train", "--weights", "weights.json", "--set", "search.settings.memory=3"], "search.settings"),
        (["search", "--set", "search.weights=dwa"], "search.weights"),
        (["search", "--set", "training.learning_rate=null"], "training.learning_rate"),
        (["search", "--set", "training.learning_rate="], "training.learning_rate"),
        (["search", "--set", "training.lr=~"], "training.lr = None"),
    ],
)
def test_a_setting_that_cannot_count_is_refused(
    command: Command, tmp_path: Path, words: list[str], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.json").write_text("{}")
    refused(command(*words, "--out", "run"), text)
    assert not Path("run").exists()


def test_a_setting_that_may_be_none_can_be_made_so(resolved: Callable[..., Settings]) -> None:
    assert resolve(preset="tiny").training.ema_decay is not None
    assert resolved("search", "--set", "training.ema_decay=null").training.ema_decay is None


def test_an_interrupted_search_says_how_to_go_on(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PanopticMember, "train", train)
    run = tmp_path / "run"
    status, text, _ = command("search", *arguments(run, search__rounds=1))
    assert status == 130
    assert "--resume" in text
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "200")
    assert command("search", *arguments(run, search__rounds=1), "--resume")[0] == 0
    assert len((run / "history.jsonl").read_text().splitlines()) == 1


def break_json(folder: Path, change: Callable[[dict[str, list[dict[str, object]]]], None]) -> None:
    file = folder / "panoptic_train.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def copy_train_to_val(folder: Path) -> None:
    """Pictures under other names are the same pictures still."""
    for source, target in zip(
        sorted((folder / "images/train").iterdir()), sorted((folder / "images/val").iterdir()), strict=False
    ):
        shutil.copy(source, target)


# What else may be wrong with a folder is in tests/test_data_check.py: opening it refuses that, here as there.
BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no JSON": (lambda f: (f / "panoptic_train.json").write_text("{"), "panoptic_train.json"),
    "no val": (lambda f: (f / "panoptic_val.json").unlink(), "no val split"),
    "reward in test": (copy_train_to_val, "reward as well as in the test split"),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_wrong_data_is_one_line_before_any_training(command: Command, folder: Path, tmp_path: Path, fault: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    change, text = BREAKS[fault]
    change(broken)
    run = tmp_path / "run"
    words = [word for word in arguments(run) if not word.startswith("--set=data.")]
    refused(command("search", "--data", broken, "--set=data.reward_minimum=4", *words), text)
    assert not run.exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"loss_mask": -1}', "loss_mask"),
        ('{"loss_mask": Infinity}', "loss_mask"),
        ('{"loss_mask": 1}', "missing"),
        ("{", "JSON"),
    ],
)
def test_weights_that_cannot_be_used_are_one_line(command: Command, tmp_path: Path, content: str, text: str) -> None:
    file = tmp_path / "weights.json"
    file.write_text(content)
    refused(command("train", "--weights", file, "--out", tmp_path / "run"), "weights.json", text)


def test_data_is_written_and_checked(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "scenes"
    assert command("data", "scenes", out, "--size", "32", "--train", "3", "--val", "2")[0] == 0
    status, text, _ = command("data", "check", out)
    assert (status, "nothing wrong" in text) == (0, True)
    (out / "images/train/train-000001.png").unlink()
    status, text, _ = command("data", "check", out)
    assert status == 1
    assert "train-000001.png" in text
    refused(command("data", "scenes", out), str(out), "exists already")
    # The list is shown whatever becomes of the picture.
    shutil.rmtree(out / "images/val")
    sheet = tmp_path / "sheet.png"
    status, text, _ = command("data", "check", out, "--statistics", "--picture", sheet)
    assert (status, "train-000001.png" in text, sheet.exists()) == (1, True, True)
    shutil.rmtree(out / "images/train")
    status, text, error = command("data", "check", out, "--picture", sheet)
    assert (status, "images/train" in text, "no picture" in error) == (1, True, True)


def test_one_file_is_checked_with_its_pictures(command: Command, folder: Path, tmp_path: Path) -> None:
    file, images = folder / "panoptic_val.json", folder / "images/val"
    assert command("data", "check", file, "--images", images)[0] == 0
    refused(command("data", "check", file), "panoptic_val.json is one file", "--images")
    refused(
        command("data", "check", file, "--images", images, "--picture", tmp_path / "x.png"), "--picture", "--images"
    )
    refused(command("data", "check", file, "--images", images, "--fix", tmp_path / "x"), "--fix", "--images")


def test_a_name_that_no_terminal_shows_is_told(command: Command, folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    break_json(broken, lambda content: content["images"][0].update(file_name="\udce4.png"))
    status, text, _ = command("data", "check", broken)
    assert (status, "\\udce4.png" in text) == (1, True)


@pytest.mark.skipif(not (SHARED / "oracle/pq").is_dir(), reason="the reference figures are not beside this repository")
def test_pq_agrees_with_the_reference(command: Command) -> None:
    oracle = SHARED / "oracle/pq"
    words = ("pq", "--truth", oracle / "gt.json", "--prediction", oracle / "pred.json")
    status, text, _ = command(*words, "--json")
    assert status == 0
    compare(json.loads(text), json.loads((oracle / "expected.json").read_text()))
    assert "PQ" in command(*words)[1]


def compare(found: object, expected: object) -> None:
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys()
        for key in expected:
            compare(found[key], expected[key])
    else:
        assert found == pytest.approx(expected, abs=1e-9)


def test_pq_of_missing_files_is_one_line(command: Command, tmp_path: Path) -> None:
    refused(command("pq", "--truth", tmp_path / "a.json", "--prediction", tmp_path / "b.json"), "a.json")


def test_figures_that_cannot_be_kept_are_shown(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, value: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    quality = {"all": {"pq": 0.4321, "sq": 0.5, "rq": 0.5, "n": 1}, "things": None, "stuff": None, "per_class": {}}
    metrics = {"split": "test", "pictures": 3, "usual": quality, "tuned": quality}
    monkeypatch.setattr("ada_segment.runs.evaluation.evaluate_run", lambda *_, **__: metrics)
    monkeypatch.setattr("ada_segment.storage.write_json", full)
    result = command("evaluate", tmp_path, "--out", tmp_path / "m.json")
    refused(result, "m.json: No space left on device")
    assert "43.2" in result[1]
    refused(command("evaluate", tmp_path, "--out", tmp_path), "is a folder")


def test_a_full_device_is_one_line_and_another_fault_is_not(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[RuntimeError] = [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("a bug")]

    def fail(*_: object, **__: object) -> None:
        raise faults.pop(0)

    monkeypatch.setattr("ada_segment.runs.prediction.predict_pictures", fail)
    refused(command("predict", tmp_path, tmp_path / "photo.png", "--out", tmp_path / "out"), "CUDA out of memory")
    with pytest.raises(RuntimeError, match="a bug"):
        command("predict", tmp_path, tmp_path / "photo.png", "--out", tmp_path / "out")


@pytest.mark.parametrize("words", [["evaluate", "RUN"], ["report", "RUN"], ["predict", "RUN", "PHOTO", "--out", "OUT"]])
def test_a_folder_without_a_run_is_one_line(command: Command, tmp_path: Path, words: list[str]) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")
    places = {"RUN": tmp_path, "PHOTO": tmp_path / "photo.png", "OUT": tmp_path / "out"}
    refused(command(*(places.get(word, word) for word in words)), str(tmp_path))


def test_a_folder_called_scenes_is_named_so_that_it_is_one(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, said, _ = command("data", "scenes", "scenes", "--size", 16, "--train", 2, "--val", 1)
    assert (status, said) == (0, "2 + 1 scenes in scenes; use them with --data ./scenes\n")
