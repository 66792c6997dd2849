"""Settings of the data."""

from dataclasses import dataclass

SCENES = "scenes"


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Where pictures come from and how they are split."""

    source: str = SCENES
    """scenes (generated) or a folder in COCO panoptic format."""
    scenes_train: int = 500
    """Generated scenes for train and reward together."""
    scenes_test: int = 200
    """Generated scenes for the test."""
    reward_fraction: float = 0.2
    """Share of the training pictures that becomes the reward split, which alone a search may look at."""
    reward_minimum: int = 60
    """Least number of pictures of the reward split, though never more than half of the training pictures."""
    group_by: str | None = None
    """Regular expression for the beginning of file names: pictures in which it matches the same text (crops of one
    photo, frames of one drive) are all learned from, or all in the reward split. none parts them one by one."""
    split_seed: int = 0
    """Draws the reward split and the generated scenes; apart from the run's seed, so that runs can be compared."""
