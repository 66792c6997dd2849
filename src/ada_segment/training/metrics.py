"""The figures of a model on a dataset, as metrics.json holds them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ada_segment.panoptic.calibration import quality
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.merge import Thresholds
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.quality import PanopticResult, Quality


def measure(
    predictions: Sequence[Prediction],
    truths: Sequence[PanopticMap],
    categories: Categories,
    *,
    split: str,
    tuned: Thresholds,
) -> dict[str, Any]:
    """PQ, SQ and RQ in [0, 1] with the usual merge thresholds and with tuned ones.

    Args:
        predictions, truths: of the same pictures, in the same order.
        categories: their classes.
        split: name of the split, for the reader.
        tuned: thresholds tuned on other pictures than these.
    """
    thresholds = {"usual": Thresholds(), "tuned": tuned}
    return {
        "split": split,
        "pictures": len(truths),
        "thresholds": {name: asdict(value) for name, value in thresholds.items()},
        **{
            name: result_to_json(quality(predictions, truths, categories, value).compute(), categories)
            for name, value in thresholds.items()
        },
    }


def result_to_json(result: PanopticResult, categories: Categories) -> dict[str, Any]:
    """A PQ result as plain JSON; groups and classes without a segment are null."""
    return {
        **{group: _group(getattr(result, group)) for group in ("all", "things", "stuff")},
        "per_class": {_name(categories, key): _class(value) for key, value in result.per_class.items()},
    }


def reference_json(result: PanopticResult) -> dict[str, Any]:
    """A PQ result under the keys of COCO's reference evaluator, classes by id.

    A group without a segment is null; a class without one has PQ 0 and counts of 0, as the reference gives it, and
    is part of no mean.
    """
    empty = Quality(pq=0.0, sq=0.0, rq=0.0, tp=0, fp=0, fn=0)
    classes = {str(key): value or empty for key, value in result.per_class.items()}
    return {
        **{group: _group(getattr(result, group.lower())) for group in ("All", "Things", "Stuff")},
        "per_class": {
            key: {name: getattr(value, name) for name in ("pq", "sq", "rq")} for key, value in classes.items()
        },
        "counts": {
            key: {**{name: getattr(value, name) for name in ("tp", "fp", "fn")}, "iou": value.sq * value.tp}
            for key, value in classes.items()
        },
    }


def _name(categories: Categories, category_id: int) -> str:
    """The class's name, with its id where another class has the same name."""
    name = categories[category_id].name
    return name if sum(category.name == name for category in categories) == 1 else f"{name} ({category_id})"


def _group(quality: Quality | None) -> dict[str, float] | None:
    if quality is None:
        return None
    return {"pq": quality.pq, "sq": quality.sq, "rq": quality.rq, "n": quality.classes}


def _class(quality: Quality | None) -> dict[str, float] | None:
    if quality is None:
        return None
    return {key: getattr(quality, key) for key in ("pq", "sq", "rq", "tp", "fp", "fn")}
