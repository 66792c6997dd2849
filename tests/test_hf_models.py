"""Models of the transformers library: raw losses by name, gradients as the library's own, queries as candidates."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from ada_segment.config import resolve
from ada_segment.data.scenes import Scenes
from ada_segment.errors import ConfigError, LossError
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.huggingface.batch import Batching
from ada_segment.panoptic.huggingface.candidates import Candidates
from ada_segment.panoptic.huggingface.configuration import MODELS, read_configuration
from ada_segment.panoptic.huggingface.families import FAMILIES
from ada_segment.panoptic.huggingface.pretrained import load_network
from ada_segment.panoptic.huggingface.raw_losses import keep_losses, raw_losses
from ada_segment.panoptic.huggingface.sizes import SIZES
from ada_segment.panoptic.huggingface.texts import NOTHING, TASK, Texts
from ada_segment.panoptic.merge import Thresholds, merge
from ada_segment.panoptic.registry import build_model, loss_table
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.panoptic.targets import IGNORE, Target, make_target

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
pytest.importorskip("scipy", reason="the extra hf is not installed")

SCENES = Scenes(size=48, count=3)
GROUPS = {"mask2former": 3, "maskformer": 3, "oneformer": 4, "eomt": 3, "detr-panoptic": 5}


def named(name: str, **changes: Any) -> ModelSettings:
    return ModelSettings(name=name, hf_size="tiny", **changes)


def model(name: str, categories: Categories = SCENES.categories, **changes: Any) -> Any:
    torch.manual_seed(0)
    return build_model(named(name, **changes), categories)


def batch() -> tuple[list[Tensor], list[Target]]:
    """Three scenes, the second narrower and the third with nothing to learn from."""
    samples = [SCENES[index] for index in range(3)]
    images, targets = [s.image for s in samples], [make_target(s.truth, SCENES.categories) for s in samples]
    images[1], targets[1] = images[1][..., :38], cut(targets[1], 38)
    targets[2] = nothing(targets[2])
    return images, targets


def cut(target: Target, width: int) -> Target:
    masks = target["masks"][..., :width]
    left = masks.bool().flatten(1).any(1)
    return Target(
        boxes=target["boxes"][left],
        labels=target["labels"][left],
        masks=masks[left],
        semantic=target["semantic"][..., :width],
    )


def nothing(target: Target) -> Target:
    return Target(
        boxes=target["boxes"][:0],
        labels=target["labels"][:0],
        masks=target["masks"][:0],
        semantic=torch.full_like(target["semantic"], IGNORE),
    )


# Losses.


@pytest.mark.parametrize("name", MODELS)
def test_losses_are_named_raw_and_0d_and_teach_every_parameter(name: str) -> None:
    network, table = model(name), loss_table(named(name))
    losses = network(*batch())
    assert tuple(losses) == network.loss_names == tuple(table.defaults) == tuple(table.groups)
    assert all(loss.ndim == 0 and torch.isfinite(loss) and loss.dtype == torch.float32 for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    without = [key for key, value in network.named_parameters() if value.requires_grad and value.grad is None]
    assert not without
    assert all(value.grad.isfinite().all() for value in network.parameters() if value.grad is not None)


@pytest.mark.parametrize("name", MODELS)
def test_weights_reach_the_loss_as_in_the_library_itself(name: str) -> None:
    """The gradient of our weighted total is that of the library's own class under its own weights."""
    family = FAMILIES[name.removeprefix("hf:")]
    odd = {kind.weight: 0.5 + i for i, kind in enumerate(family.kinds) if isinstance(kind.weight, str)}
    if family.model_type == "detr":
        odd = {key: round(value + 0.5) for key, value in odd.items()}  # whole numbers in its configuration
    ours, table = model(name, hf=odd), loss_table(named(name, hf=odd))
    theirs = getattr(transformers, family.network)(ours.network.config)
    theirs.load_state_dict(ours.network.state_dict())
    if family.model_type == "oneformer":
        theirs.model.is_training = True
    assert set(odd.values()) <= set(table.defaults.values())

    images, targets = batch()
    pictures = ours._batching.pictures(images)
    segments = [ours._batching.segments(target, SCENES.categories, pictures.shape) for target in targets]
    inputs = ours._dialect.training_inputs(pictures, segments)
    torch.manual_seed(1)
    losses = ours(images, targets)
    total = torch.stack([table.defaults[key] * losses[key] for key in losses]).sum()
    total.backward()
    torch.manual_seed(1)
    expected = theirs(**inputs).loss
    expected.sum().backward()
    assert torch.isclose(total, expected.sum(), rtol=1e-5)
    compared = 0
    for (key, own), (_, other) in zip(ours.network.named_parameters(), theirs.named_parameters(), strict=True):
        if own.requires_grad and other.requires_grad:
            assert torch.allclose(own.grad, other.grad, rtol=1e-3, atol=1e-5), key
            compared += 1
    assert compared > 40


@pytest.mark.parametrize("name", MODELS)
def test_the_librarys_weights_are_not_in_the_losses(name: str) -> None:
    network = model(name).eval()
    torch.manual_seed(1)
    before = network(*batch())
    if hasattr(network.network, "weight_dict"):
        for key in network.network.weight_dict:
            network.network.weight_dict[key] *= 10
    else:
        for kind in FAMILIES["detr-panoptic"].kinds:
            if isinstance(kind.weight, str):
                setattr(network.network.config, kind.weight, 77)
    torch.manual_seed(1)
    after = network(*batch())
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", MODELS)
def test_layers_are_tied_to_their_kind_by_default(name: str) -> None:
    table = loss_table(named(name))
    assert len(set(table.groups.values())) == GROUPS[name.removeprefix("hf:")]
    assert len(table.groups) > len(set(table.groups.values()))
    by_group: dict[str, set[float]] = {}
    for loss, group in table.groups.items():
        by_group.setdefault(group, set()).add(table.defaults[loss])
    assert all(len(weights) == 1 for weights in by_group.values())


def test_mask2former_has_thirty_losses_with_the_librarys_weights() -> None:
    table = loss_table(ModelSettings(name="hf:mask2former"))
    assert len(table.defaults) == 30
    assert [table.defaults[key] for key in ("loss_cross_entropy", "loss_mask_3", "loss_dice_8")] == [2, 5, 5]
    counts = [len(loss_table(ModelSettings(name=name)).defaults) for name in MODELS]
    assert counts == [30, 21, 31, 15, 20]  # as docs/hugging-face.md has them


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", MODELS)
def test_every_size_is_a_configuration_that_the_library_knows(name: str, size: str) -> None:
    family, configuration = read_configuration(ModelSettings(name=name, hf_size=size))
    assert configuration.model_type == family.model_type
    known = type(configuration)().to_dict()
    assert set(SIZES[size][name.removeprefix("hf:")]) <= set(known)


def test_the_librarys_settings_are_set_by_key() -> None:
    settings = resolve(preset="tiny", flags={"model.name": "hf:eomt", "model.hf.num_queries": 7}).model
    _, configuration = read_configuration(settings)
    assert (configuration.num_queries, configuration.hidden_size) == (7, 96)


def test_half_precision_runs_and_its_losses_are_near() -> None:
    for name in MODELS:
        network = model(name)
        torch.manual_seed(1)
        full = network(*batch())
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network(*batch())
        assert all(loss.dtype == torch.float32 for loss in half.values())
        for kind in FAMILIES[name.removeprefix("hf:")].kinds:
            assert torch.isclose(half[kind.name], full[kind.name], rtol=0.2, atol=0.05), (name, kind.name)


def test_losses_of_ones_own_network() -> None:
    """What a user's own loop calls, without our model around it."""
    _, configuration = read_configuration(named("hf:eomt"))
    network = transformers.EomtForUniversalSegmentation(configuration)
    pixels = torch.rand(1, 3, 64, 64)
    labels = {"mask_labels": [torch.zeros(1, 64, 64)], "class_labels": [torch.tensor([1])]}
    keep_losses(network)
    keep_losses(network)  # twice is as good as once
    losses, output = raw_losses(network, pixel_values=pixels, **labels)
    assert tuple(losses) == FAMILIES["eomt"].names(configuration)
    assert torch.isclose(output.loss, torch.stack(list(losses.values())).sum())
    with pytest.raises(ConfigError, match="gave no losses; give it labels"):
        raw_losses(network, pixel_values=pixels)
    criterion = network.criterion.forward
    network.criterion.forward = lambda **given: criterion(**given) | {"loss_new": pixels.sum().requires_grad_()}
    with pytest.raises(LossError, match="missing: none; unknown: loss_new"):
        raw_losses(network, pixel_values=pixels, **labels)
    with pytest.raises(ConfigError, match="SwinModel is none of the models with named losses: Mask2Former"):
        keep_losses(transformers.SwinModel(transformers.SwinConfig(embed_dim=8, depths=[1], num_heads=[1])))


# Inputs.


@settings(max_examples=30)
@given(
    sizes=st.lists(st.tuples(st.integers(3, 40), st.integers(3, 40)), min_size=1, max_size=3),
    square=st.sampled_from([None, 24]),
)
def test_a_batch_holds_each_picture_at_its_upper_left_and_says_so(
    sizes: list[tuple[int, int]], square: int | None
) -> None:
    batching = Batching(mean=[0.5] * 3, std=[0.25] * 3, multiple=8, square=square)
    made = batching.pictures([torch.full((3, *size), 255, dtype=torch.uint8) for size in sizes])
    height, width = made.shape
    assert height % 8 == width % 8 == 0
    for size, fitted, pixels, inside in zip(sizes, made.sizes, made.pixels, made.inside, strict=True):
        assert fitted == size if square is None or max(size) <= square else max(fitted) == square
        h, w = fitted
        assert torch.allclose(pixels[:, :h, :w], torch.tensor(2.0))
        assert inside[:h, :w].all()
        assert int(inside.sum()) == h * w
        assert not pixels[:, h:].any()
        assert not pixels[..., w:].any()


CLASSES = Categories([Category(7, "cat", True), Category(9, "sky", False), Category(20, "dog", True)])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 8]))
def test_segments_are_the_things_and_each_class_of_stuff(seed: int, square: int | None) -> None:
    random = np.random.default_rng(seed)
    semantic = torch.from_numpy(random.choice([0, 1, IGNORE], (10, 14)))
    masks = torch.from_numpy(random.integers(0, 2, (2, 10, 14))).bool() & (semantic == 0)
    target = Target(
        boxes=torch.zeros(2, 4, dtype=torch.int64),  # not read
        labels=torch.tensor([2, 1]),
        masks=masks.to(torch.uint8),
        semantic=semantic,
    )
    batching = Batching(mean=[0.5] * 3, std=[0.5] * 3, multiple=16, square=square)
    found = batching.segments(target, CLASSES, (8, 8) if square else (16, 16))
    assert set(found.labels.tolist()) <= {0, 1, 2}
    assert not (found.masks.sum(0) > (masks[0] & masks[1]).any() + 1).any()
    for mask, (x, y, width, height) in zip(found.masks, found.boxes, strict=True):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        across, down = (8, round(10 * 8 / 14)) if square else (14, 10)
        assert torch.isclose((x - width / 2) * across, columns.min().float(), atol=1e-4)
        assert torch.isclose((y + height / 2) * down, rows.max() + 1.0, atol=1e-4)
    if square is None:
        assert found.labels.tolist() == [*([2] if masks[0].any() else []), *([0] if masks[1].any() else []), 1]
        assert torch.equal(found.masks[-1, :10, :14] > 0, semantic == 1)


def test_masks_shrink_to_where_the_picture_does() -> None:
    """A stripe in the middle stays in the middle, as it does in the picture."""
    semantic = torch.full((20, 20), IGNORE)
    semantic[:, 6:14] = 1
    target = nothing(make_target(SCENES[0].truth, SCENES.categories))
    target = {**target, "semantic": semantic, "masks": torch.zeros(0, 20, 20, dtype=torch.uint8)}
    batching = Batching(mean=[0.0] * 3, std=[1.0] * 3, multiple=8, square=8)
    (mask,) = batching.segments(target, CLASSES, (8, 8)).masks
    picture = batching.pictures([255 * (semantic == 1).to(torch.uint8).expand(3, -1, -1)]).pixels[0, 0]
    assert torch.equal(mask, mask.flip(-1))
    assert torch.equal(mask, (picture > 0.5).float())


def test_eomt_shrinks_what_does_not_fit_its_square() -> None:
    network = model("hf:eomt").eval()
    wide = torch.randint(0, 256, (3, 40, 100), dtype=torch.uint8)
    target = nothing(make_target(SCENES[0].truth, SCENES.categories))
    target = {**target, "semantic": torch.ones(40, 100, dtype=torch.int64), "masks": torch.zeros(0, 40, 100)}
    assert all(torch.isfinite(loss) for loss in network([wide], [target]).values())
    (prediction,) = network.predict([wide], [(80, 200)])
    assert prediction.stuff.shape == (80, 200)


# Candidates.


def queries(
    masks: list[tuple[int, int, int, int]], classes: list[int], shape: tuple[int, int], sure: float = 8.0
) -> tuple[Tensor, Tensor]:
    """Scores of queries that are sure of boxes (top, left, bottom, right) and of classes; -1 is "no object"."""
    scores = torch.full((len(masks), len(CLASSES) + 1), 0.0)
    found = torch.full((len(masks), *shape), -sure)
    for i, ((top, left, bottom, right), label) in enumerate(zip(masks, classes, strict=True)):
        scores[i, label] = sure
        found[i, top:bottom, left:right] = sure
    return scores, found


CANDIDATES = Candidates(CLASSES, least=0.05, most=10)


@settings(max_examples=40)
@given(
    box=st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6), st.integers(1, 6)),
    grow=st.sampled_from([1, 2, 3]),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_things_lie_where_their_masks_are_in_the_original_picture(
    box: tuple[int, int, int, int], grow: int, padding: tuple[int, int]
) -> None:
    """Masks on cells of 4 pixels, the picture padded, the original `grow` times as large."""
    top, left, height, width = box
    cells = (12, 12)
    shape = (cells[0] + padding[0], cells[1] + padding[1])
    classes, masks = queries([(top, left, top + height, left + width), (0, 0, *shape)], [0, 1], shape)
    size = (4 * grow * cells[0], 4 * grow * cells[1])
    found = CANDIDATES.prediction(
        classes, masks, padded=(4 * shape[0], 4 * shape[1]), resized=(4 * cells[0], 4 * cells[1]), size=size
    )
    (instance,) = found.instances
    assert instance.category_id == 7
    assert 0.9 < instance.score <= 1
    expected = np.array([top, left, top + height, left + width]) * 4 * grow
    high, wide = instance.mask.shape
    shown = np.array([instance.top, instance.left, instance.top + high, instance.left + wide])
    assert np.abs(shown - expected).max() <= 2 * grow  # half a cell: corners are rounded by interpolation
    assert instance.area == int(instance.mask.sum())
    assert found.stuff.shape == size
    assert found.stuff[0, -1] == 9 or (top == 0 and left + width >= 12)
    middle = (4 * grow * (2 * top + height) // 2, 4 * grow * (2 * left + width) // 2)
    assert found.stuff[middle] in (-1, 9)  # the thing and the sky both claim it


def test_queries_of_stuff_and_of_no_object_are_no_candidates() -> None:
    boxes = [(0, 0, 4, 4), (0, 0, 8, 8), (4, 4, 8, 8), (0, 4, 4, 8)]
    classes, masks = queries(boxes, [2, 1, -1, 0], (8, 8))
    classes[3, 0] = 2.0  # an unsure cat
    found = CANDIDATES.prediction(classes, masks, padded=(32, 32), resized=(32, 32), size=(32, 32))
    assert [instance.category_id for instance in found.instances] == [20, 7]
    assert found.instances[0].score > found.instances[1].score
    few = Candidates(CLASSES, least=0.9, most=10).prediction(
        classes, masks, padded=(32, 32), resized=(32, 32), size=(32, 32)
    )
    assert len(few.instances) == 1
    assert (
        not Candidates(CLASSES, least=0.0, most=0)
        .prediction(classes, masks, padded=(32, 32), resized=(32, 32), size=(32, 32))
        .instances
    )


def test_clear_queries_merge_into_the_map_that_the_library_makes() -> None:
    boxes = [(2, 3, 20, 20), (24, 30, 44, 46), (0, 0, 48, 48), (30, 2, 45, 20), (1, 1, 5, 5)]
    classes, masks = queries(boxes, [0, 2, 1, 2, -1], (48, 48))
    masks[2] -= masks[[0, 1, 3]].max(0).values + 8  # the sky leaves the things to themselves
    output = SimpleNamespace(class_queries_logits=classes[None], masks_queries_logits=masks[None])
    processor = transformers.Mask2FormerImageProcessor()
    (theirs,) = processor.post_process_panoptic_segmentation(output, label_ids_to_fuse={1}, target_sizes=[(96, 96)])
    prediction = CANDIDATES.prediction(classes, masks, padded=(96, 96), resized=(96, 96), size=(96, 96))
    ours = merge(prediction, Thresholds(), things={7, 20})
    ids = [category.id for category in CLASSES]
    expected = {segment["id"]: ids[segment["label_id"]] for segment in theirs["segments_info"]}
    assert sorted(expected.values()) == sorted(segment.category_id for segment in ours.segments) == [7, 9, 20, 20]
    for segment in ours.segments:
        same = [
            key
            for key, category in expected.items()
            if category == segment.category_id
            and ((theirs["segmentation"].numpy() == key) & (ours.ids == segment.id)).sum() > 0.97 * segment.area
        ]
        assert len(same) == 1


@pytest.mark.parametrize("name", MODELS)
def test_a_picture_predicts_the_same_alone_and_in_a_padded_batch(name: str) -> None:
    network = model(name, candidate_score=0.0).eval()
    sizes = [(48, 48), (40, 96), (48, 30)]
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    together = network.predict(images, sizes)
    for found, image, size in zip(together, images, sizes, strict=True):
        (alone,) = network.predict([image], [size])
        assert np.array_equal(found.stuff, alone.stuff)
        scores = [instance.score for instance in alone.instances]
        assert [instance.score for instance in found.instances] == pytest.approx(scores, rel=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_have_the_original_sizes_and_known_classes(name: str) -> None:
    network = model(name, candidate_score=0.0).eval()
    images, _ = batch()
    sizes = [(48, 48), (96, 76), (50, 47)]
    found = network.predict(images, sizes)
    again = network.predict(images, sizes)
    things = {category.id for category in SCENES.categories.things}
    stuff = {-1, *(category.id for category in SCENES.categories.stuff)}
    for prediction, other, size in zip(found, again, sizes, strict=True):
        assert prediction.stuff.shape == size
        assert set(np.unique(prediction.stuff)) <= stuff
        assert np.array_equal(prediction.stuff, other.stuff)
        scores = [instance.score for instance in prediction.instances]
        assert scores == sorted(scores, reverse=True)
        for instance in prediction.instances:
            assert instance.category_id in things
            assert instance.area == instance.mask.sum() > 0
            assert instance.top + instance.mask.shape[0] <= size[0]


# Files.


def test_pretrained_weights_are_those_of_the_folder_and_the_run_needs_it_no_more(tmp_path: Path) -> None:
    for name in ("hf:mask2former", "hf:detr-panoptic"):
        first = model(name).eval()
        folder = tmp_path / name[3:]
        first.network.save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3]}))
        second = model(f"hf:{folder}").eval()
        assert second.loss_names == first.loss_names
        for (key, own), other in zip(
            second.network.named_parameters(), first.network.state_dict(keep_vars=True).values(), strict=False
        ):
            assert key in dict(first.network.named_parameters()), other.shape
            assert torch.equal(own, first.network.get_parameter(key)), key
        assert second.about["pixels"] == {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.229, 0.224, 0.225]}
        third = build_model(
            ModelSettings(name="hf:gone"), SCENES.categories, about=json.loads(json.dumps(second.about))
        )
        third.load_state_dict(second.state_dict())
        images, _ = batch()
        ours, stored = (network.eval().predict(images, [(48, 48)] * 3) for network in (second, third))
        assert all(np.array_equal(a.stuff, b.stuff) for a, b in zip(ours, stored, strict=True))


def test_the_head_keeps_what_it_knows_of_classes_of_the_same_name(tmp_path: Path) -> None:
    old = model("hf:mask2former", CLASSES)
    old.network.save_pretrained(tmp_path)
    classes = Categories([Category(1, "dog", True), Category(2, "grass", False), Category(3, "bird", True)])
    for categories in (classes, Categories([*classes, Category(4, "cat", True)])):
        torch.manual_seed(1)
        new: Any = build_model(named(f"hf:{tmp_path}"), categories)
        before, after = old.network.class_predictor, new.network.class_predictor
        assert after.out_features == len(categories) + 1
        assert torch.equal(after.weight[0], before.weight[2])
        assert torch.equal(after.bias[-1], before.bias[-1])
        assert torch.equal(after.weight[-1], before.weight[-1])
        assert not torch.isin(after.weight[1:3], before.weight).any()
        assert new.network.config.id2label == {i: category.name for i, category in enumerate(categories)}
        key = "model.transformer_module.queries_features.weight"
        assert torch.equal(new.network.get_parameter(key), old.network.get_parameter(key))


@pytest.mark.parametrize("fault", ["another name", "a part is missing"])
def test_weights_of_which_a_part_is_missing_are_refused(fault: str, tmp_path: Path) -> None:
    """The library would fill it with random numbers. So it is with what torch.compile has wrapped, or a lost shard."""
    model("hf:eomt").network.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    if fault == "another name":
        state = {f"_orig_mod.{key}": value for key, value in state.items()}
    else:
        state = {key: value for key, value in state.items() if not key.startswith("layers.1.")}
    assert state
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks .* more of the \d+ tensors of a Eomt.*save the whole of it"):
        build_model(named(f"hf:{tmp_path}"), SCENES.categories)


def test_a_trained_oneformer_need_not_have_what_reads_names(tmp_path: Path) -> None:
    network = model("hf:oneformer").network
    configuration = copy.deepcopy(network.config)
    configuration.is_training = False
    trained = transformers.OneFormerForUniversalSegmentation(configuration)
    trained.save_pretrained(tmp_path)
    loaded = load_network(FAMILIES["oneformer"], network.config, SCENES.categories, tmp_path)
    known = dict(trained.named_parameters())
    lacking = {key for key, _ in loaded.named_parameters() if key not in known}
    assert lacking
    assert all(key.startswith("model.text_mapper.") for key in lacking)


def test_a_configurations_file_begins_from_random_weights(tmp_path: Path) -> None:
    _, configuration = read_configuration(named("hf:maskformer", hf={"use_auxiliary_loss": False}))
    configuration.to_json_file(tmp_path / "mine.json")
    settings = ModelSettings(name=f"hf:{tmp_path / 'mine.json'}", hf={"decoder_config": {"num_queries": 7}})
    network = build_model(settings, SCENES.categories)
    assert network.loss_names == ("loss_mask", "loss_dice", "loss_cross_entropy")
    assert tuple(loss_table(settings).defaults) == network.loss_names
    assert network.network.config.decoder_config.num_queries == 7  # type: ignore[union-attr]
    assert all(torch.isfinite(loss) for loss in network(*batch()).values())


def test_a_network_that_keeps_its_losses_can_be_pickled(tmp_path: Path) -> None:
    """As by torch.save of a whole model, or where processes are started with it."""
    network = model("hf:eomt").network
    torch.save(network, tmp_path / "model.pt")
    again = torch.load(tmp_path / "model.pt", weights_only=False)
    assert type(again) is type(network)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in network.state_dict().items())
    assert again.kept == []


def test_a_copy_as_a_moving_average_is_speaks_for_itself() -> None:
    network = model("hf:oneformer").eval()
    average = copy.deepcopy(network)
    images, _ = batch()
    pictures = network._batching.pictures(images)

    def scores(of: Any) -> Tensor:
        classes, _ = of._dialect.logits(of.network(**of._dialect.inference_inputs(pictures)))
        return classes.detach()

    expected = scores(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert torch.equal(scores(average), expected)
    assert not torch.equal(scores(network), expected)
    assert average._dialect.texts is average.texts


def test_wrong_names_files_and_settings_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "swin"}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    no_weights = tmp_path / "no-weights"
    read_configuration(named("hf:eomt"))[1].save_pretrained(no_weights)
    broken = tmp_path / "broken"
    read_configuration(named("hf:eomt"))[1].save_pretrained(broken)
    (broken / "model.safetensors").write_bytes(b"no weights")
    for change, text in (
        (
            {"name": "hf:mask3former"},
            r"'hf:mask3former' is unknown; choose one of hf:mask2former.*nothing is downloaded",
        ),
        ({"name": f"hf:{tmp_path}"}, "config.json has model_type 'swin'; panoptic models"),
        ({"name": f"hf:{tmp_path / 'broken.json'}"}, "broken.json cannot be read as a configuration"),
        ({"name": f"hf:{tmp_path / 'list.json'}"}, "list.json holds list"),
        (
            {"name": f"hf:{no_weights}"},
            r"holds no \*.safetensors; save the model with save_pretrained, or name .*config",
        ),
        ({"name": f"hf:{broken}"}, "cannot be read as weights"),
        ({"hf_size": "huge"}, "model.hf_size = 'huge' is unknown; choose one of tiny"),
        (
            {"hf": {"decoder_layer": 3}},
            "unknown setting model.hf.decoder_layer; the nearest is model.hf.decoder_layers",
        ),
        ({"hf": {"decoder_layers": "many"}}, "decoder_layers"),
        ({"hf": {"num_attention_heads": 7}}, "mask2former cannot be built as configured"),
    ):
        with pytest.raises(ConfigError, match=text):
            build_model(replace(named("hf:mask2former"), **change), SCENES.categories)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="declares no stuff class"):
        model("hf:eomt", Categories([Category(1, "only", True)]))
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"ada-segment\[hf\]"):
        loss_table(named("hf:eomt"))


# OneFormer's texts.


def test_a_folder_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    """The library makes an empty one, to which all texts are the same."""
    _, configuration = read_configuration(named("hf:oneformer"))
    configuration.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="has no tokenizer that tells the names of the classes apart"):
        Texts(configuration, CLASSES, tmp_path)


def test_texts_name_each_segment_in_the_order_of_the_classes() -> None:
    _, configuration = read_configuration(named("hf:oneformer"))
    texts = Texts(configuration, CLASSES)

    def read(tokens: Tensor) -> str:
        return bytes(int(token) - 1 for token in tokens if 0 < token < 257).decode()

    assert read(texts.task[0]) == TASK
    made = texts.pictures([torch.tensor([2, 0, 2]), torch.tensor([], dtype=torch.int64)], 4)
    assert made.shape == (2, 4, configuration.text_encoder_context_length)
    assert [read(row) for row in made[0]] == ["a photo with a cat", *["a photo with a dog"] * 2, NOTHING]
    assert [read(row) for row in made[1]] == [NOTHING] * 4
    assert int(made.max()) == configuration.text_encoder_vocab_size - 1  # where the encoder reads its answer
    assert len(texts.pictures([torch.arange(3)], 2)[0]) == 2
