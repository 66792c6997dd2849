"""Training from a trained model: what it has in common with the new one is taken, the rest starts fresh and is said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ada_segment.config import Settings, resolve
from ada_segment.errors import ConfigError, RunError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.registry import build_model
from ada_segment.population.observer import Silent
from ada_segment.runs.search_run import run_search
from ada_segment.runs.stored_model import load_model, read_start
from ada_segment.training.warm_start import Start, start_from

CLASSES = Categories([Category(1, "cat", True), Category(2, "dog", True), Category(3, "sky", False)])
OTHERS = Categories([Category(1, "cow", True), Category(2, "hen", True), Category(3, "mud", False)])
MORE = Categories([*CLASSES, Category(4, "car", True), Category(5, "sea", False)])
MODELS = ("panoptic-fpn", "cascade-panoptic-fpn", "hf:mask2former")
pytestmark = pytest.mark.usefixtures("undrawn")
SMALL: dict[str, Any] = {
    "data.scenes_train": 16,
    "data.scenes_test": 4,
    "data.reward_minimum": 4,
    "search.rounds": 1,
    "search.members": 2,
}


def settings(name: str = "panoptic-fpn", **flags: Any) -> Settings:
    if name.startswith("hf:"):
        pytest.importorskip("transformers")
    return resolve(preset="tiny", flags={**SMALL, "model.name": name, **flags})


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("classes", [OTHERS, MORE], ids=["other classes", "more classes"])
def test_only_what_belongs_to_classes_stays_fresh_on_others(name: str, classes: Categories) -> None:
    model = settings(name).model
    trained, network = build_model(model, CLASSES), build_model(model, classes)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    random = torch.random.get_rng_state()
    fresh = start_from(Start(Path("run"), trained.state_dict(), CLASSES), network, settings=model, categories=classes)
    assert torch.equal(random, torch.random.get_rng_state())
    assert 0 < len(fresh) < len(before) / 4
    for key, value in network.state_dict().items():
        source = before if key in fresh else trained.state_dict()
        assert torch.equal(value, source[key]), key
    # All that is fresh has a side as long as the classes, one more for the background, or four numbers of each.
    counts = {n + extra for n in (len(classes), len(classes.things), len(classes.stuff)) for extra in (0, 1)}
    counts |= {4 * n for n in counts}
    assert all(counts & set(before[key].shape) for key in fresh)


@pytest.mark.parametrize("name", MODELS)
def test_on_the_same_classes_all_is_taken(name: str) -> None:
    model = settings(name).model
    trained, network = build_model(model, CLASSES), build_model(model, CLASSES)
    state = trained.state_dict()
    assert start_from(Start(Path("run"), state, CLASSES), network, settings=model, categories=CLASSES) == []
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_a_model_of_another_kind_is_refused() -> None:
    model = settings().model
    trained = build_model(replace(model, width=24, fpn_channels=48), CLASSES)
    network = build_model(model, CLASSES)
    with pytest.raises(ConfigError, match=r"start = somewhere: only \d+ of \d+ parameters.*same model"):
        start_from(Start(Path("somewhere"), trained.state_dict(), CLASSES), network, settings=model, categories=CLASSES)


class Told(Silent):
    def __init__(self) -> None:
        self.text = ""

    def said(self, text: str) -> None:
        self.text += text


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended."""
    run = tmp_path_factory.mktemp("trained") / "run"
    run_search(settings(), run)
    return run


def test_a_search_starts_where_a_run_ended(trained: Path, tmp_path: Path) -> None:
    # With a learning rate of next to nothing, and so without learning, what comes out is what went in.
    flags = {"training.start": str(trained), "training.lr": 1e-12, "seed": 5}
    told = Told()
    run_search(settings(**flags), tmp_path / "run", observer=told)
    assert "start fresh" not in told.text
    start, end = (dict(load_model(run).network.named_parameters()) for run in (trained, tmp_path / "run"))
    assert all(torch.allclose(start[key], end[key], atol=1e-6) for key in start)


def test_a_run_that_has_not_ended_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="absent"):
        read_start(tmp_path / "absent")
    with pytest.raises(RunError, match="absent"):
        run_search(settings(**{"training.start": str(tmp_path / "absent")}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_classes_are_said(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = read_start(trained)
    renamed = Categories([replace(category, name=f"my {category.name}") for category in start.categories])
    monkeypatch.setattr("ada_segment.runs.member.read_start", lambda run: replace(start, categories=renamed))
    told = Told()
    run_search(settings(**{"training.start": str(trained)}), tmp_path / "run", observer=told)
    assert "gives all but" in told.text
    assert "box_predictor" in told.text
