"""The PQ of each test picture, and drawings of some: they show where a model does well and where it fails."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from ada_segment.data.sample import PanopticDataset
from ada_segment.data.writing import picture_names
from ada_segment.panoptic.calibration import quality
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.merge import Thresholds, merge
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.report.example_files import CELL, FILE_NAME, FOLDER
from ada_segment.report.overlay import sheet_row, to_width
from ada_segment.storage import write_json, write_whole

SPREAD, WORST, BEST = 60, 8, 4  # pictures drawn, at most


def write_examples(
    run: Path,
    dataset: PanopticDataset,
    predictions: Sequence[Prediction],
    truths: Sequence[PanopticMap],
    thresholds: Thresholds,
    *,
    split: str,
) -> None:
    """Write examples.json, a record a picture, and examples/, a strip of picture, truth and prediction for some.

    Drawn are pictures spread evenly over the split, which are the same in every run on it, so that two runs can be
    compared picture by picture; and those of the lowest and the highest PQ.

    Args:
        run: the run folder.
        dataset: the pictures.
        predictions, truths: of all its pictures, in order.
        thresholds: of the merge.
        split: name of the split, for the reader.
    """
    records = [
        picture_quality(prediction, truth, dataset.categories, thresholds)
        for prediction, truth in zip(predictions, truths, strict=True)
    ]
    drawn = chosen([record["pq"] for record in records])
    for index, record in enumerate(records):
        sample = dataset[index] if index in drawn else None
        record["drawn"] = f"{FOLDER}/{index:06d}.webp" if sample is not None else None
        if sample is not None:
            merged = merge(predictions[index], thresholds, dataset.categories.thing_ids)
            strip = _strip(sheet_row(sample.image, [truths[index], merged], dataset.categories))
            write_whole(run / record["drawn"], partial(strip.save, format="WEBP", quality=80, method=2))
    names = picture_names(dataset)
    content = [{"name": name, **record} for name, record in zip(names, records, strict=True)]
    write_json(run / FILE_NAME, {"split": split, "pictures": content})


def picture_quality(
    prediction: Prediction, truth: PanopticMap, categories: Categories, thresholds: Thresholds
) -> dict[str, Any]:
    """PQ of one picture in [0, 1], the mean over the classes that have a segment in it, and its counts over classes.

    The PQ is None where neither truth nor prediction has any.
    """
    result = quality([prediction], [truth], categories, thresholds).compute()
    classes = [figure for figure in result.per_class.values() if figure is not None]
    pq = result.pq if classes else None
    return {"pq": pq, **{key: sum(getattr(figure, key) for figure in classes) for key in ("tp", "fp", "fn")}}


def chosen(pq: Sequence[float | None]) -> set[int]:
    """The pictures to draw: evenly spread ones, the worst, the best of those that have a PQ."""
    count = len(pq)
    even = {index * count // SPREAD for index in range(SPREAD)} if count > SPREAD else set(range(count))
    order = [index for _, index in sorted((value, index) for index, value in enumerate(pq) if value is not None)]
    return even | set(order[:WORST]) | set(order[-BEST:])


def _strip(pictures: Sequence[Image.Image]) -> Image.Image:
    """The pictures side by side, each `CELL` px wide."""
    scaled = [to_width(picture, CELL) for picture in pictures]
    strip = Image.new("RGB", (CELL * len(scaled), scaled[0].height))
    for place, picture in enumerate(scaled):
        strip.paste(picture, (CELL * place, 0))
    return strip
