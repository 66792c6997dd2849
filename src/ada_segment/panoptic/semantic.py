"""The semantic branch of Panoptic FPN (Kirillov et al. 2019, section 4.1, figure 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ada_segment.panoptic.group_norm import group_norm
from ada_segment.panoptic.targets import IGNORE

BAND = 2**24
"""Scores that are enlarged at once: 64 MiB."""


class SemanticBranch(nn.Module):
    """Every pyramid level is brought to the finest one's size by stages of 3x3 convolution, group norm, ReLU and
    bilinear doubling, the results are summed, and a 1x1 convolution gives the class scores.

    Args:
        in_channels: channels of the pyramid.
        levels: number of pyramid levels used, each half the size of the one before.
        channels: width of the branch.
        classes: number of stuff classes + 1 for "things".
    """

    def __init__(self, *, in_channels: int, levels: int, channels: int, classes: int) -> None:
        super().__init__()
        self.ladders = nn.ModuleList()
        for level in range(levels):
            stages: list[nn.Module] = []
            for step in range(max(level, 1)):
                stages += [
                    nn.Conv2d(in_channels if step == 0 else channels, channels, 3, padding=1, bias=False),
                    group_norm(channels),
                    nn.ReLU(inplace=True),
                ]
                if level > 0:
                    stages.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
            self.ladders.append(nn.Sequential(*stages))
        self.classify = nn.Conv2d(channels, classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.zeros_(self.classify.bias)  # type: ignore[arg-type]  # a bias was asked for

    def forward(self, features: list[Tensor]) -> Tensor:
        """Class scores [B, classes, h, w] at the finest level's size, from levels of [B, in_channels, h/2^i, w/2^i]."""
        height, width = features[0].shape[-2:]
        summed: Tensor | None = None
        for ladder, feature in zip(self.ladders, features, strict=True):
            # Levels of an odd size come back one pixel too large.
            climbed = ladder(feature)[..., :height, :width]
            summed = climbed if summed is None else summed + climbed
        scores: Tensor = self.classify(summed)
        return scores


def semantic_loss(scores: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy over the pixels that are not void, at the picture's full size.

    Args:
        scores: [B, C, h, w].
        target: [B, H, W] int64, IGNORE for void.

    Returns:
        0-d; 0 (with a gradient of 0) when all is void.
    """
    scores = F.interpolate(scores.float(), size=target.shape[-2:], mode="bilinear", align_corners=False)
    total = F.cross_entropy(scores, target, ignore_index=IGNORE, reduction="sum")
    return total / (target != IGNORE).sum().clamp(min=1)


def stuff_of(scores: Tensor, padded: tuple[int, int], resized: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Likeliest label of every pixel of the original picture.

    Args:
        scores: [C, h, w] of one picture, over its padded size.
        padded: height and width of the batch.
        resized: height and width of the picture within the batch.
        size: height and width of the original picture.

    Returns:
        [H, W] int64, 0 for things.
    """
    height = max(BAND // (len(scores) * size[1]), 1)
    if resized == size or height >= size[0]:
        return torch.argmax(in_original_size(scores, padded, resized, size), dim=0)
    # All scores of a photograph of 12 million pixels would take gigabytes.
    small = in_original_size(scores, padded, resized, resized)
    rows = (((torch.arange(size[0]) + 0.5) * (resized[0] / size[0])) - 0.5).clamp(min=0)
    return torch.cat([torch.argmax(_enlarged(small, band, size[1]), dim=0) for band in rows.split(height)])


def _enlarged(scores: Tensor, rows: Tensor, width: int) -> Tensor:
    """What bilinear interpolation of [C, h, w] has at some rows, [C, rows, width].

    Args:
        scores: to enlarge.
        rows: [rows], on the CPU, where they lie among those of `scores`: rising, from 0 on.
        width: after.
    """
    above = rows.long()
    below = (above + 1).clamp(max=scores.shape[1] - 1)
    first, last = int(above[0]), int(below[-1])
    wide = F.interpolate(
        scores[None, :, first : last + 1], size=(last + 1 - first, width), mode="bilinear", align_corners=False
    )[0]
    shares = (rows - above)[:, None].to(scores.device)
    return wide[:, (above - first).to(scores.device)].lerp(wide[:, (below - first).to(scores.device)], shares)


def in_original_size(
    scores: Tensor, padded: tuple[int, int], resized: tuple[int, int], size: tuple[int, int]
) -> Tensor:
    """Scores of one picture, [C, H, W] float32. Arguments as of `stuff_of`."""
    full = F.interpolate(scores[None].float(), size=padded, mode="bilinear", align_corners=False)
    full = full[..., : resized[0], : resized[1]]
    if resized != size:
        full = F.interpolate(full, size=size, mode="bilinear", align_corners=False)
    return full[0]
