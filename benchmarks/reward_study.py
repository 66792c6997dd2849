"""Which reward to listen to: how noisy each is, how early it sees a better weighting, how well it follows the final PQ.

    python benchmarks/reward_study.py --seeds 3

Trains the `tiny` preset on scenes under the default weights and under weights that raise the losses of the box and mask
heads four times. After every epoch each reward is taken from the same predictions on the reward split, with its
standard deviation over bootstrap resamples of the pictures; the test split is scored once, at the end. One JSON line
per training goes to benchmarks/results/reward_study.jsonl; trainings that are there are not repeated.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import results_file
from numpy.typing import NDArray

from ada_segment.config import Settings, resolve
from ada_segment.panoptic.calibration import SCORES, SOFT_IOUS, quality, tune
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.merge import Thresholds
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.registry import loss_table
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.training.evaluation import predict_all

HEADS = ("loss_cls", "loss_box_reg", "loss_mask")
FACTORS = {"default": 1.0, "heads x4": 4.0}
RESAMPLES = 100
HALF = SOFT_IOUS.index(0.5)
USUAL = SCORES.index(Thresholds().score)
Counts = NDArray[np.float64]


def count(predictions: Sequence[Prediction], truths: Sequence[PanopticMap], categories: Categories) -> Counts:
    """TP, FP, FN and IoU of every picture: [score thresholds, pictures, IoU thresholds, classes, 4].

    PQ of any set of pictures is a function of their sum, so resamples cost no merging.
    """
    return np.array(
        [
            [
                quality([p], [t], categories, replace(Thresholds(), score=score), ious=SOFT_IOUS).counts
                for p, t in zip(predictions, truths, strict=True)
            ]
            for score in SCORES
        ]
    )


def mean_pq(counts: Counts) -> NDArray[np.float64]:
    """PQ in percent over the classes present, from summed counts [..., classes, 4]."""
    tp, fp, fn, iou = np.moveaxis(counts, -1, 0)
    weight = tp + 0.5 * fp + 0.5 * fn
    present = weight > 0
    pq = np.where(present, iou / np.where(present, weight, 1), 0)
    result: NDArray[np.float64] = 100 * pq.sum(-1) / np.maximum(present.sum(-1), 1)
    return result


def rewards(counts: Counts) -> dict[str, float]:
    """Each reward of `TrainingSettings.reward`, from counts of the pictures in question."""
    pq = mean_pq(counts.sum(axis=1))
    return {"pq": pq[USUAL, HALF], "pq-tuned": pq[:, HALF].max(), "pq-soft": pq.mean(axis=1).max()}


def looked_at(counts: Counts, random: np.random.Generator) -> dict[str, dict[str, float]]:
    """Each reward, and its standard deviation over resamples of the pictures."""
    pictures = counts.shape[1]
    resampled = [rewards(counts[:, random.integers(pictures, size=pictures)]) for _ in range(RESAMPLES)]
    return {
        name: {"value": float(value), "noise": float(np.std([sample[name] for sample in resampled]))}
        for name, value in rewards(counts).items()
    }


def train(settings: Settings, factor: float, seed: int) -> dict[str, Any]:
    """One training; what every reward said after every epoch, and the test PQ at the end."""
    splits = open_data(settings)
    member = build_member(settings, splits, seed=seed)
    defaults = loss_table(settings.model).defaults
    weights = {name: weight * (factor if name in HEADS else 1) for name, weight in defaults.items()}
    random = np.random.default_rng(0)
    epochs = []
    assert member.ema is not None
    for epoch in range(settings.search.rounds):
        member.train(weights, round=epoch, seed=1000 * seed + epoch)
        looks = {}
        for suffix, network in (("", member.network), (", moving average", member.ema.module)):
            predictions, truths = predict_all(network, splits.reward, member.resize, batch_size=16)
            found = looked_at(count(predictions, truths, splits.categories), random)
            looks |= {name + suffix: look for name, look in found.items()}
        epochs.append(looks)
        print(
            f"seed {seed} x{factor:g} epoch {epoch + 1}",
            {n: round(x["value"], 1) for n, x in looks.items()},
            flush=True,
        )
    predictions, truths = predict_all(member.network, splits.reward, member.resize, batch_size=16)
    thresholds, _ = tune(predictions, truths, splits.categories)
    predictions, truths = predict_all(member.network, splits.test, member.resize, batch_size=16)
    test = quality(predictions, truths, splits.categories, thresholds).compute().pq
    return {"epochs": epochs, "test_pq": 100 * test}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()
    settings = resolve(preset="tiny", epochs=arguments.epochs, flags={"training.ema_decay": 0.97})
    done = {(line["seed"], line["weights"], line["rounds"]) for line in results_file.read("reward_study")}
    for seed in range(arguments.seeds):
        for name, factor in FACTORS.items():
            if (seed, name, arguments.epochs) not in done:
                setting = {"seed": seed, "weights": name, "rounds": arguments.epochs}
                results_file.append("reward_study", {**setting, **train(settings, factor, seed)})


if __name__ == "__main__":
    main()
