"""What happens to a picture before a network sees it; picture and segment ids move together."""

from collections.abc import Sequence

import torch
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from ada_segment.data.sample import Sample
from ada_segment.panoptic.recount import recount


class Resize:
    """Scale so that the shorter side is `size`, unless the longer one would exceed `max_size`; then that decides.

    The picture is interpolated bilinearly with antialiasing, the ids by the nearest pixel centre.

    Args:
        size: pixels of the shorter side; None keeps it.
        max_size: pixels that the longer side never exceeds; None for no bound.
    """

    def __init__(self, size: int | None, max_size: int | None = None) -> None:
        self.size = size
        self.max_size = max_size

    def __call__(self, sample: Sample) -> Sample:
        if self.size is None and self.max_size is None:
            return sample
        return _join(sample, *_resize(*_split(sample), target=self._target(sample.image)))

    def picture(self, image: torch.Tensor) -> torch.Tensor:
        """The picture of a resized sample, from that of the sample: [3, H, W] uint8."""
        target = self._target(image)
        return image if target == list(image.shape[-2:]) else functional.resize(image, target, antialias=True)

    def _target(self, image: torch.Tensor) -> list[int]:
        size = min(image.shape[-2:]) if self.size is None else self.size
        return _target(image, size=size, max_size=self.max_size)


class TrainTransform:
    """Augmentation for training, drawn from torch's global generator: seed it, and the draws repeat.

    Order: resize to one of `sizes`, scale jitter and crop, flip, colour. Segments are recounted from the pixels that
    are left and those that have none are dropped.

    Args:
        sizes: shorter side in pixels, one or several to draw from; None keeps the size.
        max_size: bound of the longer side, None for none.
        flip: probability of a horizontal flip.
        scale: factors (least, greatest) by which `size` is multiplied, drawn log-uniformly.
        crop: side of a random square crop in pixels, padded with void and black where the picture is smaller; None
            for no crop.
        colour: strength of brightness, contrast and saturation jitter in [0, 1); hue moves a tenth of it.
    """

    def __init__(
        self,
        *,
        sizes: int | Sequence[int] | None,
        max_size: int | None = None,
        flip: float = 0.5,
        scale: tuple[float, float] = (1.0, 1.0),
        crop: int | None = None,
        colour: float = 0.0,
    ) -> None:
        self.sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes or ())
        self.max_size = max_size
        self.flip = flip
        self.scale = scale
        self.crop = v2.RandomCrop(crop, pad_if_needed=True) if crop else None
        self.colour = v2.ColorJitter(colour, colour, colour, 0.1 * colour) if colour else None

    def __call__(self, sample: Sample) -> Sample:
        image, ids = _split(sample)
        size = self._draw_size(min(image.shape[-2:]))
        image, ids = _resize(image, ids, target=_target(image, size=size, max_size=self.max_size))
        if self.crop is not None:
            image, ids = self.crop(image, ids)
        # Always drawn, so that the stream of random numbers does not depend on the settings of other steps.
        if float(torch.rand(())) < self.flip:
            image, ids = functional.horizontal_flip(image), functional.horizontal_flip(ids)
        if self.colour is not None:
            image = self.colour(image)
        return _join(sample, image, ids)

    def _draw_size(self, shorter: int) -> int:
        size = self.sizes[int(torch.randint(len(self.sizes), ()))] if self.sizes else shorter
        least, greatest = self.scale
        factor: float = least * (greatest / least) ** float(torch.rand(()))
        return max(1, round(size * factor))


def _split(sample: Sample) -> tuple[torch.Tensor, torch.Tensor]:
    return tv_tensors.Image(sample.image), tv_tensors.Mask(torch.from_numpy(sample.truth.ids))


def _join(sample: Sample, image: torch.Tensor, ids: torch.Tensor) -> Sample:
    image, ids = image.as_subclass(torch.Tensor), ids.as_subclass(torch.Tensor)
    truth = recount(ids.contiguous().numpy(), sample.truth.segments)
    return Sample(image=image.contiguous(), truth=truth, name=sample.name)


def _target(image: torch.Tensor, *, size: int, max_size: int | None) -> list[int]:
    height, width = image.shape[-2:]
    factor = size / min(height, width)
    if max_size is not None:
        factor = min(factor, max_size / max(height, width))
    return [max(1, round(height * factor)), max(1, round(width * factor))]


def _resize(image: torch.Tensor, ids: torch.Tensor, *, target: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    if target == list(image.shape[-2:]):
        return image, ids
    # torchvision's own rule for masks takes the pixel at the lower edge, half a pixel off the picture's. ids are
    # below 2^24, so float32, which the resampling works in, holds them exactly.
    plain = ids.as_subclass(torch.Tensor)[None].float()
    moved = functional.resize(plain, target, interpolation=InterpolationMode.NEAREST_EXACT)[0]
    return functional.resize(image, target, antialias=True), tv_tensors.Mask(moved.to(ids.dtype))
