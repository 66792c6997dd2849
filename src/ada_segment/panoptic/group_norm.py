"""Group normalisation (Wu and He 2018) of any number of channels."""

from torch import nn


def group_norm(channels: int) -> nn.GroupNorm:
    """32 groups, fewer where that leaves less than four channels each or does not divide the channels."""
    most = min(32, max(channels // 4, 1))
    return nn.GroupNorm(next(groups for groups in range(most, 0, -1) if channels % groups == 0), channels)
