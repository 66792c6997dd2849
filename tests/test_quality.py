"""PQ from memory: equal to a slow, independent count; additive; defined where groups are empty."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_quality import slow_counts

from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.panoptic_map import MAX_ID, PanopticMap, Segment
from ada_segment.panoptic.quality import PanopticQuality, Quality

CATEGORIES = Categories([Category(1, "cat", True), Category(4, "dog", True), Category(7, "sky", False)])


def make_map(ids: list[list[int]], *, classes: dict[int, int], crowds: tuple[int, ...] = ()) -> PanopticMap:
    array = np.array(ids, dtype=np.int32)
    segments = tuple(
        Segment(id=number, category_id=label, isthing=CATEGORIES[label].isthing, iscrowd=number in crowds)
        for number, label in classes.items()
    )
    return PanopticMap(ids=array, segments=segments)


@st.composite
def maps(draw: st.DrawFn, *, shape: tuple[int, int], crowds: bool) -> PanopticMap:
    """A few segments of arbitrary ids, drawn as rectangles and single pixels, with void left between them."""
    numbers = draw(st.lists(st.integers(1, MAX_ID), min_size=0, max_size=6, unique=True))
    ids = np.zeros(shape, dtype=np.int32)
    for number in numbers * draw(st.integers(1, 2)):
        y, x = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
        h, w = draw(st.integers(1, shape[0])), draw(st.integers(1, shape[1]))
        ids[y : y + h, x : x + w] = number
    segments = []
    for number in numbers:
        if (ids == number).any():
            label = draw(st.sampled_from([1, 4, 7]))
            isthing = CATEGORIES[label].isthing
            crowd = crowds and isthing and draw(st.booleans())
            segments.append(Segment(id=number, category_id=label, isthing=isthing, iscrowd=crowd))
    return PanopticMap(ids=ids, segments=tuple(segments))


@st.composite
def pairs(draw: st.DrawFn) -> list[tuple[PanopticMap, PanopticMap]]:
    """Pairs (prediction, truth); half of the predictions are the truth with some pixels changed, so that they match."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
        truth = draw(maps(shape=shape, crowds=True))
        if draw(st.booleans()):
            prediction = draw(maps(shape=shape, crowds=False))
        else:
            ids = truth.ids.copy()
            cut = draw(st.integers(0, shape[1]))
            ids[:, :cut] = np.roll(ids[:, :cut], draw(st.integers(0, 2)), axis=0)
            kept = tuple(segment for segment in truth.segments if (ids == segment.id).any())
            prediction = PanopticMap(ids=ids, segments=kept)
        found.append((prediction, truth))
    return found


def counts_by_class(quality: PanopticQuality, index: int = 0) -> dict[int, list[float]]:
    rows = zip(quality.categories, quality.counts[index].tolist(), strict=True)
    return {category.id: row for category, row in rows if any(row)}


@given(pairs=pairs(), threshold=st.sampled_from([0.0, 0.2, 0.5, 0.75]))
@settings(max_examples=300, deadline=None)
def test_counts_equal_the_slow_ones(pairs: list[tuple[PanopticMap, PanopticMap]], threshold: float) -> None:
    quality = PanopticQuality(CATEGORIES, thresholds=(0.9, threshold))
    for prediction, truth in pairs:
        quality.update(prediction, truth)
    expected = slow_counts(pairs, threshold)
    found = counts_by_class(quality, 1)
    assert found.keys() == {label for label, row in expected.items() if any(row)}
    for label, row in found.items():
        assert row == pytest.approx(expected[label], abs=1e-12)


@given(pairs=pairs())
@settings(max_examples=50, deadline=None)
def test_parts_add_up_and_figures_are_those_of_the_paper(pairs: list[tuple[PanopticMap, PanopticMap]]) -> None:
    whole, first, second = (PanopticQuality(CATEGORIES) for _ in range(3))
    for index, (prediction, truth) in enumerate(pairs):
        whole.update(prediction, truth)
        (first, second)[index % 2].update(prediction, truth)
    assert np.allclose((first + second).counts, whole.counts, rtol=0, atol=1e-12)
    result = whole.compute()
    for label, (tp, fp, fn, iou) in counts_by_class(whole).items():
        quality = result.per_class[label]
        assert quality is not None
        assert quality.pq == pytest.approx(iou / (tp + fp / 2 + fn / 2))
        assert quality.pq == pytest.approx(quality.sq * quality.rq)
        assert 0 <= quality.pq <= 1


@given(pairs=pairs())
@settings(max_examples=100, deadline=None)
def test_a_higher_threshold_never_finds_more(pairs: list[tuple[PanopticMap, PanopticMap]]) -> None:
    quality = PanopticQuality(CATEGORIES, thresholds=(0.1, 0.3, 0.5, 0.7))
    for prediction, truth in pairs:
        quality.update(prediction, truth)
    matches = quality.counts[:, :, 0]
    assert (np.diff(matches, axis=0) <= 0).all()
    assert 0 <= quality.mean_pq() <= 1


@given(truth=maps(shape=(6, 7), crowds=False))
@settings(max_examples=50, deadline=None)
def test_truth_against_itself_is_perfect(truth: PanopticMap) -> None:
    quality = PanopticQuality(CATEGORIES)
    quality.update(truth, truth)
    result = quality.compute()
    if truth.segments:
        assert result.all is not None
        assert (result.all.pq, result.all.fp, result.all.fn) == (1.0, 0, 0)
    else:
        assert result.all is None
        assert result.pq == 0


def test_groups_without_segments_are_absent() -> None:
    sky = make_map([[2, 2], [2, 0]], classes={2: 7})
    quality = PanopticQuality(CATEGORIES)
    assert quality.compute().all is None
    quality.update(sky, sky)
    result = quality.compute()
    assert result.things is None
    assert result.stuff is not None
    assert result.per_class[1] is None
    assert result.stuff.classes == 1
    assert result.all == result.stuff


def test_void_leaves_the_union_and_excuses() -> None:
    truth = make_map([[5, 5, 0, 0, 0, 0]], classes={5: 1})
    # 2 shared pixels, 2 of the prediction's in void: IoU 2 / 2. The other lies in void by two thirds.
    prediction = make_map([[8, 8, 8, 8, 9, 9]], classes={8: 1, 9: 4})
    quality = PanopticQuality(CATEGORIES)
    quality.update(prediction, truth)
    assert counts_by_class(quality) == {1: [1, 0, 0, 1.0]}


def test_half_in_void_is_no_excuse() -> None:
    truth = make_map([[5, 5, 0, 0]], classes={5: 1})
    prediction = make_map([[0, 9, 9, 0]], classes={9: 4})
    quality = PanopticQuality(CATEGORIES)
    quality.update(prediction, truth)
    assert counts_by_class(quality) == {1: [0, 0, 1, 0.0], 4: [0, 1, 0, 0.0]}


def test_crowds_excuse_their_own_class_only() -> None:
    truth = make_map([[5, 5, 5, 5, 5, 5]], classes={5: 1}, crowds=(5,))
    prediction = make_map([[8, 8, 8, 9, 9, 9]], classes={8: 1, 9: 4})
    quality = PanopticQuality(CATEGORIES)
    quality.update(prediction, truth)
    assert counts_by_class(quality) == {4: [0, 1, 0, 0.0]}


def test_an_iou_of_exactly_half_is_no_match() -> None:
    truth = make_map([[5, 5, 6]], classes={5: 1, 6: 7})
    prediction = make_map([[8, 9, 9]], classes={8: 1, 9: 7})
    quality = PanopticQuality(CATEGORIES)
    quality.update(prediction, truth)
    assert counts_by_class(quality) == {1: [0, 1, 1, 0.0], 7: [0, 1, 1, 0.0]}


def test_below_one_half_the_best_pair_is_taken_first() -> None:
    truth = make_map([[5, 5, 5, 5, 5, 5]], classes={5: 1})
    prediction = make_map([[8, 8, 9, 9, 9, 0]], classes={8: 1, 9: 1})
    quality = PanopticQuality(CATEGORIES, thresholds=(0.2, 0.4, 0.5))
    quality.update(prediction, truth)
    assert counts_by_class(quality, 0) == counts_by_class(quality, 1) == {1: [1, 1, 0, 0.5]}
    assert counts_by_class(quality, 2) == {1: [0, 2, 1, 0.0]}


@pytest.mark.parametrize("kind", [torch.int32, torch.int64, np.uint8, np.int64])
def test_ids_may_be_tensors_or_arrays_of_any_integer(kind: torch.dtype | type) -> None:
    plain = make_map([[1, 1, 2], [0, 2, 2]], classes={1: 1, 2: 7})
    ids = torch.from_numpy(plain.ids).to(kind) if isinstance(kind, torch.dtype) else plain.ids.astype(kind)
    other = PanopticMap(ids=ids, segments=plain.segments)
    quality = PanopticQuality(CATEGORIES)
    quality.update(other, plain)
    assert quality.compute().pq == 1


def test_ids_that_do_not_fit_into_32_bits_are_refused() -> None:
    plain = make_map([[1, 1]], classes={1: 1})
    wide = PanopticMap(ids=plain.ids.astype(np.int64) + 2**32, segments=plain.segments)
    with pytest.raises(DataError, match="lie in 0"):
        PanopticQuality(CATEGORIES).update(wide, plain)


@pytest.mark.parametrize(
    ("prediction", "text"),
    [
        (make_map([[1, 1, 2]], classes={1: 1}), r"pixels with ids \[2\]"),
        (make_map([[1, 1, 1]], classes={1: 1, 2: 4}), "segment 2 of the prediction has no pixel"),
        (make_map([[1, 1]], classes={1: 1}), "3x1 pixels but the prediction is 2x1"),
        (make_map([[-1, 1, 1]], classes={1: 1}), "lie in 0"),
        (make_map([[2**24, 1, 1]], classes={1: 1}), "lie in 0"),
    ],
)
def test_maps_that_contradict_themselves_are_refused(prediction: PanopticMap, text: str) -> None:
    truth = make_map([[1, 1, 1]], classes={1: 1})
    quality = PanopticQuality(CATEGORIES)
    with pytest.raises(DataError, match=text):
        quality.update(prediction, truth)
    # Nothing of a refused picture is counted, and the next one is counted right.
    assert not quality.counts.any()
    quality.update(truth, truth)
    assert quality.compute().pq == 1


def test_an_unknown_class_is_refused() -> None:
    truth = make_map([[1, 1, 1]], classes={1: 1})
    stranger = PanopticMap(ids=truth.ids, segments=(Segment(id=1, category_id=99, isthing=True),))
    with pytest.raises(DataError, match="99"):
        PanopticQuality(CATEGORIES).update(stranger, truth)


def test_a_segment_twice_is_refused() -> None:
    truth = make_map([[1, 1, 1]], classes={1: 1})
    twice = PanopticMap(ids=truth.ids, segments=truth.segments * 2)
    with pytest.raises(DataError, match="same id"):
        PanopticQuality(CATEGORIES).update(twice, truth)


def test_state_returns() -> None:
    truth = make_map([[1, 1, 2]], classes={1: 1, 2: 7})
    quality, other = PanopticQuality(CATEGORIES), PanopticQuality(CATEGORIES)
    quality.update(truth, truth)
    other.load_state_dict(quality.state_dict())
    assert (other.counts == quality.counts).all()
    quality.reset()
    assert quality.compute().all is None


def test_only_like_is_added() -> None:
    with pytest.raises(ValueError, match="same classes"):
        PanopticQuality(CATEGORIES) + PanopticQuality(Categories([Category(1, "cat", True)]))
    with pytest.raises(ValueError, match="thresholds"):
        PanopticQuality(CATEGORIES, thresholds=(0.5, 1.0))


def test_more_pictures_than_are_matched_together() -> None:
    """Also where one of them is refused, and where somebody looks in between."""
    truth = make_map([[0, 3, 3], [3, 9, 9]], classes={9: 7, 3: 1})
    prediction = make_map([[4, 4, 4], [0, 0, 4]], classes={4: 1})
    quality = PanopticQuality(CATEGORIES, thresholds=(0.1, 0.5))
    for index in range(200):
        with nullcontext() if index % 50 else pytest.raises(DataError, match="no pixel"):
            quality.update(make_map([[4, 4, 4]] * 2, classes={4: 1, 5: 1}) if index % 50 == 0 else prediction, truth)
        if index == 70:
            assert quality.compute(0.1).per_class[1] == Quality(pq=0.5, sq=0.5, rq=1.0, tp=69, fp=0, fn=0)
    assert quality.counts[:, [0, 2]].tolist() == [
        [[196, 0, 0, 196 * 0.5], [0, 0, 196, 0]],
        [[0, 196, 196, 0], [0, 0, 196, 0]],
    ]
    quality.update(prediction, truth)
    quality.reset()
    assert not quality.counts.any()


def test_an_id_beyond_64_bits_is_refused() -> None:
    truth = make_map([[1, 1, 1]], classes={1: 1})
    for number in (2**40, 2**70, -(2**70)):
        odd = PanopticMap(ids=truth.ids, segments=(*truth.segments, Segment(id=number, category_id=1, isthing=True)))
        with pytest.raises(DataError, match=str(number)):
            PanopticQuality(CATEGORIES).update(odd, truth)


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (np.ones((1, 2, 3), dtype=np.int32), r"ids of the prediction are \[1, 2, 3\] int32; give \[H, W\]"),
        (torch.ones(2, 3, 3, dtype=torch.uint8), r"\[2, 3, 3\] uint8"),
        (np.ones((2, 3)), r"\[2, 3\] float64"),
        (np.ones(6, dtype=np.int64), r"\[6\] int64"),
    ],
)
def test_ids_are_whole_numbers_of_one_picture(ids: object, says: str) -> None:
    truth = make_map([[1, 1, 1], [1, 1, 1]], classes={1: 7})
    with pytest.raises(DataError, match=says):
        PanopticQuality(CATEGORIES).update(PanopticMap(ids=ids, segments=truth.segments), truth)  # type: ignore[arg-type]


def test_void_is_no_segment() -> None:
    truth = make_map([[1, 0]], classes={1: 7})
    with pytest.raises(DataError, match="a segment of the prediction has id 0, which is void"):
        PanopticQuality(CATEGORIES).update(make_map([[1, 0]], classes={1: 7, 0: 1}), truth)


def test_classes_may_be_a_list_and_thresholds_an_array() -> None:
    quality = PanopticQuality(list(CATEGORIES), thresholds=np.array([0.5, 0.75]))  # type: ignore[arg-type]
    truth = make_map([[1, 2]], classes={1: 7, 2: 1})
    quality.update(truth, truth)
    assert quality.compute(0.75).pq == 1
    with pytest.raises(ValueError, match=r"threshold 0.6 was not counted; give one of \[0.5, 0.75\]"):
        quality.compute(0.6)


@pytest.mark.parametrize(
    "other",
    [
        PanopticQuality(CATEGORIES, thresholds=(0.6,)),
        PanopticQuality([Category(2, "cat", True), Category(4, "dog", True), Category(7, "sky", False)]),
    ],
)
def test_a_state_of_others_is_refused(other: PanopticQuality) -> None:
    with pytest.raises(ValueError, match="the state is of other classes or thresholds"):
        other.load_state_dict(PanopticQuality(CATEGORIES).state_dict())
