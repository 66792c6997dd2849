"""Train, reward and test: disjoint, deterministic, refused when they share a picture."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_data import write_folder

from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.overlap import check_disjoint, twins
from ada_segment.data.sample import PanopticDataset
from ada_segment.data.scenes import Scenes
from ada_segment.data.settings import DataSettings
from ada_segment.data.splits import carve, open_split, open_splits, reward_size
from ada_segment.data.subset import Subset
from ada_segment.errors import DataError


@given(count=st.integers(2, 400), seed=st.integers(0, 99), fraction=st.floats(0.01, 0.99), minimum=st.integers(1, 100))
def test_carving_parts_a_set(count: int, seed: int, fraction: float, minimum: int) -> None:
    scenes = Scenes(count=count)  # nothing is drawn
    train, reward = carve(scenes, seed=seed, fraction=fraction, minimum=minimum)
    assert isinstance(train, Subset)
    assert isinstance(reward, Subset)
    assert sorted(train.indices + reward.indices) == list(range(count))
    assert len(train) >= len(reward) >= 1
    assert len(reward) >= min(minimum, count // 2)
    again = carve(scenes, seed=seed, fraction=fraction, minimum=minimum)
    assert again[1].indices == reward.indices  # type: ignore[attr-defined]


def test_sizes_of_the_reward_split() -> None:
    assert reward_size(500, fraction=0.2, minimum=60) == 100
    assert reward_size(223, fraction=0.2, minimum=60) == 60
    assert reward_size(70, fraction=0.2, minimum=60) == 35
    assert reward_size(2, fraction=0.2, minimum=60) == 1


def test_another_seed_carves_another_part() -> None:
    scenes = Scenes(count=100)
    parts = [carve(scenes, seed=seed, fraction=0.2, minimum=1)[1] for seed in (0, 1)]
    assert parts[0].indices != parts[1].indices  # type: ignore[attr-defined]


def group_of(name: str) -> str:
    return name[:3]


@given(seed=st.integers(0, 99), fraction=st.floats(0.01, 0.99), minimum=st.integers(1, 30))
def test_a_group_is_on_one_side(numbered: CocoPanoptic, seed: int, fraction: float, minimum: int) -> None:
    how = {"seed": seed, "fraction": fraction, "minimum": minimum}
    train, reward = carve(numbered, **how, group_by="...")
    names = [{group_of(part[i].name) for i in range(len(part))} for part in (train, reward)]
    assert not names[0] & names[1]
    assert len(train) + len(reward) == len(numbered)
    wanted = reward_size(len(numbered), fraction=fraction, minimum=minimum)
    assert min(wanted, len(numbered) // 2 - 9) <= len(reward) <= min(wanted + 9, len(numbered) // 2)
    # Each picture a group of its own is no group at all.
    alone, apart = carve(numbered, **how, group_by=".*"), carve(numbered, **how)
    assert [part.indices for part in alone] == [part.indices for part in apart]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> CocoPanoptic:
    """0000 to 0029, with ten to a group of three digits."""
    return CocoPanoptic(write_folder(tmp_path_factory.mktemp("numbered"), train=30, val=1), "train")


def test_a_grouping_that_cannot_be_is_refused_by_its_setting(numbered: CocoPanoptic) -> None:
    def refused(group_by: str, dataset: PanopticDataset = numbered) -> str:
        with pytest.raises(DataError, match=r"^data\.group_by = ") as caught:
            carve(dataset, seed=0, fraction=0.2, minimum=1, group_by=group_by)
        return str(caught.value)

    assert "no regular expression" in refused("(")
    assert "does not match 0000.jpg" in refused("[1-9]")
    assert "all of the 30 pictures into one group" in refused("0")
    assert "generated scenes have none" in refused(".", Scenes(count=9))


def test_scenes_open() -> None:
    settings = DataSettings(scenes_train=20, scenes_test=6, reward_minimum=5)
    splits = open_splits(settings, size=32)
    assert (len(splits.train), len(splits.reward), len(splits.test)) == (15, 5, 6)
    for name, split in (("train", splits.train), ("reward", splits.reward), ("test", splits.test)):
        alone = open_split(settings, name, size=32)
        assert [alone[i].name for i in range(len(alone))] == [split[i].name for i in range(len(split))]
    with pytest.raises(DataError, match="split 'x'"):
        open_split(settings, "x")


def test_a_folder_opens_and_val_is_the_test_split(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, train=5, val=2)
    splits = open_splits(DataSettings(source=str(folder), reward_minimum=2))
    assert (len(splits.train), len(splits.reward), len(splits.test)) == (3, 2, 2)
    assert len(splits.categories) == 4
    assert len(open_split(DataSettings(source=str(folder)), "val")) == 2


def test_names_are_no_evidence(tmp_path: Path) -> None:
    # Train and val of the folder both hold 0000.jpg and 0001.jpg, with other contents.
    open_splits(DataSettings(source=str(write_folder(tmp_path)), reward_minimum=1))


@pytest.mark.parametrize("number", range(4))
def test_a_shared_picture_is_refused_wherever_it_lies(tmp_path: Path, number: int) -> None:
    folder = write_folder(tmp_path, train=4, val=2)
    shutil.copy(folder / "images" / "train" / f"{number:04d}.jpg", folder / "images" / "val" / "0001.jpg")
    with pytest.raises(DataError, match=rf"1 pictures are in .*{number:04d}\.jpg"):
        open_splits(DataSettings(source=str(folder), reward_minimum=1))


@pytest.mark.parametrize("seed", range(6))
def test_copies_of_a_picture_are_learned_from_and_not_rewarded(tmp_path: Path, seed: int) -> None:
    folder = write_folder(tmp_path, train=6)
    pictures = folder / "images" / "train"
    shutil.copy(pictures / "0000.jpg", pictures / "0005.jpg")
    splits = open_splits(DataSettings(source=str(folder), split_seed=seed, reward_minimum=3))
    rewarded = {splits.reward[index].name for index in range(len(splits.reward))}
    assert rewarded
    assert {"0000.jpg", "0005.jpg"} <= rewarded or not {"0000.jpg", "0005.jpg"} & rewarded
    assert len(splits.train) + len(splits.reward) == 6
    part = open_split(DataSettings(source=str(folder), split_seed=seed, reward_minimum=3), "reward")
    assert {part[index].name for index in range(len(part))} == rewarded


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_takes_its_group_along(tmp_path: Path, seed: int) -> None:
    folder = write_folder(tmp_path, train=60)
    pictures = folder / "images" / "train"
    shutil.copy(pictures / "0000.jpg", pictures / "0015.jpg")
    settings = DataSettings(source=str(folder), split_seed=seed, reward_minimum=20, group_by="...")
    splits = open_splits(settings)
    names = [{group_of(part[i].name) for i in range(len(part))} for part in (splits.train, splits.reward)]
    assert not names[0] & names[1]
    assert len(splits.train) + len(splits.reward) == 60


def test_copies_of_one_picture_alone_cannot_be_parted(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, train=2)
    shutil.copy(folder / "images/train/0000.jpg", folder / "images/train/0001.jpg")
    with pytest.raises(DataError, match="the 1 pictures drawn for the reward is in train, too; take copies out"):
        open_splits(DataSettings(source=str(folder), reward_minimum=1))


@given(contents=st.lists(st.binary(max_size=3), max_size=12))
def test_twins_are_the_files_of_equal_content(contents: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files")
    for place, content in enumerate(contents):
        (folder / f"{place}").write_bytes(content)
    found = twins(folder / f"{place}" for place in range(len(contents)))
    places = [[int(file.name) for file in group] for group in found]
    counted = {content: [place for place, other in enumerate(contents) if other == content] for content in contents}
    assert sorted(places) == sorted(group for group in counted.values() if len(group) > 1)


def test_files_that_differ_in_one_byte_are_different(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    source = folder / "images" / "train" / "0000.jpg"
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "images" / "val" / "0000.jpg").write_bytes(data)
    parts = [CocoPanoptic(folder, split) for split in ("train", "val")]
    check_disjoint(parts[0], parts[1], names=("reward", "test"))


def test_scenes_that_overlap_are_refused() -> None:
    scenes = Scenes(size=16, count=6)
    with pytest.raises(DataError, match="2 pictures are in the reward as well as in the test split"):
        check_disjoint(Subset(scenes, [0, 1, 2]), Subset(scenes, [1, 2, 3]), names=("reward", "test"))


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is neither a folder nor scenes"):
        open_splits(DataSettings(source=str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match="no annotations in COCO panoptic format"):
        open_splits(DataSettings(source=str(tmp_path)))
    write_folder(tmp_path)
    (tmp_path / "panoptic_val.json").unlink()
    with pytest.raises(DataError, match="has no val split"):
        open_splits(DataSettings(source=str(tmp_path)))


def test_one_picture_cannot_be_parted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 2"):
        open_splits(DataSettings(source=str(write_folder(tmp_path, train=1))))
