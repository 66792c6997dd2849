"""The end of a run: merge thresholds, the test split's figures, pictures, the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ada_segment.data.splits import Splits
from ada_segment.panoptic.calibration import tune
from ada_segment.panoptic.merge import Thresholds, merge
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.population.observer import Observer
from ada_segment.report.overlay import contact_sheet, sheet_row
from ada_segment.report.page import write_page
from ada_segment.report.run_files import METRICS, OVERLAYS
from ada_segment.runs.examples import write_examples
from ada_segment.runs.stored_model import store_model
from ada_segment.storage import write_json, write_whole
from ada_segment.training.member import PanopticMember
from ada_segment.training.metrics import measure

PICTURES_SHOWN = 6


def finish_run(
    out: Path, member: PanopticMember, state: dict[str, Any], splits: Splits, *, observer: Observer
) -> dict[str, Any]:
    """Tune the merge thresholds on the reward split, score the test split once, draw what the model sees.

    Args:
        out: the run folder.
        member: in the state `state`.
        state: the best of the search.
        splits: its data.
        observer: is told what goes on, since this takes a while.

    Returns:
        What metrics.json holds; it is written last but for the page, so that a run with it has ended.
    """
    categories = splits.categories
    observer.said(f"all rounds done; tuning the merge thresholds on {len(splits.reward)} reward pictures")
    predictions, truths = member.predict(splits.reward)
    thresholds, _ = tune(predictions, truths, categories)
    store_model(out, state, categories, thresholds, model=member.network.about)
    del predictions, truths  # or both splits' would be held at once
    observer.said(f"scoring {len(splits.test)} test pictures")
    predictions, truths = member.predict(splits.test)
    metrics = measure(predictions, truths, categories, split="test", tuned=thresholds)
    observer.said("drawing pictures and the report")
    write_examples(out, splits.test, predictions, truths, thresholds, split="test")
    _draw(out / OVERLAYS, splits, predictions, truths, thresholds)
    write_json(out / METRICS, metrics)
    write_page(out, out / "report.html")
    return metrics


def _draw(
    path: Path,
    splits: Splits,
    predictions: Sequence[Prediction],
    truths: Sequence[PanopticMap],
    thresholds: Thresholds,
) -> None:
    categories = splits.categories
    rows, captions = [], []
    for index in range(min(PICTURES_SHOWN, len(splits.test))):
        sample = splits.test[index]
        merged = merge(predictions[index], thresholds, categories.thing_ids)
        rows.append(sheet_row(sample.image, [truths[index], merged], categories))
        captions.append(sample.name)
    sheet = contact_sheet(rows, captions=captions)
    write_whole(path, lambda temporary: sheet.save(temporary, format="PNG", compress_level=4))
