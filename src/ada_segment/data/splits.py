"""Train, reward and test pictures of one source, kept apart."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ada_segment.data.check import same_categories
from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.layout import list_splits, split_for_test
from ada_segment.data.overlap import check_disjoint, repeated
from ada_segment.data.problems import FileError, refuse_fatal
from ada_segment.data.sample import PanopticDataset
from ada_segment.data.scenes import Scenes
from ada_segment.data.settings import SCENES, DataSettings
from ada_segment.data.subset import Subset
from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories


@dataclass(frozen=True, slots=True)
class Splits:
    """The three parts of a source.

    Attributes:
        train: what weights of the network are learned from.
        reward: carved out of the training pictures; the only thing a search may look at.
        test: looked at once, at the end.
    """

    train: PanopticDataset
    reward: PanopticDataset
    test: PanopticDataset

    @property
    def categories(self) -> Categories:
        return self.train.categories


def reward_size(pictures: int, *, fraction: float, minimum: int) -> int:
    """How many of `pictures` form the reward split: the fraction, but at least the minimum and at most half.

    The minimum is there because PQ of fewer pictures is mostly noise; the bound of a half because a network that
    learns from less than half of a small set has little to be rewarded for.
    """
    return min(max(math.ceil(fraction * pictures), minimum), pictures // 2)


def carve(
    pictures: PanopticDataset, *, seed: int, fraction: float, minimum: int, group_by: str | None = None
) -> tuple[PanopticDataset, PanopticDataset]:
    """Part a dataset into (train, reward), by the seed alone; both in the order of the dataset.

    Copies of a picture are all in train, with their groups: the reward asks for what has not been learned by heart.

    Args:
        pictures: the dataset.
        seed: draws what goes to the reward split.
        fraction, minimum: its size, see `reward_size`; exceeded by less than a group.
        group_by: pictures whose file names it matches alike are on one side; see `DataSettings`.

    Raises:
        DataError: there are fewer than two pictures, or only copies of one; or they cannot be grouped so.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the reward split's fraction lies between 0 and 1, not {fraction}")
    if len(pictures) < 2:
        raise DataError(f"the train split holds {len(pictures)} picture; a reward split needs at least 2")
    size = reward_size(len(pictures), fraction=fraction, minimum=minimum)
    groups = _groups(pictures, group_by)
    drawn: set[int] = set()
    for index in np.random.default_rng(seed).permutation(len(pictures)).tolist():
        if len(drawn) >= size:
            break
        if index not in drawn and len(drawn) + len(groups[index]) <= len(pictures) // 2:
            drawn.update(groups[index])
    if not drawn:
        raise DataError(
            f"data.group_by = {group_by} puts all of the {len(pictures)} pictures into one group; let it match more of "
            "their names"
        )
    train, reward = [index for index in range(len(pictures)) if index not in drawn], sorted(drawn)
    # With its whole group, whose pictures are as near to those learned from as the copy is.
    repeats = repeated(Subset(pictures, reward), Subset(pictures, train))
    copies = {index for place in repeats for index in groups[reward[place]]}
    if len(copies) == len(reward):
        raise DataError(f"each of the {size} pictures drawn for the reward is in train, too; take copies out of train")
    return (
        Subset(pictures, sorted([*train, *copies])),
        Subset(pictures, [index for index in reward if index not in copies]),
    )


def _groups(pictures: PanopticDataset, group_by: str | None) -> list[list[int]]:
    """The group of each picture: all indices in it, its own among them."""
    if group_by is None:
        return [[index] for index in range(len(pictures))]
    if not isinstance(pictures, CocoPanoptic):
        raise DataError(
            f"data.group_by = {group_by} goes by the names of files, and generated scenes have none; leave it out"
        )
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise DataError(f"data.group_by = {group_by} is no regular expression: {error}") from None
    members: dict[str, list[int]] = {}
    keys = []
    for index in range(len(pictures)):
        name = pictures.pictures.file_name(index)
        match = pattern.match(name)
        if match is None:
            raise DataError(
                f"data.group_by = {group_by} does not match {name}; end it with |.* if such files stand alone"
            )
        keys.append(match.group())
        members.setdefault(match.group(), []).append(index)
    return [members[key] for key in keys]


def open_splits(settings: DataSettings, *, size: int | None = None) -> Splits:
    """Open train, reward and test of a source; what is wrong with its files is found here, before any training.

    Args:
        settings: the source, in whose folder the val split is the test split, and how it is parted.
        size: side of generated scenes in pixels (default 64). Photographs keep their size; see `transforms`.

    Raises:
        DataError: something is wrong with the files, or pictures are in two splits.
    """
    pictures, test = _open(settings, "train", size), _open(settings, "test", size)
    if pictures.categories != test.categories:
        refuse_fatal(same_categories({_annotations(one): one.categories for one in (pictures, test)}))
    train, reward = _carve(pictures, settings)
    check_disjoint(reward, test, names=("reward", "test"))
    check_disjoint(train, test, names=("train", "test"))
    return Splits(train=train, reward=reward, test=test)


def open_split(settings: DataSettings, split: str, *, size: int | None = None) -> PanopticDataset:
    """Open one split of a source: "train" and "reward" as `open_splits` parts them, "test" or "val" the test split.

    Raises:
        DataError: something is wrong with its files, or there is no such split.
    """
    if split in ("test", "val"):
        return _open(settings, "test", size)
    if split not in ("train", "reward"):
        raise DataError(f"split {split!r} is unknown; there are train, reward and test (val is the same as test)")
    train, reward = _carve(_open(settings, "train", size), settings)
    return train if split == "train" else reward


def _carve(pictures: PanopticDataset, settings: DataSettings) -> tuple[PanopticDataset, PanopticDataset]:
    return carve(
        pictures,
        seed=settings.split_seed,
        fraction=settings.reward_fraction,
        minimum=settings.reward_minimum,
        group_by=settings.group_by,
    )


def _annotations(dataset: PanopticDataset) -> Path:
    """The file that declares its classes; generated scenes have none."""
    return dataset.files.annotations if isinstance(dataset, CocoPanoptic) else Path(SCENES)


def _open(settings: DataSettings, split: str, size: int | None) -> PanopticDataset:
    if settings.source == SCENES:
        count = settings.scenes_train if split == "train" else settings.scenes_test
        return Scenes(size=64 if size is None else size, count=count, seed=settings.split_seed, split=split)
    folder = Path(settings.source)
    if not folder.is_dir():
        raise FileError(folder, f"is neither a folder nor {SCENES}", "name a folder in COCO panoptic format")
    return CocoPanoptic(settings.source, split_for_test(list_splits(folder)) if split == "test" else split)
