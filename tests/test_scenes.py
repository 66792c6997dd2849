"""Generated scenes: deterministic, exact, varied."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ada_segment.data.scenes import Scenes


@given(
    size=st.integers(16, 96),
    seed=st.integers(0, 2**31),
    index=st.integers(0, 10**6),
    split=st.sampled_from(["train", "test"]),
)
@settings(max_examples=40)
def test_every_scene_is_whole(size: int, seed: int, index: int, split: str) -> None:
    sample = Scenes(size=size, count=index + 1, seed=seed, split=split)[index]
    again = Scenes(size=size, count=index + 1, seed=seed, split=split)[index]
    assert torch.equal(sample.image, again.image)
    assert (sample.truth.ids == again.truth.ids).all()
    assert sample.truth.segments == again.truth.segments
    assert sample.image.shape == (3, size, size)
    assert sample.image.dtype == torch.uint8
    assert sample.truth.ids.dtype == np.int32
    areas = {segment.id: segment.area for segment in sample.truth.segments}
    assert set(np.unique(sample.truth.ids).tolist()) - {0} == set(areas)
    assert all(area == (sample.truth.ids == number).sum() for number, area in areas.items())


def test_splits_seeds_and_indices_differ() -> None:
    images = [
        Scenes(count=5, seed=seed, split=split)[index].image.numpy().tobytes()
        for seed in (0, 1)
        for split in ("train", "test")
        for index in range(5)
    ]
    assert len(set(images)) == len(images)


def test_scenes_do_not_change_between_versions() -> None:
    # Results of different versions can be compared only while these stay; a change of the painter is a new dataset.
    scenes = Scenes(size=64, count=20)
    pixels = np.zeros(11, dtype=int)
    for index in range(20):
        for segment in scenes[index].truth.segments:
            pixels[segment.category_id] += segment.area
    # Rounding may differ between machines, so a pixel at an edge may too.
    assert pixels[1:].tolist() == pytest.approx([5000, 4726, 3708, 2099, 4500, 16849, 5641, 12964, 10280, 15766], abs=5)
    means = [float(scenes[index].image.float().mean()) for index in range(5)]
    assert means == pytest.approx([141.311, 122.036, 126.604, 159.418, 162.662], abs=0.02)


def test_what_scenes_are_made_of() -> None:
    scenes = Scenes(size=64, count=150)
    assert len(scenes.categories.things) >= 4
    assert len(scenes.categories.stuff) >= 4
    things = [s for i in range(150) for s in scenes[i].truth.segments if s.isthing]
    stuff = [s for i in range(150) for s in scenes[i].truth.segments if not s.isthing]
    assert 3 <= len(things) / 150 <= 7
    assert {s.category_id for s in things} == {c.id for c in scenes.categories.things}
    assert {s.category_id for s in stuff} == {c.id for c in scenes.categories.stuff}
    # Hardly any thing is too small to be found at this size.
    assert np.quantile([s.area for s in things], 0.02) >= 8
    void = np.mean([(scenes[i].truth.ids == 0).mean() for i in range(150)])
    assert 0.001 < void < 0.05


def test_colour_alone_does_not_tell_things_apart() -> None:
    """The nearest mean colour, learned from half of the things, names the others hardly better than chance."""
    scenes = Scenes(size=64, count=300)
    colours, labels = [], []
    for index in range(300):
        sample = scenes[index]
        for segment in sample.truth.segments:
            if segment.isthing:
                inside = torch.from_numpy(sample.truth.ids == segment.id)
                colours.append(sample.image[:, inside].float().mean(dim=1).numpy())
                labels.append(segment.category_id)
    x, y = np.array(colours), np.array(labels)
    half = len(x) // 2
    centres = np.array([x[:half][y[:half] == label].mean(axis=0) for label in range(1, 6)])
    guesses = 1 + np.linalg.norm(x[half:, None] - centres, axis=2).argmin(axis=1)
    assert (guesses == y[half:]).mean() < 0.45


def test_scenes_are_kept_in_memory() -> None:
    scenes = Scenes(size=32, count=3)
    assert scenes[1] is scenes[1]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="split 'val'"):
        Scenes(split="val")
    with pytest.raises(ValueError, match="at least 16 pixels"):
        Scenes(size=4)
    with pytest.raises(IndexError, match="scene 3"):
        Scenes(count=3)[3]
