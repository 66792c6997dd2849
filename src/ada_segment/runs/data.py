"""The pictures that a run's settings name."""

from dataclasses import replace
from pathlib import Path

from ada_segment.config import Settings
from ada_segment.data.sample import PanopticDataset
from ada_segment.data.settings import SCENES
from ada_segment.data.splits import Splits, open_split, open_splits
from ada_segment.errors import DataError


def open_data(settings: Settings) -> Splits:
    """The three splits of a run. Raises DataError when something is wrong with the files."""
    return open_splits(settings.data, size=settings.augmentation.size)


def open_part(settings: Settings, *, source: str | None, split: str) -> PanopticDataset:
    """One split, of the run's own data or of another source, parted in the same way. Raises like `open_data`."""
    own = settings.data.source
    if source is None and own != SCENES and not Path(own).is_dir():
        raise DataError(
            f"data.source = {own}, as the run's settings have it, is no folder here; name it with --data, or start "
            f"this where the run was started"
        )
    return open_split(replace(settings.data, source=source or own), split, size=settings.augmentation.size)
