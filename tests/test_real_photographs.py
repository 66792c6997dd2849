"""A search on real photographs runs through: on a few of each dataset, and with either model."""

import json
from pathlib import Path

import pytest
from made_data import SHARED, few
from small_runs import small

from ada_segment.panoptic.registry import MODELS, loss_table
from ada_segment.runs.evaluation import evaluate_run
from ada_segment.runs.search_run import run_search

DATA = SHARED / "data"
DATASETS = ("facades", "coco-mini", "coco-panoptic-133")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the photographs are not beside this repository")


@pytest.mark.parametrize(
    ("model", "dataset"), [*((MODELS[0], dataset) for dataset in DATASETS), (MODELS[1], "facades")]
)
def test_a_search_runs_through(model: str, dataset: str, tmp_path: Path) -> None:
    few(DATA / dataset, tmp_path / "few", train=10, val=3)
    settings = small(
        data__source=str(tmp_path / "few"),
        data__reward_minimum=3,
        model__name=model,
        model__backbone="mobilenet_v3_small",
        augmentation__size=64,
        search__rounds=1,
    )
    run = tmp_path / "run"
    run_search(settings, run)
    (record,) = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    names = set(loss_table(settings.model).defaults)
    assert all(set(member["weights"]) == set(member["losses"]) == names for member in record["members"])
    assert all(member["status"] == "ok" for member in record["members"])
    metrics = json.loads((run / "metrics.json").read_text())
    content = json.loads((DATA / dataset / "panoptic_val.json").read_text())
    assert len(metrics["tuned"]["per_class"]) == len(content["categories"])
    about = json.loads((run / "best.json").read_text())
    assert [category["id"] for category in about["categories"]] == sorted(c["id"] for c in content["categories"])
    assert evaluate_run(run)["usual"] == metrics["usual"]
