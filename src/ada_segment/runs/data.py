"""The pictures that a run's settings name."""

from pathlib import Path
from typing import Any

from ada_segment.config import Settings
from ada_segment.data.sample import PanopticDataset
from ada_segment.data.splits import SCENES, Splits, open_split, open_splits
from ada_segment.errors import DataError


def open_data(settings: Settings) -> Splits:
    """The three splits of a run. Raises DataError when something is wrong with the files."""
    return open_splits(settings.data.source, **_arguments(settings))


def open_part(settings: Settings, *, source: str | None, split: str) -> PanopticDataset:
    """One split, of the run's own data or of another source, parted in the same way. Raises like `open_data`."""
    own = settings.data.source
    if source is None and own != SCENES and not Path(own).is_dir():
        raise DataError(
            f"data.source = {own}, as the run's settings have it, is no folder here; name it with --data, or start "
            f"this where the run was started"
        )
    return open_split(source or settings.data.source, split, **_arguments(settings))


def _arguments(settings: Settings) -> dict[str, Any]:
    return {
        "size": settings.augmentation.size,
        "seed": settings.data.split_seed,
        "reward_fraction": settings.data.reward_fraction,
        "reward_minimum": settings.data.reward_minimum,
        "group_by": settings.data.group_by,
        "scenes_train": settings.data.scenes_train,
        "scenes_test": settings.data.scenes_test,
    }
