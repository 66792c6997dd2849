"""Runs from settings to a finished folder: repeatable, resumable, usable afterwards."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from journals import journal_of, without_times
from PIL import Image
from small_runs import Interrupts, arguments, small
from toy_members import QuadraticMember

from ada_segment.config import Settings, to_yaml
from ada_segment.data.check import check_folder
from ada_segment.data.file_quality import quality_of_files
from ada_segment.data.picture import read_picture_size
from ada_segment.data.writing import write_scenes
from ada_segment.errors import AdaSegmentError, ConfigError, DataError, RunError
from ada_segment.panoptic.merge import merge
from ada_segment.panoptic.quality import PanopticQuality
from ada_segment.population.search import search
from ada_segment.report.page import write_page
from ada_segment.runs import prediction
from ada_segment.runs.data import open_part
from ada_segment.runs.evaluation import evaluate_run, figures_file, metrics_file
from ada_segment.runs.prediction import predict_pictures
from ada_segment.runs.search_run import run_search
from ada_segment.runs.settings_file import check_same, forget_settings, read_settings, write_settings
from ada_segment.runs.splits_file import check_names, write_names
from ada_segment.runs.stored_model import load_model
from ada_segment.training.evaluation import predict_all

FILES = {
    "best.json",
    "best.safetensors",
    "checkpoints",
    "config.yaml",
    "examples",
    "examples.json",
    "history.jsonl",
    "metrics.json",
    "overlays.png",
    "report.html",
    "schedule.json",
}
LEARNED = {"controller.json", "controller.safetensors"}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("searched") / "run"
    run_search(small(), run)
    return run


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in files."""
    folder = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(folder, size=32, train=16, test=4)
    return folder


def test_a_search_leaves_all_that_is_promised(searched: Path) -> None:
    assert {entry.name for entry in searched.iterdir()} == FILES | LEARNED
    assert read_settings(searched) == small()
    records = journal_of(searched)
    assert [record["round"] for record in records] == [0, 1, 2]
    names = {"loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg", "loss_mask", "loss_sem_seg"}
    for record in records:
        assert len(record["members"]) == 2
        for member in record["members"]:
            assert set(member["weights"]) == set(member["losses"]) == names
    metrics = json.loads((searched / "metrics.json").read_text())
    assert metrics["pictures"] == 6
    assert set(metrics["thresholds"]) == {"usual", "tuned"}
    about = json.loads((searched / "best.json").read_text())
    assert about["thresholds"] == metrics["thresholds"]["tuned"]
    assert about["reward"] == max(r["members"][r["best"]]["reward"] for r in records)


def test_the_pq_of_each_test_picture_is_that_of_the_stored_model(searched: Path) -> None:
    """Predicted and counted again, picture by picture; what is drawn can be opened."""
    stored, dataset = load_model(searched), open_part(small(), source=None, split="test")
    predictions, truths = predict_all(stored.network, dataset, stored.resize, batch_size=1)
    content = json.loads((searched / "examples.json").read_text())
    assert content["split"] == "test"
    assert len(content["pictures"]) == len(dataset) == 6
    total = PanopticQuality(stored.categories)
    for index, picture in enumerate(content["pictures"]):
        one = PanopticQuality(stored.categories)
        one.update(merge(predictions[index], stored.thresholds, stored.categories.thing_ids), truths[index])
        total.merge(one)
        assert picture["name"] == dataset[index].name
        assert picture["pq"] == pytest.approx(one.compute().pq, abs=1e-6)
        assert [picture[key] for key in ("tp", "fp", "fn")] == one.counts[0, :, :3].sum(0).tolist()
        with Image.open(searched / picture["drawn"]) as strip:
            assert strip.size == (3 * 320, 320)
    metrics = json.loads((searched / "metrics.json").read_text())
    assert metrics["tuned"]["all"]["pq"] == pytest.approx(total.compute().pq, abs=1e-6)


@pytest.mark.usefixtures("undrawn")
def test_another_seed_gives_another_journal(searched: Path, tmp_path: Path) -> None:
    run_search(small(seed=1), tmp_path / "other")
    assert journal_of(tmp_path / "other") != journal_of(searched)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("after", [1, 4])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(searched: Path, tmp_path: Path, after: int) -> None:
    """Which only the same seed giving the same numbers lets it do."""
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run_search(small(), run, observer=Interrupts(after))
    assert not (run / "metrics.json").exists()
    run_search(small(), run, resume=True)
    assert journal_of(run) == journal_of(searched)
    for name in ("metrics.json", "schedule.json", "best.json", "controller.json"):
        assert without_times(json.loads((run / name).read_text())) == without_times(
            json.loads((searched / name).read_text())
        )


def test_a_run_is_not_overwritten_nor_resumed_under_other_settings(searched: Path) -> None:
    before = journal_of(searched)
    with pytest.raises(RunError, match="exists already"):
        run_search(small(), searched)
    with pytest.raises(RunError, match=r"training\.lr = 0\.005, not 0\.001"):
        run_search(small(training__lr=0.001), searched, resume=True)
    assert journal_of(searched) == before


@pytest.mark.usefixtures("undrawn")
def test_a_run_does_not_go_on_with_other_pictures(photographs: Path, tmp_path: Path) -> None:
    """Those that were learned from could be rewarded then."""
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(photographs, data)
    file = data / "panoptic_train.json"
    before, root = file.read_text(), json.loads(file.read_text())
    for key, folder in (("images", data / "images" / "train"), ("annotations", data / "panoptic_train")):
        entry = dict(root[key][0])
        new = f"new-{entry['file_name']}"
        with Image.open(folder / entry["file_name"]) as picture:
            if key == "images":
                picture.putpixel((0, 0), (1, 2, 3))  # or it would be a copy
            picture.save(folder / new)
        number = {"id": 999} if key == "images" else {"image_id": 999}
        root[key].insert(0, entry | {"file_name": new} | number)
    settings = small(data__source=str(data), search__members=1, search__rounds=2)
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, run, observer=Interrupts(2))
    kept = (run / "splits.json").read_bytes()
    assert [len(names) for names in json.loads(kept).values()] == [12, 4, 4]
    file.write_text(json.dumps(root))
    with pytest.raises(RunError, match=r"started with 12 train pictures, and data\.source = .* gives 13 now") as error:
        run_search(settings, run, resume=True)
    assert "another folder" in str(error.value)
    assert (run / "splits.json").read_bytes() == kept
    file.write_text(before)
    run_search(settings, run, resume=True)
    assert (run / "metrics.json").exists()


def test_what_is_another_picture_is_said(tmp_path: Path) -> None:
    names = {"train": ["a", "b"], "reward": ["c"], "test": ["a"]}
    write_names(tmp_path, names)
    write_names(tmp_path, names | {"test": ["z"]})  # nothing was learned yet
    check_names(tmp_path, names, source="D")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "round-00000.safetensors").touch()
    write_names(tmp_path, names)
    check_names(tmp_path, names | {"test": ["z"]}, source="D")
    for other, said in (
        ({"train": ["a"], "reward": ["b", "c"]}, r"2 train pictures.* = D gives 1 now: b is a reward picture now\. "),
        ({"reward": ["a"]}, r"1 reward pictures.*: a was a train picture and c is gone\. "),
        ({"train": ["b", "a"]}, "in another order"),
        ({"test": ["b", "z"]}, r"test pictures.*: b is new\. "),
    ):
        with pytest.raises(RunError, match=said):
            check_names(tmp_path, {**names, "test": ["z"], **other}, source="D")
    for damage in ("{", "[]", '{"train": 1}', "[" * 100_000):
        (tmp_path / "splits.json").write_text(damage)
        with pytest.raises(RunError, match=r"splits\.json cannot be read .*delete it to go on"):
            check_names(tmp_path, names, source="D")
    (tmp_path / "splits.json").unlink()
    check_names(tmp_path, names, source="D")  # as of a run from before
    check_names(tmp_path, {}, source="scenes")


def test_what_a_program_started_is_not_resumed_by_a_command(searched: Path, tmp_path: Path) -> None:
    shutil.copytree(searched, tmp_path / "run")
    (tmp_path / "run" / "config.yaml").unlink()
    with pytest.raises(RunError, match=r"holds no config\.yaml; resume it in the program"):
        run_search(small(), tmp_path / "run", resume=True)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_the_state_of_a_program_s_training_is_no_model_of_ours(searched: Path, tmp_path: Path) -> None:
    shutil.copytree(searched, tmp_path / "run")
    (tmp_path / "run" / "config.yaml").unlink()
    with pytest.raises(RunError, match="a program's own training"):
        run_search(small(training__start=str(tmp_path / "run")), tmp_path / "other")


def test_a_run_that_has_ended_can_be_finished_again(searched: Path) -> None:
    before = (searched / "metrics.json").read_bytes()
    run_search(small(), searched, resume=True)
    assert (searched / "metrics.json").read_bytes() == before


def test_a_run_folder_is_in_use_until_the_run_is_finished(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second command would remove what the first one is writing, as left over by a kill."""
    shutil.copytree(searched, tmp_path / "run")
    settings = read_settings(tmp_path / "run")
    seen: list[Path] = []

    def finish(out: Path, *_: Any, **__: Any) -> None:
        with pytest.raises(RunError, match="in use by another process"):
            run_search(settings, out, resume=True)
        seen.append(out)

    monkeypatch.setattr("ada_segment.runs.search_run.finish_run", finish)
    run_search(settings, tmp_path / "run", resume=True)
    assert seen == [tmp_path / "run"]


def test_all_that_differs_on_a_resume_is_said_with_the_way_out(searched: Path, tmp_path: Path) -> None:
    settings = read_settings(searched)
    other = replace(settings, seed=9, training=replace(settings.training, lr=0.5, batch_size=2, momentum=0.1))
    with pytest.raises(RunError, match=r"seed = .*, not 9; training\.batch_size = .*; training\.lr = .*, and 1 more"):
        check_same(searched, other)
    with pytest.raises(RunError, match=rf"\(--config {re.escape(str(searched))}/config\.yaml and no others\)"):
        check_same(searched, other)
    (tmp_path / "images").mkdir()
    with pytest.raises(RunError, match="holds images, but no run to go on with"):
        run_search(settings, tmp_path, resume=True)


def test_what_has_learned_no_controller_is_no_start_of_a_search(searched: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    with pytest.raises(RunError, match=r"learned = .*bare: .*bare has learned no controller; name a run of"):
        run_search(small(search__settings={"learned": str(tmp_path / "bare")}), tmp_path / "run")
    for names in (f"{searched},", f",{searched}", f"{searched},,{searched}"):
        with pytest.raises(ConfigError, match="has no name before or after one of its commas"):
            run_search(small(search__weights=names, search__members=1), tmp_path / "run")


def test_members_with_states_of_their_own_train(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_search(small(search__strategy="pbt", search__rounds=2), run)
    assert {entry.name for entry in run.iterdir()} == FILES
    first, second, *_ = [member["weights"] for record in journal_of(run) for member in record["members"]]
    assert first != second


@pytest.mark.usefixtures("undrawn")
def test_the_cascade_trains_with_ten_losses_free_or_tied(tmp_path: Path) -> None:
    for groups in ("tied", "free"):
        run = tmp_path / groups
        run_search(small(model__name="cascade-panoptic-fpn", search__groups=groups, search__rounds=1), run)
        (record,) = journal_of(run)
        weights = [member["weights"] for member in record["members"]]
        assert all(len(of_member) == 10 for of_member in weights)
        together = all(of_member["loss_rpn_cls"] == of_member["loss_rpn_loc"] for of_member in weights)
        assert together == (groups == "tied")


@pytest.mark.usefixtures("undrawn")
def test_one_model_trains_under_a_controller_a_schedule_and_defaults(searched: Path, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.json"
    weights = {**journal_of(searched)[0]["members"][0]["weights"], "loss_mask": 1.5}
    fixed.write_text(json.dumps(weights))
    sources = {
        "default": "default",
        "run": str(searched),
        "controller": str(searched / "controller.safetensors"),
        "several": f"{searched}, {searched / 'controller.safetensors'}",
        "file": str(searched / "schedule.json"),
        "fixed": str(fixed),
    }
    found = {}
    for name, source in sources.items():
        run = tmp_path / name
        run_search(small(search__weights=source, search__members=1, search__rounds=2), run)
        found[name] = [record["members"][0]["weights"] for record in journal_of(run)]
    schedule = json.loads((searched / "schedule.json").read_text())["schedule"]
    assert found["file"] == [schedule[0], schedule[2]]  # its three rounds are shared out among two
    assert found["controller"] == found["run"]
    assert found["fixed"] == [weights] * 2
    assert found["default"][0]["loss_mask"] == 1.0
    assert all(0.25 <= w <= 4 for name in ("run", "several") for entry in found[name] for w in entry.values())
    assert found["several"] != found["run"]  # it is surer of what it knows


def test_weights_for_a_training_that_do_not_fit_are_refused(searched: Path, tmp_path: Path) -> None:
    def refused(weights: str, text: str) -> None:
        with pytest.raises(AdaSegmentError, match=text):
            run_search(small(search__weights=weights, search__members=1), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    file = tmp_path / "weights.json"
    for content, text in (
        ('{"loss_mask": -1}', "loss_mask"),
        ('{"loss_mask": NaN}', "loss_mask"),
        ('{"loss_mask": 1}', "missing: loss_box_reg"),
        ("[1]", "holds no weights"),
        ("{", "cannot be read as JSON"),
    ):
        file.write_text(content)
        refused(str(file), text)
    refused(str(tmp_path / "none"), "is missing")
    refused(f"{searched},{tmp_path / 'none'}", "none.*is missing")
    (tmp_path / "empty").mkdir()
    refused(str(tmp_path / "empty"), "holds no run")
    toy = QuadraticMember(names=("a", "b"))
    search(lambda seed: toy, losses=toy.names, rounds=2, members=2, out=tmp_path / "other")
    refused(str(tmp_path / "other"), f"weights = {tmp_path / 'other'}: .*has learned nothing about loss_")


def test_what_is_held_compressed_gives_the_same_figures(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = json.loads((searched / "metrics.json").read_text())
    monkeypatch.setattr("ada_segment.training.held.ROOM", 0)
    assert evaluate_run(searched) == own


def test_only_the_test_split_of_its_own_data_is_what_a_run_reached(searched: Path) -> None:
    def name(**asked: Any) -> str:
        return metrics_file(searched, **asked).relative_to(searched).as_posix()

    assert name(data=None, split="val") == name(data=None, split="test") == "metrics.json"
    assert name(data=None, split="reward") == "metrics-reward.json"
    assert name(data="other/photos", split="val") == "metrics-photos.json"
    assert name(data="other/photos/", split="train") == "metrics-train-photos.json"
    own = json.loads((searched / "metrics.json").read_text())
    assert evaluate_run(searched) == own
    assert evaluate_run(searched, data="scenes") == {"data": "scenes", **own}
    reward = evaluate_run(searched, split="reward")
    assert (reward["split"], reward["pictures"]) == ("reward", 5)


def test_figures_of_other_data_are_not_overwritten_unasked(searched: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("a", "b"):
        (tmp_path / name / "photos").mkdir(parents=True)
    first, second = (str(tmp_path / name / "photos") for name in ("a", "b"))
    file = run / "metrics-photos.json"
    assert figures_file(run, None, data=first, split="val") == file
    file.write_text(json.dumps({"data": first, "split": "test"}))
    for data, split in ((first, "val"), (f"{first}/", "test")):
        assert figures_file(run, None, data=data, split=split) == file
    with pytest.raises(ConfigError, match=rf"{file} holds the figures of data = {first}, split = test; .* --out"):
        figures_file(run, None, data=second, split="val")
    assert figures_file(run, file, data=second, split="val") == file
    (run / "metrics-reward.json").write_text(json.dumps({"split": "reward"}))
    assert figures_file(run, None, data=None, split="reward") == run / "metrics-reward.json"
    with pytest.raises(ConfigError, match="data = its own, split = reward"):
        figures_file(run, None, data=str(tmp_path / "reward"), split="val")
    (run / "metrics.json").write_text("[]")
    with pytest.raises(ConfigError, match="holds no figures"):
        figures_file(run, None, data=None, split="val")


def test_a_place_for_figures_is_looked_at_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out, text in ((tmp_path, "is a folder"), (tmp_path / "file" / "m.json", "cannot be written in")):
        with pytest.raises(ConfigError, match=rf"out = {out} {text}"):
            figures_file(tmp_path, out, data=None, split="val")
    assert figures_file(tmp_path, tmp_path / "new" / "m.json", data=None, split="val") == tmp_path / "new" / "m.json"


@pytest.mark.usefixtures("undrawn")
def test_a_run_in_mixed_precision_is_evaluated_in_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_search(small(training__precision="bf16", search__rounds=1, search__members=1), run)
    own, stored = json.loads((run / "metrics.json").read_text()), load_model(run)
    assert evaluate_run(run) == own
    assert stored.device.type in ("cpu", "cuda", "mps")
    with stored.autocast():
        product = torch.ones(2, 2, device=stored.device) @ torch.ones(2, 2, device=stored.device)
    assert product.dtype == torch.bfloat16


def test_an_accelerator_that_is_not_here_gives_way(searched: Path, tmp_path: Path) -> None:
    run = shutil.copytree(searched, tmp_path / "run")
    away = "mps" if torch.cuda.is_available() else "cuda"
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("accelerator: cpu", f"accelerator: {away}"))
    assert load_model(run).device.type != away


@pytest.mark.usefixtures("undrawn")
def test_data_that_is_not_there_any_more_is_asked_for(photographs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_search(small(data__source=str(photographs), search__rounds=1), run)
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace(str(photographs), "moved/away"))
    with pytest.raises(DataError, match=r"data\.source = moved/away, as .* no folder here; name it with --data"):
        evaluate_run(run)
    assert evaluate_run(run, data=str(photographs))["split"] == "test"


def test_predictions_go_to_a_json_file(searched: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"predictions = .*seen names no JSON file"):
        evaluate_run(searched / "none", predictions_to=tmp_path / "seen")


def test_predictions_do_not_replace_what_may_be_the_truth(searched: Path, tmp_path: Path) -> None:
    (tmp_path / "panoptic_val.json").write_text("the truth")
    (tmp_path / "panoptic_test").mkdir()
    for name in ("panoptic_val", "panoptic_test"):
        with pytest.raises(ConfigError, match=rf"{name}.* exists already; name another file"):
            evaluate_run(searched, predictions_to=tmp_path / f"{name}.json")
    assert (tmp_path / "panoptic_val.json").read_text() == "the truth"


@pytest.mark.usefixtures("undrawn")
def test_a_run_on_files_is_evaluated_with_predictions_that_check(photographs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_search(small(data__source=str(photographs), search__rounds=2), run)
    own = json.loads((run / "metrics.json").read_text())
    predictions = tmp_path / "predicted" / "panoptic_val.json"
    metrics = evaluate_run(run, predictions_to=predictions)
    assert metrics["tuned"] == own["tuned"]
    result = quality_of_files(photographs / "panoptic_val.json", predictions).compute()
    assert result.pq == pytest.approx(metrics["tuned"]["all"]["pq"], abs=1e-12)
    (tmp_path / "predicted" / "images").symlink_to(photographs / "images")
    assert [p for p in check_folder(tmp_path / "predicted") if p.fatal] == []
    kept = json.loads((run / "splits.json").read_text())
    (run / "splits.json").write_text(json.dumps(kept | {"test": [*kept["test"], "9.jpg"], "reward": kept["train"][:4]}))
    for split, said in (("val", r"9\.jpg is gone"), ("reward", "is new and .* is gone")):
        with pytest.raises(RunError, match=rf"{said}\. Put .* or name the folder with --data to take what is there"):
            evaluate_run(run, split=split)
    assert evaluate_run(run, data=str(photographs))["pictures"] == metrics["pictures"]
    (run / "splits.json").write_text(json.dumps(kept))
    assert evaluate_run(run, split="train")["pictures"] == 12
    assert evaluate_run(run, split="reward")["pictures"] == 4
    with pytest.raises(DataError, match="split 'all' is unknown"):
        evaluate_run(run, split="all")


def test_data_with_other_classes_is_refused(searched: Path, photographs: Path, tmp_path: Path) -> None:
    for file in ("panoptic_train.json", "panoptic_val.json"):
        content = json.loads((photographs / file).read_text())
        content["categories"][0]["name"] = "disc"
        (tmp_path / file).write_text(json.dumps(content))
    for name in ("images", "panoptic_train", "panoptic_val"):
        (tmp_path / name).symlink_to(photographs / name)
    with pytest.raises(DataError, match="declares other classes"):
        evaluate_run(searched, data=str(tmp_path))


def test_pictures_are_predicted(searched: Path, photographs: Path, tmp_path: Path) -> None:
    pictures = sorted((photographs / "images" / "val").iterdir())[:2]
    large = tmp_path / "large.jpg"
    with Image.open(pictures[0]) as picture:
        picture.resize((100, 70)).save(large)
    out = tmp_path / "out"
    overlays = predict_pictures(searched, [*pictures, large], out)
    assert [overlay.name for overlay in overlays] == [f"{p.stem}.overlay.png" for p in (*pictures, large)]
    assert all(min(read_picture_size(overlay)) >= 100 for overlay in overlays)
    content = json.loads((out / "panoptic.json").read_text())
    assert [image["file_name"] for image in content["images"]] == [p.name for p in (*pictures, large)]
    assert read_picture_size(out / "panoptic" / "large.png") == (70, 100)
    with pytest.raises(RunError, match="exists already"):
        predict_pictures(searched, pictures, out)


def test_pictures_of_a_folder_are_predicted(searched: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    (folder / "street").mkdir(parents=True)
    for name in ("a.png", "a.jpg", "street/a.png", ".hidden.png"):
        Image.new("RGB", (40, 40)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    other = tmp_path / "b.png"
    Image.new("RGB", (40, 40)).save(other)
    overlays = predict_pictures(searched, [folder, other], out)
    names = ["a", "a.png", "street/a", "b"]
    assert overlays == [out / f"{name}.overlay.png" for name in names]
    assert all(overlay.is_file() for overlay in overlays)
    content = json.loads((out / "panoptic.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["a.jpg", "a.png", "street/a.png", "b.png"]
    assert [entry["file_name"] for entry in content["annotations"]] == [f"{name}.png" for name in names]
    with pytest.raises(DataError, match="empty holds no pictures"):
        predict_pictures(searched, [tmp_path / "empty"], tmp_path / "second")
    shutil.copy(other, folder)
    with pytest.raises(DataError, match=r"two pictures are called b\.png: .*b\.png and .*photos/b\.png"):
        predict_pictures(searched, [other, folder], tmp_path / "second")


def test_a_bad_picture_is_named_before_anything_is_written(searched: Path, tmp_path: Path) -> None:
    good, long, bad = tmp_path / "good.png", tmp_path / f"{'x' * 240}.png", tmp_path / "bad.jpg"
    for path in (good, long):
        Image.new("RGB", (40, 40)).save(path)
    bad.write_bytes(b"no picture")
    for pictures, text in (
        ([good, bad], "bad.jpg"),
        ([good, tmp_path / "none.png"], "none.png"),
        ([good, long], "the name is too long for what is written beside it"),
    ):
        with pytest.raises(DataError, match=text):
            predict_pictures(searched, pictures, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_what_cannot_begin_is_said_before_pictures_are_read(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr(prediction, "verify_picture", never)
    picture, used = tmp_path / "a.png", tmp_path / "used"
    Image.new("RGB", (40, 40)).save(picture)
    used.mkdir()
    (used / "panoptic.json").write_text("{}")
    with pytest.raises(RunError, match="exists already"):
        predict_pictures(searched, [picture], used)
    with pytest.raises(RunError, match="nowhere"):
        predict_pictures(tmp_path / "nowhere", [picture], tmp_path / "out")


def test_a_picture_that_is_named_twice_is_predicted_once(searched: Path, tmp_path: Path) -> None:
    picture = tmp_path / "photos" / "a.png"
    picture.parent.mkdir()
    Image.new("RGB", (40, 40)).save(picture)
    assert len(predict_pictures(searched, [picture, picture.parent, picture], tmp_path / "out")) == 1


def test_pictures_are_not_predicted_over_themselves(searched: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "a.jpg"
    (out / "panoptic").mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(other)
    for place in (out / "panoptic" / "a.png", out / "a.overlay.png"):
        Image.new("RGB", (40, 40), "red").save(place)
        before = place.read_bytes()
        inputs = [place, other] if place.parent == out else [place]
        with pytest.raises(DataError, match=rf"{place.name} would be written over.*--out"):
            predict_pictures(searched, inputs, out)
        assert place.read_bytes() == before
        assert not (out / "panoptic.json").exists()
        place.unlink()


def test_names_that_are_no_utf8_are_shown_as_they_can_be(photographs: Path, tmp_path: Path) -> None:
    """As Windows' zips leave them; a training with such pictures ended at the writing of its page."""
    name = os.fsdecode(b"caf\xe9")
    data = tmp_path / "data"
    shutil.copytree(photographs, data)
    for split in ("train", "val"):
        file = data / f"panoptic_{split}.json"
        root = json.loads(file.read_text())
        for key, folder in (("images", data / "images" / split), ("annotations", data / f"panoptic_{split}")):
            for place, entry in enumerate(root[key]):
                new = f"{place}{name}.png"
                (folder / entry["file_name"]).rename(folder / new)
                entry["file_name"] = new
        file.write_text(json.dumps(root))
    run = tmp_path / "run"
    settings = small(data__source=str(data), search__members=1, search__rounds=1)
    run_search(settings, run, tensorboard=find_spec("tensorboard") is not None)
    run_search(settings, run, resume=True)
    write_page(run, run / "report.html")
    assert "caf\\udce9.png" in (run / "report.html").read_text(encoding="utf-8")
    assert any(name in picture["name"] for picture in json.loads((run / "examples.json").read_text())["pictures"])


def test_a_run_that_has_not_ended_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_search(small(), tmp_path / "run", observer=Interrupts(3))
    with pytest.raises(RunError, match="has not ended yet"):
        load_model(tmp_path / "run")
    with pytest.raises(RunError, match=r"holds no config\.yaml"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"search__strategy": "annealing"},
        {"search__groups": "some"},
        {"model__name": "yolo"},
        {"search__settings": {"sigmaa": 1}},
        {"data__source": "no/such/folder"},
        {"training__reward": "map"},
        {"search__workers": 2},
        {"search__time_limit": 5},
        {"search__ray_address": "auto"},
        {"model__hf": {"num_queries": 5}},
    ],
)
def test_what_is_wrong_is_said_before_a_folder_is_made(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises((ConfigError, DataError)):
        run_search(small(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_start_that_fails_leaves_the_folder_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, kept = tmp_path / "run", tmp_path / "kept"
    kept.mkdir()
    (kept / "config.yaml").write_text(to_yaml(small(search__executor="ray")))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)
        for folder in (run, kept):
            with pytest.raises(ConfigError, match="executor ray needs Ray"):
                run_search(small(search__executor="ray"), folder)
    assert not run.exists()
    assert (kept / "config.yaml").exists()
    run_search(small(seed=1, search__members=1, search__rounds=1), run)
    assert read_settings(run).seed == 1


def test_what_a_start_that_fails_may_go_on_by_is_left(tmp_path: Path) -> None:
    write_settings(tmp_path / "run", small(), {"train": ["a"], "reward": ["b"], "test": ["c"]})
    (tmp_path / "run" / "tensorboard").mkdir()
    forget_settings(tmp_path / "run")
    assert read_settings(tmp_path / "run") == small()
    (tmp_path / "run" / "tensorboard").rmdir()
    forget_settings(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_data_is_one_by_all_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "run", small(data__source="streets"))
    write_settings(tmp_path / "run", small(data__source=str(tmp_path / "streets")))
    with pytest.raises(RunError, match=r"was started with data\.source"):
        write_settings(tmp_path / "run", small(data__source="fields"))


@pytest.mark.parametrize("key", ["search.weights", "search.settings.learned", "training.start", "model.pretrained"])
def test_a_path_is_one_by_all_its_names(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def given(name: str) -> Settings:
        return small(**{key.replace(".", "__"): name})

    write_settings(tmp_path / "run", given("first"))
    for name in ("first/", "./first", str(tmp_path / "first")):
        assert check_same(tmp_path / "run", given(name)) == given("first")
    (tmp_path / "my first").symlink_to("v1  first")
    write_settings(tmp_path / "spaces", given("my first"))
    assert check_same(tmp_path / "spaces", given(str(tmp_path / "v1  first"))) == given("my first")
    with pytest.raises(RunError, match=rf"was started with {re.escape(key)}"):
        check_same(tmp_path / "spaces", given("v1 first"))
    with pytest.raises(RunError, match=rf"was started with {re.escape(key)}"):
        check_same(tmp_path / "run", given("other"))
    if key.startswith("search."):
        write_settings(tmp_path / "two", given("first,second"))
        assert check_same(tmp_path / "two", given(f"./first,{tmp_path}/second")) == given("first,second")


@pytest.mark.usefixtures("undrawn")
def test_a_resumed_run_may_spell_what_it_has_learned_from_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_search(small(search__rounds=1), Path("first"))
    run_search(small(search__rounds=1, search__settings__learned="first"), Path("second"))
    same = small(search__rounds=1, search__settings__learned=f"{tmp_path}/first/")
    run_search(same, Path("second"), resume=True)
    assert yaml.safe_load(Path("second/config.yaml").read_text())["search"]["settings"]["learned"] == "first"


@pytest.mark.usefixtures("undrawn")
def test_a_run_from_before_masks_were_aligned_goes_on_as_it_was(tmp_path: Path) -> None:
    tree = yaml.safe_load(to_yaml(small()))
    del tree["model"]["aligned_masks"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    assert read_settings(tmp_path) == small(model__aligned_masks=False)
    with pytest.raises(RunError, match=r"was started with model\.aligned_masks = False, not True"):
        write_settings(tmp_path, small())


def test_two_devices_train_one_model(tmp_path: Path) -> None:
    """Two gloo processes share each batch; one writes the run."""
    run = tmp_path / "run"
    words = arguments(run, training__devices=2, training__accelerator="cpu", search__rounds=2)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run(
        [sys.executable, "-m", "ada_segment", "search", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("best reward") == 1
    assert len(journal_of(run)) == 2
    assert read_settings(run).training.devices == 2
