"""Does a model fit eight pictures? If it does not, no other figure of it can be believed.

    python benchmarks/overfit.py --data scenes --model panoptic-fpn
    python benchmarks/overfit.py --data ../shared/data/coco-mini --model cascade-panoptic-fpn
    python benchmarks/overfit.py --data scenes --model hf:mask2former

Trains on the first eight training pictures, with no augmentation, and scores the same eight. One JSON line per run goes
to benchmarks/results/overfit.jsonl.
"""

import argparse
import time

import results_file

from ada_segment.config import resolve
from ada_segment.data.settings import DataSettings
from ada_segment.data.splits import open_split
from ada_segment.data.subset import Subset
from ada_segment.panoptic.calibration import tune
from ada_segment.panoptic.registry import HF_MODELS, MODELS, loss_table
from ada_segment.training.member import PanopticMember
from ada_segment.training.metrics import measure

PICTURES = 8
LOOKS = 5  # evaluations on the way


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="scenes")
    parser.add_argument("--model", default=MODELS[0], choices=(*MODELS, *HF_MODELS))
    parser.add_argument("--backbone", help="default: thin-resnet for scenes, mobilenet_v3_small for photographs")
    parser.add_argument("--steps", type=int, help="default: 400 for scenes, 250 for photographs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    scenes = arguments.data == "scenes"
    backbone = arguments.backbone or ("thin-resnet" if scenes else "mobilenet_v3_small")
    steps = arguments.steps or (400 if scenes else 250)
    flags = {
        "model.name": arguments.model,
        "model.backbone": backbone,
        # Smallest anchors of 8 pixels whatever the backbone's stride, since photographs hold things of that size.
        "model.anchor_scale": 4 if backbone == "thin-resnet" else 2,
        "augmentation.size": 64 if scenes else 256,
        "augmentation.max_size": "none",
        "augmentation.flip": 0,
        "augmentation.scale": [1, 1],
        "training.batch_size": PICTURES,
        "training.weight_decay": 0,
        "training.warmup_steps": 20,
        "training.lr": 0.002,
        "training.epochs_per_round": steps // LOOKS,
    }
    settings = resolve(preset="tiny" if scenes else "small", flags=flags)
    pictures = Subset(
        open_split(DataSettings(source=arguments.data), "train", size=settings.augmentation.size), range(PICTURES)
    )
    member = PanopticMember(
        model=settings.model,
        training=settings.training,
        augmentation=settings.augmentation,
        train=pictures,
        reward=pictures,
        rounds=LOOKS,
        seed=arguments.seed,
    )
    started = time.perf_counter()
    for look in range(LOOKS):
        losses = member.train(loss_table(settings.model).defaults, round=look, seed=1000 * arguments.seed + look)
        predictions, truths = member.predict(pictures)
        thresholds, _ = tune(predictions, truths, pictures.categories)
        metrics = measure(predictions, truths, pictures.categories, split="train", tuned=thresholds)
        figures = {
            how: {group: round(100 * metrics[how][group]["pq"], 1) for group in ("all", "things", "stuff")}
            for how in ("usual", "tuned")
        }
        print((look + 1) * settings.training.epochs_per_round, "steps", figures, losses, flush=True)
    results_file.append(
        "overfit",
        {
            "data": arguments.data.rstrip("/").rsplit("/", 1)[-1],
            "model": arguments.model,
            "backbone": f"swin, {settings.model.hf_size}" if arguments.model in HF_MODELS else backbone,
            "size": settings.augmentation.size,
            "steps": member.step,
            "seed": arguments.seed,
            "seconds": round(time.perf_counter() - started, 1),
            "pq": figures,
        },
    )


if __name__ == "__main__":
    main()
