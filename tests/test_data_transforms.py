"""Picture and ids move together; segments follow the pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ada_segment.data.sample import Sample
from ada_segment.data.transforms import Resize, TrainTransform
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.panoptic.recount import areas, boxes, recount


def make_sample(height: int, width: int) -> Sample:
    """Blocks of 8 pixels; the picture's colour is that of the segment, so that both can be compared anywhere."""
    ys, xs = np.mgrid[:height, :width] // 8
    # Distances between ids that a sum of two neighbouring ids could not hide.
    ids = (2 ** (20 - (ys + 2 * xs) % 7)).astype(np.int32)
    ids[:8, :8] = 0
    segments = tuple(Segment(id=int(i), category_id=1, isthing=True) for i in np.unique(ids) if i)
    image = torch.from_numpy(np.stack([colour_of(ids)] * 3))
    return Sample(image=image, truth=recount(ids, segments), name="a.png")


def colour_of(ids: np.ndarray) -> np.ndarray:
    return np.where(ids > 0, 30 * (np.log2(np.maximum(ids, 1)) - 13), 0).astype(np.uint8)


def check(sample: Sample) -> float:
    """Share of pixels whose colour is that of their id; also that segments are those of the pixels."""
    assert sample.image.dtype == torch.uint8
    assert type(sample.image) is torch.Tensor
    assert sample.truth.ids.dtype == np.int32
    assert sample.truth.ids.shape == sample.image.shape[1:]
    counted = areas(sample.truth.ids)
    counted.pop(0, None)
    assert {segment.id: segment.area for segment in sample.truth.segments} == counted
    return float((colour_of(sample.truth.ids) == sample.image[0].numpy()).mean())


@given(height=st.integers(20, 90), width=st.integers(20, 90), size=st.integers(8, 100), bound=st.integers(60, 120))
@settings(max_examples=60)
def test_resize(height: int, width: int, size: int, bound: int) -> None:
    sample = Resize(size, bound)(make_sample(height, width))
    check(sample)
    shorter, longer = sorted(sample.image.shape[1:])
    assert longer <= bound
    assert shorter == size or longer == bound
    assert longer / shorter == pytest.approx(max(height, width) / min(height, width), rel=1.5 / shorter)


@given(
    height=st.integers(20, 90),
    width=st.integers(20, 90),
    size=st.none() | st.integers(8, 100),
    bound=st.none() | st.integers(30, 120),
)
@settings(max_examples=40)
def test_training_and_evaluation_see_pictures_of_one_size(
    height: int, width: int, size: int | None, bound: int | None
) -> None:
    sample = make_sample(height, width)
    trained = TrainTransform(sizes=size, max_size=bound, flip=0.0)(sample)
    assert trained.image.equal(Resize(size, bound)(sample).image)
    assert trained.image.equal(Resize(size, bound).picture(sample.image))


def test_resize_keeps_ids_on_the_picture() -> None:
    for size in (32, 96, 128):
        moved = Resize(size)(make_sample(64, 64))
        check(moved)
        image, drawn = moved.image[0].numpy().astype(int), colour_of(moved.truth.ids).astype(int)
        shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        away = {shift: np.abs(np.roll(drawn, shift, (0, 1)) - image)[2:-2, 2:-2].mean() for shift in shifts}
        assert min(away, key=lambda shift: away[shift]) == (0, 0)
        # Half a pixel off would make one side better than the other.
        assert away[0, 1] == pytest.approx(away[0, -1], rel=0.05)
        assert away[1, 0] == pytest.approx(away[-1, 0], rel=0.05)
    same = make_sample(64, 80)
    assert Resize(64)(same).image.equal(same.image)
    assert Resize(None)(same) is same


def test_halving_takes_the_mean_position() -> None:
    """The ids' grid stays centred: a boundary in the middle stays in the middle, from either side."""
    ids = np.zeros((30, 30), dtype=np.int32)
    ids[:, 12:18] = 5
    sample = Sample(
        image=torch.zeros(3, 30, 30, dtype=torch.uint8),
        truth=PanopticMap(ids=ids, segments=(Segment(id=5, category_id=1, isthing=True),)),
        name="a.png",
    )
    small = Resize(10)(sample).truth.ids
    assert (small == small[:, ::-1]).all()


@given(seed=st.integers(0, 10**6), flip=st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=40)
def test_flip_and_crop_move_both(seed: int, flip: float) -> None:
    transform = TrainTransform(sizes=None, flip=flip, crop=40)
    sample = make_sample(48, 64)
    torch.manual_seed(seed)
    moved = transform(sample)
    assert moved.image.shape == (3, 40, 40)
    assert check(moved) == 1.0
    torch.manual_seed(seed)
    assert transform(sample).image.equal(moved.image)


def test_small_pictures_are_padded_with_void() -> None:
    moved = TrainTransform(sizes=None, crop=50, flip=0)(make_sample(24, 24))
    assert moved.truth.ids.shape == (50, 50)
    assert (moved.truth.ids == 0).sum() >= 50 * 50 - 24 * 24
    check(moved)


def test_sizes_are_drawn() -> None:
    transform = TrainTransform(sizes=(16, 32), scale=(0.5, 2.0), colour=0.3)
    drawn = {min(transform(make_sample(24, 40)).image.shape[1:]) for _ in range(40)}
    assert len(drawn) > 8
    assert min(drawn) >= 8
    assert max(drawn) <= 64


def test_colour_leaves_the_truth_alone() -> None:
    sample = make_sample(32, 32)
    moved = TrainTransform(sizes=None, flip=0, colour=0.4)(sample)
    assert (moved.truth.ids == sample.truth.ids).all()
    assert not moved.image.equal(sample.image)


def test_vanished_segments_are_dropped() -> None:
    ids = np.zeros((40, 40), dtype=np.int32)
    ids[:, 20:] = 2
    ids[0, 0] = 1
    segments = tuple(Segment(id=number, category_id=number, isthing=True) for number in (1, 2))
    sample = Sample(image=torch.zeros(3, 40, 40, dtype=torch.uint8), truth=recount(ids, segments), name="a")
    assert [s.id for s in Resize(8)(sample).truth.segments] == [2]


@given(
    ids=st.integers(1, 8).flatmap(
        lambda w: st.lists(st.lists(st.integers(0, 4), min_size=w, max_size=w), min_size=1, max_size=8)
    )
)
def test_areas_and_boxes_are_those_of_the_pixels(ids: list[list[int]]) -> None:
    array = np.array(ids, dtype=np.int32)
    assert areas(array) == {i: int((array == i).sum()) for i in set(array.ravel().tolist())}
    for number, (left, top, width, height) in boxes(array).items():
        ys, xs = np.nonzero(array == number)
        assert (left, top, left + width - 1, top + height - 1) == (xs.min(), ys.min(), xs.max(), ys.max())
