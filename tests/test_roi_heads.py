"""The heads of boxes and masks: torchvision's, but for where masks are learned and how strides are known."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import MultiScaleRoIAlign

from ada_segment.panoptic.prediction import paste_instances
from ada_segment.panoptic.roi_heads import MaskedRoIHeads, roi_pool

LEVELS = ("0", "1", "2", "3")
SIDE = 28  # of a mask, in cells


def parts(*, pools: tuple[Any, Any]) -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "box_roi_pool": pools[0],
        "mask_roi_pool": pools[1],
        "box_head": TwoMLPHead(8 * 7**2, 16),
        "box_predictor": FastRCNNPredictor(16, 3),
        "mask_head": MaskRCNNHeads(8, (8,), dilation=1),
        "mask_predictor": MaskRCNNPredictor(8, 8, 3),
        "bbox_reg_weights": None,
        "fg_iou_thresh": 0.5,
        "bg_iou_thresh": 0.5,
        "batch_size_per_image": 16,
        "positive_fraction": 0.25,
        "score_thresh": 0.05,
        "nms_thresh": 0.5,
        "detections_per_img": 20,
    }


def pyramid(height: int, width: int, *, pictures: int = 2) -> dict[str, Tensor]:
    """Features at strides 2, 4, 8 and 16."""
    torch.manual_seed(1)
    return {
        name: torch.randn(pictures, 8, height // 2 ** (place + 1), width // 2 ** (place + 1))
        for place, name in enumerate(LEVELS)
    }


def boxes(pictures: int, *, side: int = 64) -> list[Tensor]:
    torch.manual_seed(2)
    corner, size = torch.rand(pictures, 30, 2) * side / 2, 2 + torch.rand(pictures, 30, 2) * (side / 2 - 2)
    return list(torch.cat((corner, corner + size), dim=-1))


def test_without_aligned_masks_it_is_torchvisions() -> None:
    """Losses, gradients and detections, bit for bit."""
    scales = [roi_pool(LEVELS, (2, 4, 8, 16), output_size) for output_size in (7, 14)]
    theirs = RoIHeads(**parts(pools=tuple(MultiScaleRoIAlign(list(LEVELS), size, 2) for size in (7, 14))))  # type: ignore[no-untyped-call]
    ours = MaskedRoIHeads(aligned_masks=False, **parts(pools=tuple(scales)))
    masks = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    masks[:, :, 10:30, 5:40] = 1
    targets = [
        {"boxes": found[:3].clone(), "labels": torch.tensor([1, 2, 1]), "masks": mask}
        for found, mask in zip(boxes(2), masks, strict=True)
    ]
    shapes = [(64, 64)] * 2
    losses = []
    for heads in (theirs, ours):
        torch.manual_seed(3)
        _, found = heads.train()(pyramid(64, 64), boxes(2), shapes, targets)
        sum(found.values()).backward()
        losses.append(found)
    assert losses[0].keys() == losses[1].keys()
    for name, loss in losses[0].items():
        assert torch.equal(loss, losses[1][name]), name
    for one, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    with torch.no_grad():
        detections = [heads.eval()(pyramid(64, 64), boxes(2), shapes)[0] for heads in (theirs, ours)]
    for one, other in zip(*detections, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


class Asked(MaskedRoIHeads):
    """Answers with these mask logits, so that their gradient tells what was wanted."""

    answer: Tensor

    def _mask_logits(self, *_: Any) -> Tensor:
        return self.answer


def wanted(mask: Tensor, box: Tensor, *, aligned: bool) -> Tensor:
    """[1, m, m]: the mask that the head has to learn for the box."""
    heads = Asked(aligned_masks=aligned, **parts(pools=(None, None)))
    heads.answer = nn.Parameter(torch.zeros(1, 2, SIDE, SIDE))
    one = [torch.zeros(1, dtype=torch.int64)]
    targets = [{"masks": mask[None].to(torch.uint8), "labels": torch.ones(1, dtype=torch.int64)}]
    loss = heads._mask_loss({}, ([box[None]], one, [torch.ones(1)]), [(64, 64)], targets)
    (gradient,) = torch.autograd.grad(loss, heads.answer)
    return 0.5 - gradient[:, 1] * SIDE**2  # binary cross entropy at a logit of 0


def overlap(mask: Tensor, *, aligned: bool) -> float:
    """IoU of a mask and what is pasted when its head has learned all that it was asked."""
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    box = torch.stack((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)).float()
    answer = wanted(mask, box, aligned=aligned)
    (found,) = paste_instances(box[None], torch.ones(1), [1], answer, tuple(mask.shape))
    pasted = np.zeros(mask.shape, dtype=bool)
    pasted[found.top : found.top + found.mask.shape[0], found.left : found.left + found.mask.shape[1]] = found.mask
    truth = mask.numpy()
    return float((pasted & truth).sum() / (pasted | truth).sum())


def disc(x: float, y: float, radius: float) -> Tensor:
    ys, xs = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    return (xs - x) ** 2 + (ys - y) ** 2 < radius**2


@given(x=st.floats(20, 40), y=st.floats(20, 40), radius=st.floats(3, 14))
def test_a_head_that_has_learned_all_paints_the_truth(x: float, y: float, radius: float) -> None:
    """It is cut into 28 x 28 cells and pasted where it was."""
    mask = disc(x, y, radius)
    assert overlap(mask, aligned=True) > 0.98
    assert overlap(mask, aligned=False) < overlap(mask, aligned=True)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 200), (20, 300)])
def test_strides_do_not_depend_on_the_first_picture(height: int, width: int) -> None:
    """Padded to a multiple of 64, as the pyramid wants it, a low picture is much higher than it was."""
    first, then = pyramid(64, -(-width // 64) * 64, pictures=1), pyramid(64, 256, pictures=1)
    pool = roi_pool(LEVELS, (2, 4, 8, 16), 7)
    alone = roi_pool(LEVELS, (2, 4, 8, 16), 7)
    pool(first, boxes(1), [(height, width)])
    assert torch.equal(pool(then, boxes(1), [(64, 256)]), alone(then, boxes(1), [(64, 256)]))
    assert pool.scales == [1 / 2, 1 / 4, 1 / 8, 1 / 16]
