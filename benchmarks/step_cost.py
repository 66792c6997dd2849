"""What the semantic branch costs: a training step of panoptic-fpn against one of torchvision's own Mask R-CNN.

    python benchmarks/step_cost.py --backbone resnet50 --size 256

Both have the same backbone, pyramid width, heads, anchors, proposals and pictures; their steps are timed in turns, so
that a machine that slows down slows both. One JSON line per run goes to benchmarks/results/step_cost.jsonl.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict

import results_file
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from ada_segment.data.scenes import Scenes
from ada_segment.panoptic.backbones import LEVELS, build_backbone
from ada_segment.panoptic.registry import build_model
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.panoptic.targets import Target, make_target


def mask_rcnn(settings: ModelSettings, *, classes: int, size: int) -> MaskRCNN:
    """torchvision's Mask R-CNN with the sizes of `settings`."""
    backbone = build_backbone(settings)
    sides = tuple((round(settings.anchor_scale * backbone.stride * 2**level),) for level in range(LEVELS + 1))
    levels = [str(level) for level in range(LEVELS)]
    return MaskRCNN(
        backbone,
        min_size=size,
        max_size=size,
        rpn_anchor_generator=AnchorGenerator(sides, ((0.5, 1.0, 2.0),) * len(sides)),
        rpn_pre_nms_top_n_train=settings.proposals_before_nms,
        rpn_post_nms_top_n_train=settings.proposals,
        rpn_batch_size_per_image=settings.rpn_samples,
        box_batch_size_per_image=settings.roi_samples,
        box_roi_pool=MultiScaleRoIAlign(levels, output_size=7, sampling_ratio=2),
        box_head=TwoMLPHead(settings.fpn_channels * 7**2, settings.box_channels),
        box_predictor=FastRCNNPredictor(settings.box_channels, classes),
        mask_roi_pool=MultiScaleRoIAlign(levels, output_size=14, sampling_ratio=2),
        mask_head=MaskRCNNHeads(settings.fpn_channels, (settings.mask_channels,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(settings.mask_channels, settings.mask_channels, classes),
    )


def step_of(network: nn.Module, losses: Callable[[], dict[str, Tensor]]) -> Callable[[], float]:
    """A training step, whose call gives the seconds it took."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)

    def step() -> float:
        started = time.perf_counter()
        total = torch.stack(list(losses().values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - started

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=9, help="steps of each")
    arguments = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = ModelSettings(backbone=arguments.backbone)
    scenes = Scenes(size=arguments.size, count=arguments.batch)
    images = [scenes[index].image.to(device) for index in range(arguments.batch)]
    targets: list[Target] = []
    for index in range(arguments.batch):
        target = make_target(scenes[index].truth, scenes.categories)
        targets.append(Target(**{name: value.to(device) for name, value in target.items()}))  # type: ignore[typeddict-item]

    torch.manual_seed(0)
    ours = build_model(settings, scenes.categories).to(device).train()
    theirs = mask_rcnn(settings, classes=len(scenes.categories.things) + 1, size=arguments.size).to(device).train()
    floats = [image / 255 for image in images]
    boxed = [{**target, "boxes": target["boxes"].float()} for target in targets]
    our_step = step_of(ours, lambda: ours(images, targets))
    their_step = step_of(theirs, lambda: theirs(floats, boxed))

    our_step(), their_step()  # the first step of each sets things up
    pairs = [(our_step(), their_step()) for _ in range(arguments.pairs)]
    ratios = [first / second for first, second in pairs]
    result = {
        "backbone": arguments.backbone,
        "size": arguments.size,
        "batch": arguments.batch,
        "pairs": arguments.pairs,
        "settings": asdict(settings),
        "seconds_panoptic_fpn": round(statistics.median(first for first, _ in pairs), 4),
        "seconds_mask_rcnn": round(statistics.median(second for _, second in pairs), 4),
        "ratio": round(statistics.median(ratios), 4),
        "ratio_least": round(min(ratios), 4),
        "ratio_greatest": round(max(ratios), 4),
    }
    print({key: value for key, value in result.items() if key != "settings"})
    results_file.append("step_cost", result)


if __name__ == "__main__":
    main()
