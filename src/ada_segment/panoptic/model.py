"""What every panoptic model offers."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ada_segment.panoptic.prediction import Prediction
from ada_segment.panoptic.targets import Target


class PanopticModel(nn.Module):
    """A network that gives named raw losses in training and candidates for merging in inference.

    No weight is ever applied to a loss inside it.
    """

    loss_names: tuple[str, ...]
    """Names of the losses, in a fixed order."""

    @property
    def about(self) -> dict[str, Any]:
        """What has to be known besides its settings and classes to build it again, as plain JSON; stored with a run."""
        return {}

    @abstractmethod
    def forward(self, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Raw losses, 0-d, by name. `images`: uint8 [3, H, W], RGB, sizes may differ; `targets`: one each."""

    @abstractmethod
    def predict(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        """Candidates for each picture, in the original size (height, width) that `sizes` gives. In evaluation mode."""
