"""The stored model of a run scored on a split, with its predictions written if asked."""

import json
import os
from pathlib import Path
from typing import Any

from ada_segment.data.check import difference
from ada_segment.data.settings import SCENES
from ada_segment.data.writing import image_ids, picture_names, write_panoptic
from ada_segment.errors import ConfigError, DataError
from ada_segment.panoptic.merge import merge
from ada_segment.runs.data import open_part
from ada_segment.runs.splits_file import check_part
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
        RunError: the run is not usable, or its own pictures are others now.
        DataError: the data is not usable, or declares other classes than those the model knows.
    """
    if predictions_to is not None:
        _refuse_used(predictions_to)
    stored = load_model(run)
    dataset = open_part(stored.settings, source=data, split=split)
    own = stored.settings.data.source
    if data is None and own != SCENES:
        check_part(run, _name(split), picture_names(dataset), source=own)
    if dataset.categories != stored.categories:
        raise DataError(
            f"{data or own} declares other classes than {run} was trained on "
            f"({difference(dataset.categories, stored.categories)}); evaluate on data with the same ids, names "
            f"and isthing"
        )
    with stored.autocast():
        predictions, truths = predict_all(
            stored.network,
            dataset,
            stored.resize,
            batch_size=stored.settings.training.at_once,
            workers=stored.settings.training.workers,
            device=stored.device,
        )
    if predictions_to is not None:
        names = picture_names(dataset)
        maps = (merge(prediction, stored.thresholds, stored.categories.thing_ids) for prediction in predictions)
        write_panoptic(predictions_to, zip(names, maps, strict=True), stored.categories, image_ids=image_ids(dataset))
    metrics = measure(predictions, truths, stored.categories, split=_name(split), tuned=stored.thresholds)
    return metrics if data is None else {"data": data, **metrics}


def _refuse_used(predictions_to: Path) -> None:
    """What is there may be the truth."""
    if predictions_to.suffix != ".json":
        raise ConfigError(f"predictions = {predictions_to} names no JSON file; let it end in .json")
    for used in (predictions_to, predictions_to.with_suffix("")):
        if used.exists():
            raise ConfigError(f"predictions = {predictions_to}: {used} exists already; name another file")


def figures_file(run: Path, out: Path | None, *, data: str | None, split: str) -> Path:
    """Where the figures of an evaluation shall go, `out` or else `metrics_file`; to be asked before it begins.

    Raises:
        ConfigError: it is no place for a file, or it is not named and has the figures of other data.
    """
    path = out or metrics_file(run, data=data, split=split)
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "is a folder" if path.is_dir() else f"cannot be written in {folder}"
        raise ConfigError(f"out = {path} {what}; name a JSON file for the figures with --out")
    if out is None and path.exists():
        try:
            there = json.loads(path.read_bytes())
            of = there.get("data"), there["split"]
        except (ValueError, LookupError, AttributeError, RecursionError):
            raise ConfigError(f"{path} is there and holds no figures; name another file with --out") from None
        if (_folder(of[0]), of[1]) != (_folder(data), _name(split)):
            raise ConfigError(
                f"{path} holds the figures of data = {of[0] or 'its own'}, split = {of[1]}; name another file for "
                f"those of data = {data or 'its own'}, split = {_name(split)} with --out"
            )
    return path


def _folder(data: object) -> Path | None:
    """One folder by all its names."""
    return None if data is None else Path(str(data)).resolve()


def _name(split: str) -> str:
    """As figures have it."""
    return "test" if split == "val" else split


def metrics_file(run: Path, *, data: str | None, split: str) -> Path:
    """Where the figures of an evaluation go: to metrics.json only where they are the run's own on the test split."""
    name = "" if _name(split) == "test" else f"-{split}"
    if data is not None:
        name += f"-{Path(data).resolve().name}"
    return run / f"metrics{name}.json"
