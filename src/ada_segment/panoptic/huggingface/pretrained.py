"""Pretrained networks of the library, their class head fitted to the classes of a dataset."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ada_segment.errors import ConfigError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.huggingface.families import Family
from ada_segment.panoptic.huggingface.library import transformers_for
from ada_segment.panoptic.huggingface.raw_losses import keeping


def build_network(family: Family, configuration: Any, categories: Categories) -> Any:
    """A network with random weights for the classes of a dataset. Raises ConfigError when its sizes do not fit."""
    configuration = for_classes(configuration, categories)
    kind = keeping(getattr(transformers_for(family.model_type), family.network))
    try:
        network = kind(configuration)
    except (ValueError, RuntimeError, TypeError, AttributeError, IndexError, ZeroDivisionError) as error:
        raise ConfigError(f"{family.model_type} cannot be built as configured: {error}") from None
    network.kept = []
    return network


def load_network(family: Family, configuration: Any, categories: Categories, folder: Path) -> Any:
    """A network with the weights in `folder`, for the classes of a dataset.

    The head keeps its rows for classes of the same name, and for "no object"; those of other classes are new.

    Raises:
        ConfigError: the weights cannot be read, or do not fit the configuration.
    """
    network = build_network(family, configuration, categories)
    kind = getattr(transformers_for(family.model_type), family.network)
    try:
        # Safetensors alone: other files of weights are pickles.
        stored, told = kind.from_pretrained(
            folder, config=configuration, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # the library raises many kinds; all mean the same to the user
        raise ConfigError(f"{folder} cannot be read as weights: {' '.join(str(error).split())}") from None
    # The library fills what it does not find with random numbers, and goes on.
    parameters = {key for key, _ in stored.named_parameters()}
    if lacking := sorted(key for key in told["missing_keys"] if key in parameters and not key.startswith(family.apart)):
        raise ConfigError(
            f"{folder} lacks {lacking[0]} and {len(lacking) - 1} more of the {len(parameters)} tensors of a "
            f"{family.network}; save the whole of it with save_pretrained"
        )
    own, given = network.state_dict(), stored.state_dict()
    head = {f"{family.head}.weight", f"{family.head}.bias"}
    for key in head:
        given[key] = _fitted_rows(own[key], given[key], configuration.id2label, categories)
    fitting = {key: value for key, value in given.items() if key in own and value.shape == own[key].shape}
    # What hangs on the number of classes alone, as the weights of the classes in the criterion, is the new network's.
    if wrong := sorted(key for key, _ in network.named_parameters() if key not in fitting):
        raise ConfigError(f"{folder} does not fit its configuration: {wrong[0]} and {len(wrong) - 1} more tensors")
    network.load_state_dict(fitting, strict=False)
    return network


def for_classes(configuration: Any, categories: Categories) -> Any:
    """A copy of a configuration with the classes of a dataset."""
    configuration = copy.deepcopy(configuration)
    configuration.id2label = {i: category.name for i, category in enumerate(categories)}
    configuration.label2id = {category.name: i for i, category in enumerate(categories)}
    return configuration


def _fitted_rows(own: Tensor, given: Tensor, names: dict[int, str], categories: Categories) -> Tensor:
    rows = own.clone()
    rows[-1] = given[-1]
    old = {name: int(i) for i, name in names.items()}
    for new, category in enumerate(categories):
        if category.name in old and old[category.name] < len(given) - 1:
            with torch.no_grad():
                rows[new] = given[old[category.name]]
    return rows
