"""The library's models with their losses by name and without weights.

Their `get_loss_dict` multiplies each loss by the weight of every name that its own contains, in place, and their
output holds the sum alone. So a class of ours goes ahead of the library's and keeps what the criterion gave.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ada_segment.errors import ConfigError, LossError
from ada_segment.panoptic.huggingface.families import FAMILIES, family_of


class KeepsLosses:
    """What goes ahead of a class of the library: both ways by which it computes losses, without weights.

    In float32 whatever the precision around it: the matcher hands its costs to SciPy, which knows no bfloat16.
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled by the library's class, which has the name that this one goes by."""
        return _empty, (type(self).__bases__[1],), dict(vars(self))

    def get_loss_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """In place of the mask classifiers' own: the criterion's losses as they are."""
        network: Any = self
        with torch.autocast(network.device.type, enabled=False):
            losses: dict[str, Tensor] = network.criterion(*_float(args), **_float(kwargs))
        network.kept.append(losses)
        return losses

    @property
    def loss_function(self) -> Any:
        """In place of DETR's own, whose losses are raw already."""
        network: Any = self
        # The library keeps a method of this name, not a loss, where a user has set one.
        original = super().loss_function  # type: ignore[misc]  # of the library's class behind this one

        def keep(*args: Any, **kwargs: Any) -> Any:
            with torch.autocast(network.device.type, enabled=False):
                found = original(*_float(args), **_float(kwargs))
            network.kept.append(found[1])
            return found

        return keep


@cache
def keeping(kind: type) -> type:
    """The class `kind` of the library with its losses kept, under its own name, which is written to files."""
    return type(kind.__name__, (KeepsLosses, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def _empty(kind: type) -> Any:
    """A network of `keeping(kind)` before its state is put back."""
    made: Any = keeping(kind)
    return made.__new__(made)


def known(network: Any) -> bool:
    """Whether `network`, or what a wrapper holds, is one of the panoptic models of `FAMILIES`."""
    bare = inside(network)
    classes = {kind.__name__ for kind in type(bare).__mro__}
    model_type = getattr(getattr(bare, "config", None), "model_type", None)
    return any(family.model_type == model_type and family.network in classes for family in FAMILIES.values())


def keep_losses(network: Any) -> None:
    """Make a network of the library keep its raw losses. The parameters, and inference, stay as they are.

    Its output's own `loss` is their plain sum from now on, without the weights of its configuration; DETR's stays.

    Raises:
        ConfigError: it is none of the panoptic models that are known here.
    """
    network = inside(network)
    if not known(network):
        classes = ", ".join(family.network for family in FAMILIES.values())
        raise ConfigError(f"{type(network).__name__} is none of the models with named losses: {classes}")
    if not isinstance(network, KeepsLosses):
        kind: type = type(network)
        network.__class__ = keeping(kind)
        network.kept = []


def raw_losses(network: Any, **inputs: Any) -> tuple[dict[str, Tensor], Any]:
    """One pass of a network under `keep_losses`: its raw losses by name, 0-d float32, and its output.

    Args:
        network: one of transformers' panoptic models, also within DistributedDataParallel or compiled.
        inputs: what its `forward` takes, labels included.

    Raises:
        ConfigError: the inputs hold no labels.
        LossError: the library gives other losses than are known here.
    """
    bare = inside(network)
    bare.kept = []
    output = network(**inputs)
    kept: list[Mapping[str, Tensor]] = bare.kept
    bare.kept = []
    network = bare
    if not kept:
        raise ConfigError(f"{type(network).__name__} gave no losses; give it labels, as for training")
    family = family_of(network.config.model_type, type(network).__name__)
    # EoMT computes the losses of each layer by a call of its own, the last layer's last.
    found = dict(kept[-1]) | {f"{name}_{i}": loss for i, layer in enumerate(kept[:-1]) for name, loss in layer.items()}
    names = family.names(network.config)
    missing = [name for name in names if name not in found]
    # DETR counts wrong boxes besides; what has no gradient teaches nothing.
    unknown = [name for name, loss in found.items() if name not in names and loss.requires_grad]
    if missing or unknown:
        raise LossError(
            f"{type(network).__name__} gives other losses than are known here; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    # OneFormer's have one element and one dimension.
    return {name: found[name].reshape(()) for name in names}, output


def inside(network: Any) -> Any:
    """The network itself within wrappers for several devices or for compilation."""
    for wrapper in ("_orig_mod", "module"):
        while isinstance(held := getattr(network, wrapper, None), nn.Module):
            network = held
    return network


def _float(value: Any) -> Any:
    """Half-precision tensors in a nest of dicts, lists and tuples as float32; the rest as it is."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _float(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_float(item) for item in value)
    return value
