"""The training that a run's settings name."""

from lightning_fabric import Fabric

from ada_segment.config import Settings
from ada_segment.data.splits import Splits
from ada_segment.training.member import PanopticMember


def build_member(settings: Settings, splits: Splits, *, seed: int, fabric: Fabric | None = None) -> PanopticMember:
    """A member on the train and reward splits, as long as the settings' rounds. Raises like `PanopticMember`."""
    return PanopticMember(
        model=settings.model,
        training=settings.training,
        augmentation=settings.augmentation,
        train=splits.train,
        reward=splits.reward,
        rounds=settings.search.rounds,
        seed=seed,
        fabric=fabric,
    )
