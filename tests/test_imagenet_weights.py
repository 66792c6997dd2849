"""Weights that benchmarks begin with: what they were learned with is what they are given."""

import sys
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import imagenet_weights


@given(seed=st.integers(0, 2**31))
def test_normalised_pixels_give_what_pixels_between_minus_one_and_one_gave(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8)).double().eval()
    assert isinstance(first[1].running_mean, torch.Tensor)
    for tensor in (first[0].weight.data, first[1].weight.data, first[1].bias.data, first[1].running_mean):
        tensor.normal_(generator=generator)
    pixels = torch.rand(2, 3, 17, 17, generator=generator, dtype=torch.float64)
    wanted = first(2 * pixels - 1)

    names = {"conv_stem.weight": first[0].weight.data, "bn1.running_mean": first[1].running_mean}
    changed = imagenet_weights.for_normalised(names)
    first[0].weight.data, first[1].running_mean = changed["conv_stem.weight"], changed["bn1.running_mean"]

    mean, deviation = (
        torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)
        for values in (imagenet_weights.MEAN, imagenet_weights.DEVIATION)
    )
    assert torch.allclose(first((pixels - mean) / deviation), wanted, atol=1e-5)
