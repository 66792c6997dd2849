"""How a worker, in another process or on another machine, comes by its member: from the run's settings alone."""

from dataclasses import dataclass, replace

from ada_segment.config import Settings
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.training.member import PanopticMember, build_fabric


@dataclass(frozen=True, slots=True)
class MemberFactory:
    """Makes the member that the settings name, with data of its own. Can be sent to other processes and machines.

    There the data must be found under the same path, and `ada_segment` be installed.
    """

    settings: Settings

    def __call__(self, seed: int) -> PanopticMember:
        fabric = build_fabric(self.settings.training)
        return build_member(self.settings, open_data(self.settings), seed=seed, fabric=fabric)


def on_one_device(settings: Settings, *, accelerator: str | None = None) -> Settings:
    """The settings for one process that trains alone, on another kind of device if one is named."""
    training = replace(settings.training, devices=1)
    if accelerator is not None:
        training = replace(training, accelerator=accelerator, precision="32")
    return replace(settings, training=training)
