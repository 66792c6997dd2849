"""A search over a model of the transformers library, from the command line to predictions; and that it learns."""

import json
from pathlib import Path

import pytest
from journals import journal_of
from made_data import SHARED, few
from PIL import Image
from small_runs import arguments, small
from typer.testing import CliRunner

from ada_segment.cli import app
from ada_segment.data.scenes import Scenes
from ada_segment.data.subset import Subset
from ada_segment.panoptic.calibration import tune
from ada_segment.panoptic.registry import HF_MODELS, loss_table
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.runs.search_run import run_search
from ada_segment.storage import copy_state
from ada_segment.training.member import PanopticMember

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
pytest.importorskip("scipy", reason="the extra hf is not installed")

MODEL = {
    "model.name": "hf:mask2former",
    "model.hf": {"encoder_layers": 1, "train_num_points": 64, "num_queries": 12},
    "search.groups": "free",
    "search.rounds": 2,
}


def command(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("hf") / "run"
    command("search", *arguments(run, **MODEL))
    return run


def test_the_journal_has_the_models_names_and_free_layers_move_apart(searched: Path) -> None:
    table = loss_table(small(**MODEL).model)
    assert len(table.defaults) == 15
    for record in journal_of(searched):
        for member in record["members"]:
            assert member["status"] == "ok"
            assert set(member["weights"]) == set(member["losses"]) == set(table.defaults)
    moved = {
        name: member["weights"][name] / table.defaults[name]
        for record in journal_of(searched)
        for member in record["members"]
        for name in table.defaults
        if member["weights"][name] != table.defaults[name]
    }
    assert len(moved) >= 12
    assert len({round(ratio, 9) for ratio in moved.values()}) >= 12


def test_the_stored_model_is_evaluated_shown_and_reported(searched: Path, tmp_path: Path) -> None:
    before = json.loads((searched / "metrics.json").read_text())
    command("evaluate", searched, "--out", tmp_path / "metrics.json")
    after = json.loads((tmp_path / "metrics.json").read_text())
    assert after["usual"] == before["usual"]
    assert after["tuned"] == before["tuned"]
    picture = tmp_path / "scene.png"
    Image.fromarray(Scenes(size=48)[0].image.permute(1, 2, 0).numpy()).save(picture)
    command("predict", searched, picture, "--out", tmp_path / "seen")
    assert (tmp_path / "seen" / "scene.overlay.png").is_file()
    with Image.open(tmp_path / "seen" / "panoptic" / "scene.png") as written:
        assert written.size == (48, 48)
    command("report", searched, "--out", tmp_path / "report.html")
    assert "loss_cross_entropy_3" in (tmp_path / "report.html").read_text()


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the photographs are not beside this repository")
def test_a_search_runs_on_photographs(tmp_path: Path) -> None:
    few(SHARED / "data" / "coco-mini", tmp_path / "few", train=10, val=3)
    more = {"data.source": str(tmp_path / "few"), "data.reward_minimum": 3, "augmentation.size": 48}
    run_search(small(**{**MODEL, **more, "search.rounds": 1}), tmp_path / "run")
    (record,) = journal_of(tmp_path / "run")
    assert all(member["status"] == "ok" for member in record["members"])


@pytest.mark.parametrize("name", HF_MODELS)
def test_every_family_goes_on_from_a_members_state(name: str) -> None:
    settings = small(**{"model.name": name, "data.scenes_train": 12, "search.rounds": 2})
    weights = loss_table(settings.model).defaults
    member = build_member(settings, open_data(settings), seed=0)
    member.train(weights, round=0, seed=0)
    state = copy_state(member.state_dict())
    expected = member.train(weights, round=1, seed=1)
    again = build_member(settings, open_data(settings), seed=1)
    again.load_state_dict(state)
    assert again.train(weights, round=1, seed=1) == expected
    assert again.evaluate() == member.evaluate()


OLD_START = tuple(map(int, transformers.__version__.split(".")[:2])) < (5, 23)


@pytest.mark.slow
@pytest.mark.skipif(OLD_START, reason="before transformers 5.23 random weights start too small to fit them so soon")
def test_mask2former_fits_two_pictures() -> None:
    """PQ on the pictures it is trained on rises from nothing to most of what there is; figures in docs/checks.md."""
    changes = {"training.batch_size": 2, "training.lr": 0.003, "training.epochs_per_round": 120, "augmentation.flip": 0}
    settings = small(**{"model.name": "hf:mask2former", **changes})
    pictures = Subset(Scenes(size=32, count=2), range(2))
    member = PanopticMember(
        model=settings.model,
        training=settings.training,
        augmentation=settings.augmentation,
        train=pictures,
        reward=pictures,
        rounds=1,
        seed=0,
    )
    _, before = tune(*member.predict(pictures), pictures.categories)
    member.train(loss_table(settings.model).defaults, round=0, seed=0)
    _, after = tune(*member.predict(pictures), pictures.categories)
    assert before < 0.2
    assert after > 0.6
