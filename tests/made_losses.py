"""Losses for the tests of weightings: three that share parameters, split over processes if asked."""

import torch
from torch import Tensor, nn

NAMES = ("mask", "box", "class")


def model(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A trunk that all losses share and a head for each."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).to(dtype)


def losses_of(network: nn.Module, pictures: Tensor) -> dict[str, Tensor]:
    """Means over pictures [n, 6], so that those of two halves average to those of the whole."""
    out = network(pictures)
    return {
        "mask": out[:, 0].square().mean(),
        "box": (out[:, 1] - 2).abs().mean(),
        "class": nn.functional.softplus(-3 * out[:, 2]).mean(),
    }


def pictures(steps: int, batch: int = 8, seed: int = 1) -> Tensor:
    """[steps, batch, 6] in double precision."""
    return torch.randn(steps, batch, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
