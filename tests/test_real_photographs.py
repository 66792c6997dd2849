"""Both models run through on real photographs: a few of each dataset, small networks."""

import json
import shutil
from pathlib import Path

import pytest
from made_data import SHARED
from small_runs import small

from ada_segment.panoptic.registry import MODELS, loss_table
from ada_segment.runs.evaluation import evaluate_run
from ada_segment.runs.search_run import run_search

DATA = SHARED / "data"
DATASETS = ("facades", "coco-mini", "coco-panoptic-133")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the photographs are not beside this repository")


def few(source: Path, target: Path, **counts: int) -> None:
    """Copy the first pictures of each split."""
    for split, count in counts.items():
        content = json.loads((source / f"panoptic_{split}.json").read_text())
        content["annotations"] = content["annotations"][:count]
        kept = {annotation["image_id"] for annotation in content["annotations"]}
        content["images"] = [image for image in content["images"] if image["id"] in kept]
        for folder, entries in ((f"images/{split}", content["images"]), (f"panoptic_{split}", content["annotations"])):
            (target / folder).mkdir(parents=True)
            for entry in entries:
                shutil.copy(source / folder / entry["file_name"], target / folder)
        (target / f"panoptic_{split}.json").write_text(json.dumps(content))


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("model", MODELS)
def test_a_search_runs_through(dataset: str, model: str, tmp_path: Path) -> None:
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
