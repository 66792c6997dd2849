"""Batches of pictures and targets, the same for the same seed however many processes read them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ada_segment.data.sample import PanopticDataset, Sample
from ada_segment.data.transforms import Resize
from ada_segment.errors import AdaSegmentError
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.targets import Target, make_target

TrainBatch = tuple[list[Tensor], list[Target]]
EvalBatch = tuple[list[Tensor], list[PanopticMap]]


class _Augmented(Dataset[tuple[Tensor, Target]]):
    """Pictures by (index, seed): all that is random about one look at a picture hangs on its seed."""

    def __init__(self, dataset: PanopticDataset, transform: Callable[[Sample], Sample]) -> None:
        self.dataset = dataset
        self.transform = transform

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Target]:
        index, seed = key
        sample = self.dataset[index]
        with torch.random.fork_rng(devices=[]):
            # This generator alone: torch.manual_seed would seed those of GPUs too, which a helper process does not.
            torch.default_generator.manual_seed(seed)
            sample = self.transform(sample)
        return sample.image, make_target(sample.truth, self.dataset.categories)


class _Resized(Dataset[tuple[Tensor, PanopticMap]]):
    """Pictures in the network's size beside their truth in its own."""

    def __init__(self, dataset: PanopticDataset, resize: Resize) -> None:
        self.dataset = dataset
        self.resize = resize

    def __getitem__(self, index: int) -> tuple[Tensor, PanopticMap]:
        sample = self.dataset[index]
        return self.resize.picture(sample.image), sample.truth


class _Told(Dataset[Any]):
    """Rows of another dataset, or the error of one that cannot be read: raised in a helper process, it would become
    another error with a traceback for its text."""

    def __init__(self, rows: Dataset[Any]) -> None:
        self.rows = rows

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.rows[key]
        except AdaSegmentError as error:
            return error


class _EpochOrder:
    """Batches of (index, seed) of one epoch; of each batch, the share of one rank, in `accumulate` parts."""

    def __init__(self, length: int, *, batch_size: int, accumulate: int, seed: int, rank: int, ranks: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(length, generator=generator).tolist()
        seeds = torch.randint(2**62, (length,), generator=generator).tolist()
        pairs = list(zip(order, seeds, strict=True))
        # The last, incomplete batch is left out: its few pictures would weigh more than all others.
        ends = range(batch_size, length + 1, batch_size) if length >= batch_size else [length]
        starts = range(rank, ranks * accumulate, ranks)
        self.batches = [
            pairs[max(end - batch_size, 0) : end][start :: ranks * accumulate] for end in ends for start in starts
        ]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def steps_per_epoch(length: int, batch_size: int) -> int:
    """Optimiser steps of one epoch of `length` pictures."""
    return max(length // batch_size, 1)


def training_batches(
    dataset: PanopticDataset,
    transform: Callable[[Sample], Sample],
    *,
    batch_size: int,
    seed: int,
    workers: int,
    accumulate: int = 1,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[TrainBatch]:
    """One epoch in an order drawn from `seed`, every picture with a random stream of its own; each batch in
    `accumulate` parts, one after the other.

    Raises:
        DataError: a picture cannot be read.
    """
    order = _EpochOrder(len(dataset), batch_size=batch_size, accumulate=accumulate, seed=seed, rank=rank, ranks=ranks)
    return _raised(
        DataLoader(
            _Told(_Augmented(dataset, transform)),
            batch_sampler=order,
            num_workers=workers,
            collate_fn=_columns,
            generator=torch.Generator(),
        )
    )


def evaluation_batches(
    dataset: PanopticDataset,
    resize: Resize,
    *,
    batch_size: int,
    workers: int,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[EvalBatch]:
    """All pictures of one rank in their order, resized, each with its truth in the original size.

    Raises:
        DataError: a picture cannot be read.
    """
    return _raised(
        DataLoader(
            _Told(_Resized(dataset, resize)),
            batch_size=batch_size,
            sampler=range(rank, len(dataset), ranks),
            num_workers=workers,
            collate_fn=_columns,
            # A loader draws a seed for its processes; from a generator of its own, so that evaluating leaves no trace.
            generator=torch.Generator(),
        )
    )


def _columns(rows: list[Any]) -> tuple[list[Any], list[Any]] | AdaSegmentError:
    for row in rows:
        if isinstance(row, AdaSegmentError):
            return row
    images, truths = zip(*rows, strict=True)
    return list(images), list(truths)


def _raised(batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        if isinstance(batch, AdaSegmentError):
            raise batch
        yield batch
