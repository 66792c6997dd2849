"""The stored model of a run scored on a split, with its predictions written if asked."""

from pathlib import Path
from typing import Any

from ada_segment.data.check import difference
from ada_segment.data.writing import image_ids, picture_names, write_panoptic
from ada_segment.errors import ConfigError, DataError
from ada_segment.panoptic.merge import merge
from ada_segment.runs.data import open_part
from ada_segment.runs.stored_model import load_model
from ada_segment.training.evaluation import predict_all
from ada_segment.training.metrics import measure


def evaluate_run(
    run: Path, *, data: str | None = None, split: str = "val", predictions_to: Path | None = None
) -> dict[str, Any]:
    """Figures of a run's best model, with the usual and with its tuned merge thresholds.

    Args:
        run: the run folder.
        data: "scenes" or a folder in COCO panoptic format; None for the run's own.
        split: of that data: train, reward, or val (also called test).
        predictions_to: JSON file to write the merged predictions to, COCO panoptic; PNGs go beside it.

    Returns:
        What metrics.json holds; of other data with its source, as "data".

    Raises:
        ConfigError: `predictions_to` has no name for a JSON file, or something is there; raised before anything is
            predicted.
        RunError: the run is not usable.
        DataError: the data is not usable, or declares other classes than those the model knows.
    """
    if predictions_to is not None:
        _refuse_used(predictions_to)
    stored = load_model(run)
    dataset = open_part(stored.settings, source=data, split=split)
    if dataset.categories != stored.categories:
        raise DataError(
            f"{data or stored.settings.data.source} declares other classes than {run} was trained on "
            f"({difference(dataset.categories, stored.categories)}); evaluate on data with the same ids, names "
            f"and isthing"
        )
    with stored.autocast():
        predictions, truths = predict_all(
            stored.network,
            dataset,
            stored.resize,
            batch_size=stored.settings.training.batch_size,
            workers=stored.settings.training.workers,
            device=stored.device,
        )
    if predictions_to is not None:
        things = frozenset(category.id for category in stored.categories.things)
        names = picture_names(dataset)
        maps = (merge(prediction, stored.thresholds, things) for prediction in predictions)
        write_panoptic(predictions_to, zip(names, maps, strict=True), stored.categories, image_ids=image_ids(dataset))
    split = "test" if split == "val" else split
    metrics = measure(predictions, truths, stored.categories, split=split, tuned=stored.thresholds)
    return metrics if data is None else {"data": data, **metrics}


def _refuse_used(predictions_to: Path) -> None:
    """What is there may be the truth."""
    if predictions_to.suffix != ".json":
        raise ConfigError(f"predictions = {predictions_to} names no JSON file; let it end in .json")
    for used in (predictions_to, predictions_to.with_suffix("")):
        if used.exists():
            raise ConfigError(f"predictions = {predictions_to}: {used} exists already; name another file")


def metrics_file(run: Path, *, data: str | None, split: str) -> Path:
    """Where the figures of an evaluation go: to metrics.json only where they are the run's own on the test split."""
    name = "" if split in ("val", "test") else f"-{split}"
    if data is not None:
        name += f"-{Path(data).resolve().name}"
    return run / f"metrics{name}.json"
