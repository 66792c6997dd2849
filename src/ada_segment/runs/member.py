"""The training that a run's settings name."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ada_segment.config import Settings
from ada_segment.data.splits import Splits
from ada_segment.errors import ConfigError
from ada_segment.panoptic.registry import loss_table
from ada_segment.runs.stored_model import read_start
from ada_segment.training.fabric import Fabric
from ada_segment.training.member import PanopticMember
from ada_segment.weighting.registry import WEIGHTINGS, make_weighting


def build_member(settings: Settings, splits: Splits, *, seed: int, fabric: Fabric | None = None) -> PanopticMember:
    """A member on the train and reward splits, as long as the settings' rounds. Raises like `PanopticMember`."""
    name = settings.search.weights
    losses = loss_table(settings.model).defaults
    own = settings.search.settings
    with of_the_method(own):
        weighting = make_weighting(name, losses, own, seed=seed) if name in WEIGHTINGS else None
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


@contextmanager
def of_the_method(names: Iterable[str]) -> Iterator[None]:
    """Errors about a setting of the strategy or weighting itself name its whole key."""
    try:
        yield
    except ConfigError as error:
        if any(str(error).startswith(f"{name} = ") for name in names):
            raise ConfigError(f"search.settings.{error}") from None
        raise
