"""Training that starts from a trained model instead of fresh parameters: fine-tuning, also on other classes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ada_segment.errors import ConfigError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.registry import build_model
from ada_segment.panoptic.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Start:
    """A trained model to start from.

    Attributes:
        source: where it comes from, for messages.
        state: its parameters and buffers by name.
        categories: the classes it was trained on.
    """

    source: Path
    state: Mapping[str, Tensor]
    categories: Categories


def start_from(start: Start, network: nn.Module, *, settings: ModelSettings, categories: Categories) -> list[str]:
    """Copy into `network` all that it has in common with a trained model, and say what stays fresh.

    Parameters of another name or shape stay fresh. On other classes so do those that belong to classes, whatever their
    shape: they are the ones whose shape changes with the number of classes.

    Args:
        start: the trained model.
        network: a model that `build_model` made from `settings` and `categories`.

    Returns:
        Names of the parameters and buffers that stay fresh.

    Raises:
        ConfigError: most of the network would stay fresh: the trained model is of another kind or size.
    """
    own = network.state_dict()
    of_classes = set() if start.categories == categories else _of_classes(own, settings, categories)
    taken = {
        name: value
        for name, value in start.state.items()
        if name in own and own[name].shape == value.shape and name not in of_classes
    }
    size, size_taken = (sum(own[name].numel() for name in names) for names in (own, taken))
    if 2 * size_taken < size:
        raise ConfigError(
            f"start = {start.source}: only {len(taken)} of {len(own)} parameters of this model, "
            f"{size_taken / size:.0%} of its numbers, are in that one; start from a run with the same model, backbone "
            "and sizes"
        )
    network.load_state_dict(taken, strict=False)
    return [name for name in own if name not in taken]


def _of_classes(own: Mapping[str, Tensor], settings: ModelSettings, categories: Categories) -> set[str]:
    """Names of the parameters whose shape hangs on the classes, found by a model with one thing and one stuff more."""
    free = 1 + max(category.id for category in categories)
    more = Categories([*categories, Category(free, "one more thing", True), Category(free + 1, "more stuff", False)])
    with torch.random.fork_rng(devices=[]):  # training draws from the same random numbers
        other = build_model(replace(settings, pretrained="none"), more).state_dict()
    return {name for name, value in own.items() if name not in other or other[name].shape != value.shape}
