"""The training that a run's settings name."""

from pathlib import Path

from ada_segment.config import Settings
from ada_segment.data.splits import Splits
from ada_segment.panoptic.registry import loss_table
from ada_segment.runs.stored_model import read_start
from ada_segment.training.fabric import Fabric
from ada_segment.training.member import PanopticMember
from ada_segment.weighting.registry import WEIGHTINGS, make_weighting


def build_member(settings: Settings, splits: Splits, *, seed: int, fabric: Fabric | None = None) -> PanopticMember:
    """A member on the train and reward splits, as long as the settings' rounds. Raises like `PanopticMember`."""
    name = settings.search.weights
    losses = loss_table(settings.model).defaults
    weighting = make_weighting(name, losses, settings.search.settings, seed=seed) if name in WEIGHTINGS else None
    return PanopticMember(
        model=settings.model,
        training=settings.training,
        augmentation=settings.augmentation,
        train=splits.train,
        reward=splits.reward,
        rounds=settings.search.rounds,
        seed=seed,
        weighting=weighting,
        start=None if settings.training.start is None else read_start(Path(settings.training.start)),
        fabric=fabric,
    )
