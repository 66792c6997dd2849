"""Targets: what the heads learn from is what the truth says, crowds and void included."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from ada_segment.data.scenes import Scenes
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.panoptic.recount import recount
from ada_segment.panoptic.targets import IGNORE, Target, make_target

CATEGORIES = Categories([Category(3, "cat", True), Category(7, "dog", True), Category(5, "sky", False)])


def test_crowds_and_void() -> None:
    ids = np.zeros((6, 8), dtype=np.int32)
    ids[0:2], ids[2, 3], ids[4:, :4], ids[4:, 4:] = 1, 2, 300, 70000
    segments = [
        Segment(1, 5, False),
        Segment(2, 7, True),
        Segment(300, 3, True, iscrowd=True),
        Segment(70000, 3, True),
    ]
    target = make_target(recount(ids, segments), CATEGORIES)
    assert target["labels"].tolist() == [2, 1], "labels are contiguous, and the crowd is no instance"
    assert target["boxes"].tolist() == [[3, 2, 4, 3], [4, 4, 8, 6]], "one pixel has an area"
    assert target["semantic"][0].tolist() == [1] * 8
    assert target["semantic"][2].tolist() == [IGNORE] * 3 + [0] + [IGNORE] * 4
    assert (target["semantic"][4:] == 0).all(), "a crowd is things to the semantic branch"


def test_no_class_is_void_however_many_there_are() -> None:
    classes = Categories([Category(1, "cat", True), *(Category(i, f"stuff {i}", False) for i in range(2, 302))])
    ids = np.arange(301, dtype=np.int32).reshape(7, 43)
    target = make_target(recount(ids, [Segment(i, i + 1, False) for i in range(1, 301)]), classes)
    assert target["semantic"].flatten().tolist() == [IGNORE, *range(1, 301)]


def test_masks_boxes_and_labels_agree_with_the_truth_of_scenes() -> None:
    scenes = Scenes(size=64, count=20)
    for index in range(len(scenes)):
        truth = scenes[index].truth
        target = make_target(truth, scenes.categories)
        instances = [segment for segment in truth.segments if segment.isthing]
        assert len(target["labels"]) == len(instances)
        for mask, box, label, segment in zip(
            target["masks"], target["boxes"], target["labels"], instances, strict=True
        ):
            assert torch.equal(mask.bool(), torch.from_numpy(truth.ids == segment.id))
            x1, y1, x2, y2 = (int(side) for side in box)
            assert int(mask[y1:y2, x1:x2].sum()) == segment.area
            assert mask[y1].any()
            assert mask[y2 - 1].any()
            assert mask[:, x1].any()
            assert mask[:, x2 - 1].any()
            assert scenes.categories.things[int(label) - 1].id == segment.category_id
        assert ((target["semantic"] == IGNORE) == torch.from_numpy(truth.ids == 0)).all()


def test_a_picture_without_instances() -> None:
    target = make_target(recount(np.ones((4, 4), dtype=np.int32), [Segment(1, 5, False)]), CATEGORIES)
    assert target["boxes"].shape == (0, 4)
    assert target["masks"].shape == (0, 4, 4)


def slow_target(truth: PanopticMap, categories: Categories) -> Target:
    """By comparing every pixel with every id."""
    semantic = torch.full(truth.ids.shape, IGNORE)
    for segment in truth.segments:
        category = categories[segment.category_id]
        label = 0 if category.isthing else categories.stuff_label(segment.category_id)
        semantic[torch.from_numpy(truth.ids == segment.id)] = label
    instances = [s for s in truth.segments if s.isthing and not s.iscrowd]
    masks = np.zeros((len(instances), *truth.ids.shape), dtype=np.uint8)
    boxes = np.zeros((len(instances), 4), dtype=np.int64)
    for i, segment in enumerate(instances):
        masks[i] = truth.ids == segment.id
        rows, columns = np.nonzero(masks[i])
        boxes[i] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    labels = [categories.thing_label(s.category_id) for s in instances]
    return Target(
        boxes=torch.from_numpy(boxes),
        labels=torch.tensor(labels, dtype=torch.int64),
        masks=torch.from_numpy(masks),
        semantic=semantic,
    )


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    classes=st.lists(st.sampled_from([(3, False), (3, True), (7, False), (5, False)]), max_size=6),
    side=st.integers(1, 4),
    turned=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_targets_are_those_of_comparing_every_pixel_with_every_id(
    height: int, width: int, classes: list[tuple[int, bool]], side: int, turned: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = np.append(0, random.choice(2**24 - 1, len(classes), replace=False) + 1).astype(np.int32)
    blocks = random.choice(values, (-(-height // side), -(-width // side)))
    ids = np.kron(blocks, np.ones((side, side), dtype=np.int32))[:height, :width]
    if turned:
        ids = ids.T  # not contiguous
    segments = [
        Segment(int(number), label, label != 5, iscrowd=crowd)
        for number, (label, crowd) in zip(values[1:], classes, strict=True)
    ]
    truth = recount(ids, segments)
    target, expected = make_target(truth, CATEGORIES), slow_target(truth, CATEGORIES)
    for name, value in expected.items():
        assert torch.equal(target[name], value), name  # type: ignore[literal-required]
        assert target[name].dtype == value.dtype  # type: ignore[literal-required]
        assert target[name].is_contiguous()  # type: ignore[literal-required]
