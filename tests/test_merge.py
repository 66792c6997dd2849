"""Merging: truth in, truth out; thresholds do what they say; against a slow, obvious implementation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ada_segment.data.scenes import Scenes
from ada_segment.errors import ConfigError
from ada_segment.panoptic.calibration import quality, tune
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.merge import Thresholds, merge
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.prediction import Instance, Prediction, paste_instances
from ada_segment.panoptic.quality import PanopticQuality
from ada_segment.training.evaluation import REWARDS, RewardParts, reward_of

THINGS = frozenset({1, 2})


def counted(
    reward: str, predictions: list[Prediction], truths: list[PanopticMap], categories: Categories
) -> list[PanopticQuality]:
    """The parts of the reward of these pictures."""
    found = RewardParts(reward, categories)
    found.update(predictions, truths)
    return found.parts


def prediction_of_truth(truth: PanopticMap) -> Prediction:
    """The prediction of a perfect model: merged, it gives `truth` again, but for crowds and void."""
    instances = []
    stuff = np.full(truth.ids.shape, -1, dtype=np.int32)
    for segment in truth.segments:
        where = truth.ids == segment.id
        if not segment.isthing:
            stuff[where] = segment.category_id
        elif not segment.iscrowd:
            rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
            top, left = int(rows[0]), int(columns[0])
            mask = where[top : rows[-1] + 1, left : columns[-1] + 1]
            instances.append(Instance(segment.category_id, 1.0, top, left, mask, int(mask.sum())))
    return Prediction(tuple(instances), stuff)


def test_truth_passed_through_the_merge_gives_pq_100() -> None:
    scenes = Scenes(size=64, count=40)
    truths = [scenes[index].truth for index in range(len(scenes))]
    predictions = [prediction_of_truth(truth) for truth in truths]
    keep_all = Thresholds(stuff_area=0.0)
    result = quality(predictions, truths, scenes.categories, keep_all).compute()
    assert result.pq == 1.0
    assert result.things is not None
    assert result.things.pq == 1.0
    assert result.stuff is not None
    assert result.stuff.pq == 1.0


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    height, width = (int(side) for side in random.integers(1, 14, 2))
    instances = []
    for _ in range(random.integers(0, 7)):
        top, left = int(random.integers(height)), int(random.integers(width))
        mask = (
            random.random((int(random.integers(1, height - top + 1)), int(random.integers(1, width - left + 1)))) < 0.7
        )
        if mask.any():
            score = float(random.choice([0.1, 0.3, 0.5, 0.7, 0.9]))
            instances.append(Instance(int(random.integers(1, 3)), score, top, left, mask, int(mask.sum())))
    instances.sort(key=lambda instance: -instance.score)
    return Prediction(tuple(instances), random.choice([-1, 0, 8, 9], (height, width)).astype(np.int32))


def slow_merge(prediction: Prediction, thresholds: Thresholds) -> list[tuple[int, NDArray[np.bool_]]]:
    """Class and pixels of each segment, one pixel at a time."""
    height, width = prediction.stuff.shape
    taken = np.zeros((height, width), dtype=bool)
    segments = []
    for instance in prediction.instances:
        if instance.score < thresholds.score:
            continue
        pixels = {
            (instance.top + y, instance.left + x)
            for y in range(instance.mask.shape[0])
            for x in range(instance.mask.shape[1])
            if instance.mask[y, x]
        }
        free = {(y, x) for y, x in pixels if not taken[y, x]}
        if not free or (len(pixels) - len(free)) / len(pixels) > thresholds.overlap:
            continue
        full = np.zeros((height, width), dtype=bool)
        for y, x in free:
            full[y, x] = taken[y, x] = True
        segments.append((instance.category_id, full))
    for category_id in sorted(set(prediction.stuff.ravel().tolist()) - {-1}):
        full = (prediction.stuff == category_id) & ~taken
        if full.sum() and full.sum() >= thresholds.stuff_area * height * width:
            segments.append((category_id, full))
    return segments


@given(
    predictions(), st.sampled_from([0.0, 0.2, 0.5, 0.8]), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.2])
)
@settings(deadline=None)
def test_it_agrees_with_the_slow_implementation(
    prediction: Prediction, score: float, overlap: float, stuff_area: float
) -> None:
    thresholds = Thresholds(score=score, overlap=overlap, stuff_area=stuff_area)
    merged = merge(prediction, thresholds, THINGS)
    expected = slow_merge(prediction, thresholds)
    assert [segment.category_id for segment in merged.segments] == [category_id for category_id, _ in expected]
    claimed = np.zeros(merged.ids.shape, dtype=bool)
    for segment, (_, pixels) in zip(merged.segments, expected, strict=True):
        assert ((merged.ids == segment.id) == pixels).all()
        assert segment.area == pixels.sum()
        assert segment.isthing == (segment.category_id in THINGS)
        claimed |= pixels
    assert ((merged.ids == 0) == ~claimed).all()


@given(predictions())
@settings(deadline=None)
def test_merging_leaves_the_prediction_as_it_is(prediction: Prediction) -> None:
    before = prediction.stuff.copy(), [instance.mask.copy() for instance in prediction.instances]
    merge(prediction, Thresholds(), THINGS)
    assert (prediction.stuff == before[0]).all()
    assert all((i.mask == m).all() for i, m in zip(prediction.instances, before[1], strict=True))


@pytest.mark.parametrize("name", ["score", "overlap", "stuff_area"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_thresholds_out_of_bounds_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"threshold {name}"):
        Thresholds(**{name: value})


def test_tuning_undoes_a_change_of_all_scores() -> None:
    """Scores squeezed by a monotone function are no worse model: the usual threshold says so, a tuned one does not."""
    scenes = Scenes(size=64, count=12)
    truths = [scenes[index].truth for index in range(len(scenes))]
    squeezed = []
    for truth in truths:
        perfect = prediction_of_truth(truth)
        instances = tuple(Instance(i.category_id, 0.3, i.top, i.left, i.mask, i.area) for i in perfect.instances)
        squeezed.append(Prediction(instances, perfect.stuff))
    usual = quality(squeezed, truths, scenes.categories, Thresholds()).compute()
    assert usual.things is not None
    assert usual.things.pq == 0
    best, pq = tune(squeezed, truths, scenes.categories)
    assert best.score <= 0.3
    assert pq > 0.99


def with_void(prediction: Prediction) -> Prediction:
    """Nothing where the class would be 0, which the scenes do not have."""
    return replace(prediction, stuff=np.where(prediction.stuff == 0, -1, prediction.stuff).astype(np.int32))


@given(predictions())
@settings(deadline=None, max_examples=20)
def test_tuning_is_never_worse_than_the_usual_thresholds(prediction: Prediction) -> None:
    scenes = Scenes(size=16, count=1)
    prediction = with_void(prediction)
    truth = merge(prediction, Thresholds(score=0.2, stuff_area=0.1), scenes.categories.thing_ids)
    usual = quality([prediction], [truth], scenes.categories, Thresholds()).compute().pq
    assert tune([prediction], [truth], scenes.categories)[1] >= usual
    tuned = reward_of(counted("pq-tuned", [prediction], [truth], scenes.categories))
    assert tuned >= reward_of(counted("pq", [prediction], [truth], scenes.categories)) == 100 * usual


@pytest.mark.parametrize("name", REWARDS)
@given(predictions(), predictions())
@settings(deadline=None, max_examples=10)
def test_a_reward_is_that_of_all_pictures_however_they_are_shared(name: str, one: Prediction, two: Prediction) -> None:
    scenes = Scenes(size=16, count=1)
    seen = [with_void(one), with_void(two)]
    truths = [merge(each, Thresholds(score=0.2, stuff_area=0.1), scenes.categories.thing_ids) for each in seen]
    whole = counted(name, seen, truths, scenes.categories)
    shares = [counted(name, [each], [truth], scenes.categories) for each, truth in zip(seen, truths, strict=True)]
    assert reward_of([first + second for first, second in zip(*shares, strict=True)]) == pytest.approx(reward_of(whole))


def test_a_mask_is_pasted_where_its_box_is() -> None:
    masks = torch.zeros(2, 28, 28)
    masks[0] = 1.0
    masks[1, :, :14] = 1.0
    boxes = torch.tensor([[2.0, 3.0, 6.0, 9.0], [0.0, 0.0, 8.0, 8.0]])
    first, second = paste_instances(boxes, torch.tensor([0.6, 0.9]), [1, 2], masks, (12, 10))
    assert (first.category_id, second.category_id) == (2, 1), "by falling score"
    assert (second.top, second.left, second.mask.shape) == (3, 2, (6, 4))
    assert second.mask.all()
    assert first.mask[:, :4].all()
    assert not first.mask[:, 4:].any()


def test_boxes_outside_or_empty_are_left_out() -> None:
    masks = torch.ones(3, 28, 28)
    boxes = torch.tensor([[-9.0, -9.0, -2.0, -2.0], [20.0, 0.0, 30.0, 9.0], [-4.0, -4.0, 3.0, 3.0]])
    (only,) = paste_instances(boxes, torch.tensor([0.9, 0.8, 0.7]), [1, 1, 1], masks, (10, 10))
    assert (only.top, only.left, only.mask.shape) == (0, 0, (3, 3))
