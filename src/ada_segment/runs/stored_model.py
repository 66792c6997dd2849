"""The best model of a run, with all that is needed to use it: settings, classes, merge thresholds."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ada_segment.config import Settings
from ada_segment.data.transforms import Resize
from ada_segment.errors import ConfigError, RunError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.merge import Thresholds
from ada_segment.panoptic.model import PanopticModel
from ada_segment.panoptic.registry import build_model
from ada_segment.population.run_folder import BEST
from ada_segment.runs.settings_file import FILE_NAME as SETTINGS
from ada_segment.runs.settings_file import read_settings
from ada_segment.storage import load_state, read_about, save_state
from ada_segment.training.fabric import Fabric
from ada_segment.training.member import build_fabric, network_state
from ada_segment.training.settings import TrainingSettings
from ada_segment.training.warm_start import Start


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model ready for inference.

    Attributes:
        network: the model in evaluation mode, on `device`.
        categories: classes it was trained on.
        thresholds: merge thresholds tuned on its reward split.
        resize: brings a picture to the size it was trained at.
        settings: of its run.
        autocast: makes the context of the precision that it was trained, rewarded and tuned in.
    """

    network: PanopticModel
    categories: Categories
    thresholds: Thresholds
    resize: Resize
    settings: Settings
    device: torch.device
    autocast: Callable[[], AbstractContextManager[None]]


def store_model(
    run: Path,
    state: dict[str, Any],
    categories: Categories,
    thresholds: Thresholds,
    *,
    model: Mapping[str, Any] | None = None,
) -> None:
    """Write the best state again, with the classes, the tuned thresholds and the model's `about` beside it."""
    about = read_about(run / BEST)
    about |= {"categories": categories.to_json(), "thresholds": asdict(thresholds), "model": dict(model or {})}
    save_state(run / BEST, state, about=about)


def load_model(run: Path) -> StoredModel:
    """The best model of a run, where and in what precision the run computed it, or else wherever there is room.

    Raises:
        RunError: the folder holds no finished run.
    """
    settings = read_settings(run)
    about, categories = _about(run)
    # The weights come from the run: nothing is downloaded for them to overwrite.
    network = build_model(replace(settings.model, pretrained="none"), categories, about=about.get("model") or None)
    network.load_state_dict(network_state(load_state(run / BEST)))
    fabric = _fabric(settings.training)
    network.to(fabric.device).eval()
    resize = Resize(settings.augmentation.size, settings.augmentation.max_size)
    thresholds = Thresholds(**about["thresholds"])
    return StoredModel(network, categories, thresholds, resize, settings, fabric.device, fabric.autocast)


def _fabric(training: TrainingSettings) -> Fabric:
    """One device of the kind that the run had; where there is none, what there is."""
    one = replace(training, devices=1)
    try:
        return build_fabric(one)
    except ConfigError:
        return build_fabric(replace(one, accelerator="auto"))


def read_start(run: Path) -> Start:
    """The best model of a run, for another training to start from. Raises RunError when the run has not ended."""
    _, categories = _about(run)
    return Start(run, network_state(load_state(run / BEST)), categories)


def _about(run: Path) -> tuple[dict[str, Any], Categories]:
    about = read_about(run / BEST)
    if not (run / SETTINGS).is_file():
        raise RunError(f"{run} holds the state of a program's own training, which only that program can use")
    if "thresholds" not in about:
        raise RunError(f"{run} has not ended yet; let it end, or go on with it by --resume")
    return about, Categories(Category(c["id"], c["name"], bool(c["isthing"])) for c in about["categories"])
