"""Real photographs with all 133 classes of COCO and their gaps in the ids: trained on, predicted, checked, scored."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_data import SHARED
from small_runs import small

from ada_segment.data.check import check_file
from ada_segment.data.class_table import read_classes
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.file_quality import quality_of_files
from ada_segment.data.writing import write_panoptic
from ada_segment.panoptic.merge import Thresholds
from ada_segment.panoptic.quality import PanopticQuality
from ada_segment.panoptic.recount import recount
from ada_segment.population.run_folder import BEST
from ada_segment.runs.evaluation import evaluate_run
from ada_segment.runs.prediction import predict_pictures
from ada_segment.runs.search_run import run_search
from ada_segment.runs.stored_model import store_model
from ada_segment.storage import load_state

FOLDER = SHARED / "data" / "coco-panoptic-133"


@pytest.mark.slow
def test_predictions_of_133_classes_check_and_score_as_in_memory(tmp_path: Path) -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"no {FOLDER}")
    run = tmp_path / "run"
    run_search(small(data__source=str(FOLDER), search__rounds=1, search__members=1), run)
    # So short a training is sure of nothing: its own thresholds would leave empty maps.
    thresholds = Thresholds(score=0.0, stuff_area=0.0)
    store_model(run, load_state(run / BEST), read_classes(str(FOLDER / "panoptic_val.json")), thresholds)
    written = tmp_path / "predicted" / "panoptic_val.json"
    metrics = evaluate_run(run, predictions_to=written)
    assert check_file(written, FOLDER / "images" / "val") == []

    result = quality_of_files(FOLDER / "panoptic_val.json", written).compute()
    assert result.all is not None
    assert result.pq == pytest.approx(metrics["tuned"]["all"]["pq"], abs=1e-12)
    counts = [(quality.tp, quality.fp, quality.fn) for quality in result.per_class.values() if quality]
    kept = [q for q in metrics["tuned"]["per_class"].values() if q]
    assert sorted(counts) == sorted((q["tp"], q["fp"], q["fn"]) for q in kept)
    assert sum(fp for _, fp, _ in counts) > 0

    root = json.loads(written.read_text())
    assert root["categories"] == read_classes("coco").to_json()
    used = {segment["category_id"] for entry in root["annotations"] for segment in entry["segments_info"]}
    assert used
    assert used <= {category.id for category in read_classes("coco")}

    photo = sorted((FOLDER / "images" / "val").iterdir())[0]
    predict_pictures(run, [photo], tmp_path / "seen")
    assert check_file(tmp_path / "seen" / "panoptic.json", photo.parent) == []


def test_good_predictions_of_133_classes_score_as_in_memory(tmp_path: Path) -> None:
    """The truth moved by three pixels: most segments match, some do not."""
    if not FOLDER.is_dir():
        pytest.skip(f"no {FOLDER}")
    truth = CocoPanoptic(FOLDER, "val", decode=False)
    quality = PanopticQuality(truth.categories)
    moved = []
    for index in range(len(truth)):
        sample = truth[index]
        moved.append((sample.name, recount(np.roll(sample.truth.ids, 3, axis=1), sample.truth.segments)))
        quality.update(moved[-1][1], sample.truth)
    written = tmp_path / "panoptic_val.json"
    write_panoptic(written, moved, truth.categories, image_ids=truth.image_ids)
    assert check_file(written, FOLDER / "images" / "val") == []
    files = quality_of_files(FOLDER / "panoptic_val.json", written)
    assert (files.counts == quality.counts).all()
    assert 0.3 < files.compute().pq < 0.95
    # The ids of COCO, which go up to 200 with gaps.
    found = {number for number, row in files.compute().per_class.items() if row is not None and row.tp}
    assert max(found) > 133
