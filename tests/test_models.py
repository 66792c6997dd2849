"""Both models: their losses are raw, named and complete, whatever the picture holds; backbones, weights, freezing."""

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models
from torchvision.ops import FrozenBatchNorm2d

from ada_segment.data.scenes import Scenes
from ada_segment.errors import ConfigError
from ada_segment.panoptic import semantic
from ada_segment.panoptic.backbones import BACKBONES, PyramidBackbone, ThinResNet, build_backbone
from ada_segment.panoptic.cascade import STAGE_BOX_WEIGHTS, STAGE_IOU, CascadeRoIHeads
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.group_norm import group_norm
from ada_segment.panoptic.panoptic_fpn import PanopticFPN
from ada_segment.panoptic.registry import MODELS, build_model, loss_table
from ada_segment.panoptic.settings import ModelSettings
from ada_segment.panoptic.targets import IGNORE, Target, make_target

SMALL = ModelSettings(
    backbone="thin-resnet",
    width=4,
    fpn_channels=8,
    semantic_channels=8,
    box_channels=16,
    mask_channels=8,
    anchor_scale=4,
    proposals_before_nms=50,
    proposals=20,
    rpn_samples=16,
    roi_samples=16,
    candidates=10,
)
SIX = ("loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg", "loss_mask", "loss_sem_seg")
TEN = (
    "loss_rpn_cls",
    "loss_rpn_loc",
    *(f"loss_cls_stage{stage}" for stage in range(3)),
    *(f"loss_box_reg_stage{stage}" for stage in range(3)),
    "loss_mask",
    "loss_sem_seg",
)


def batch(count: int = 2) -> tuple[list[Tensor], list[Target]]:
    scenes = Scenes(size=64, count=count)
    samples = [scenes[index] for index in range(count)]
    return [s.image for s in samples], [make_target(s.truth, scenes.categories) for s in samples]


def model(name: str, seed: int = 0) -> PanopticFPN:
    torch.manual_seed(seed)
    return build_model(replace(SMALL, name=name), Scenes(size=64).categories)


@pytest.mark.parametrize(("name", "names"), [("panoptic-fpn", SIX), ("cascade-panoptic-fpn", TEN)])
def test_losses_have_the_published_names_and_are_0d_and_finite(name: str, names: tuple[str, ...]) -> None:
    network = model(name)
    losses = network(*batch())
    assert tuple(losses) == network.loss_names == names == tuple(loss_table(replace(SMALL, name=name)).defaults)
    assert all(loss.ndim == 0 and torch.isfinite(loss) and loss.dtype == torch.float32 for loss in losses.values())


@pytest.mark.parametrize("name", MODELS)
def test_every_loss_teaches_and_every_trained_parameter_is_taught(name: str) -> None:
    network = model(name)
    images, targets = batch()
    losses = network(images, targets)
    for loss in losses.values():
        grads = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True, allow_unused=True)
        assert any(grad is not None and bool(grad.abs().sum() > 0) for grad in grads)
    sum(losses.values()).backward()
    untaught = [key for key, value in network.named_parameters() if value.requires_grad and value.grad is None]
    assert not untaught


def test_default_weights_are_the_fields_and_groups_are_parts() -> None:
    for name in MODELS:
        table = loss_table(replace(SMALL, name=name))
        assert table.defaults.keys() == table.groups.keys()
        assert table.defaults["loss_sem_seg"] == 0.5
        assert {weight for key, weight in table.defaults.items() if key != "loss_sem_seg"} == {1.0}
        assert set(table.groups.values()) == {"rpn", "class", "box", "mask", "semantic"}


@pytest.mark.parametrize("name", MODELS)
def test_pictures_without_instances_or_all_void_do_not_break_training(name: str) -> None:
    network = model(name)
    images, targets = batch()
    bare = Target(
        boxes=torch.zeros(0, 4, dtype=torch.int64),
        labels=torch.zeros(0, dtype=torch.int64),
        masks=torch.zeros(0, 64, 64, dtype=torch.uint8),
        semantic=torch.full((64, 64), IGNORE),
    )
    for some in ([targets[0], bare], [bare, bare]):
        losses = network(images, some)
        assert all(torch.isfinite(loss) for loss in losses.values())
        sum(losses.values()).backward()
    assert network(images, [bare, bare])["loss_sem_seg"] == 0


@pytest.mark.parametrize("name", MODELS)
def test_predictions_have_the_original_size_and_lie_inside(name: str) -> None:
    network = model(name).eval()
    sizes = [(100, 130), (33, 64)]
    images = [
        torch.randint(0, 256, (3, 50, 65), dtype=torch.uint8),
        torch.randint(0, 256, (3, 33, 64), dtype=torch.uint8),
    ]
    things = {category.id for category in Scenes(size=64).categories.things}
    stuff = {-1} | {category.id for category in Scenes(size=64).categories.stuff}
    for prediction, size in zip(network.predict(images, sizes), sizes, strict=True):
        assert prediction.stuff.shape == size
        assert set(prediction.stuff.ravel().tolist()) <= stuff
        scores = [instance.score for instance in prediction.instances]
        assert scores == sorted(scores, reverse=True)
        for instance in prediction.instances:
            height, width = instance.mask.shape
            assert instance.category_id in things
            assert 0 <= instance.top <= size[0] - height
            assert 0 <= instance.left <= size[1] - width
            assert instance.area == instance.mask.sum() > 0


def test_a_picture_predicts_the_same_alone_and_in_a_padded_batch() -> None:
    network = model("panoptic-fpn").eval()
    sizes = [(64, 64), (50, 130), (60, 64)]
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    together = network.predict(images, sizes)
    alone = [network.predict([image], [size])[0] for image, size in zip(images, sizes, strict=True)]
    assert any(found.instances for found in alone)
    for first, second in zip(together, alone, strict=True):
        assert (first.stuff == second.stuff).all()
        assert [i.category_id for i in first.instances] == [i.category_id for i in second.instances]
        assert [i.score for i in first.instances] == pytest.approx([i.score for i in second.instances])


def test_groups_of_a_norm_divide_its_channels() -> None:
    for channels in range(1, 600):
        groups, usual = group_norm(channels).num_groups, min(32, max(channels // 4, 1))
        assert groups == usual or (groups < usual and channels % usual), channels
    settings = replace(SMALL, semantic_channels=144, width=9, norm="group")
    assert build_model(settings, Scenes(size=64).categories).semantic.ladders[0][1].num_groups == 24


def test_the_cascade_has_the_papers_stages() -> None:
    heads = model("cascade-panoptic-fpn").roi_heads
    assert isinstance(heads, CascadeRoIHeads)
    assert STAGE_IOU == (0.5, 0.6, 0.7)
    assert [coder.weights for coder in heads.box_coders] == list(STAGE_BOX_WEIGHTS)
    boxes = torch.tensor([[0.0, 0, 10, 10]])
    near = torch.tensor([[0.0, 0, 10, 6.5]])  # IoU 0.65: an object for the first two stages only
    target = {"boxes": boxes, "labels": torch.tensor([3])}
    labels = [int(heads._match([near], [target], stage)[2][0]) for stage in (1, 2)]
    assert labels == [3, 0]


def test_a_later_stage_sends_no_gradient_into_an_earlier_one() -> None:
    network = model("cascade-panoptic-fpn")
    losses = network(*batch())
    heads = network.roi_heads
    first = list(heads.box_heads[0].parameters())  # type: ignore[union-attr, index]
    grads = torch.autograd.grad(losses["loss_box_reg_stage1"] + losses["loss_cls_stage2"], first, allow_unused=True)
    assert all(grad is None for grad in grads)


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_give_five_levels_that_halve(name: str) -> None:
    backbone = build_backbone(replace(SMALL, backbone=name)).eval()
    with torch.no_grad():
        levels = backbone(torch.zeros(1, 3, 64, 64))
    assert list(levels) == ["0", "1", "2", "3", "pool"]
    sides = [level.shape[-1] for level in levels.values()]
    assert sides[0] == 64 // backbone.stride
    assert all(second == max(first // 2, 1) for first, second in pairwise(sides))
    assert all(level.shape[1] == 8 for level in levels.values())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_come_from_a_local_file(tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import save_file

    source = models.resnet18(weights=None)
    file = tmp_path / f"resnet18{suffix}"
    torch.save(source.state_dict(), file) if suffix == ".pth" else save_file(source.state_dict(), file)
    backbone = build_backbone(replace(SMALL, backbone="resnet18", pretrained=str(file), norm="frozen"))
    assert torch.equal(backbone.body["layer2"][0].conv1.weight, source.layer2[0].conv1.weight)  # type: ignore[index, union-attr]


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"not weights")
    other = tmp_path / "other.pth"
    torch.save(ThinResNet(4, torch.nn.BatchNorm2d).state_dict(), other)
    for file, text in ((broken, "cannot be read"), (other, "does not fit resnet18"), (tmp_path / "no", "is no file")):
        with pytest.raises(ConfigError, match=text):
            build_backbone(replace(SMALL, backbone="resnet18", pretrained=str(file)))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "mobilenet_v3_large"])
@pytest.mark.parametrize("norm", ["batch", "frozen"])
def test_norms_are_as_sharp_as_those_that_published_weights_were_learned_with(name: str, norm: str) -> None:
    ours = build_backbone(replace(SMALL, backbone=name, norm=norm)).modules()
    theirs = models.get_model(name, weights=None).modules()
    kinds = (nn.BatchNorm2d, FrozenBatchNorm2d)
    assert {one.eps for one in ours if isinstance(one, kinds)} == {one.eps for one in theirs if isinstance(one, kinds)}


def test_a_file_of_mobilenet_is_what_torchvision_saves(tmp_path: Path) -> None:
    source = models.mobilenet_v3_small(weights=None)
    torch.save(source.state_dict(), tmp_path / "mobilenet.pth")
    settings = replace(SMALL, backbone="mobilenet_v3_small", pretrained=str(tmp_path / "mobilenet.pth"))
    loaded = build_backbone(settings).body.state_dict()
    assert loaded
    assert all(torch.equal(value, source.features.state_dict()[key]) for key, value in loaded.items())


@pytest.mark.parametrize("content", [[torch.zeros(1)], torch.zeros(1), {"conv1.weight": 1}])
def test_a_file_of_something_else_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"model\.pretrained = .*other\.pth (holds|does not fit)"):
        build_backbone(replace(SMALL, backbone="resnet18", pretrained=str(tmp_path / "other.pth")))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "thin-resnet"])
def test_pretrained_weights_of_batch_norms_do_not_become_those_of_group_norms(name: str, tmp_path: Path) -> None:
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    for pretrained in ("default", str(tmp_path / "resnet18.pth")):
        with pytest.raises(ConfigError, match=r"model\.norm = group .* model\.pretrained"):
            build_backbone(replace(SMALL, backbone=name, norm="group", pretrained=pretrained))


def test_a_file_of_group_norms_is_read(tmp_path: Path) -> None:
    source = ThinResNet(SMALL.width, group_norm)
    torch.save(source.state_dict(), tmp_path / "own.pth")
    settings = replace(SMALL, backbone="thin-resnet", norm="group", pretrained=str(tmp_path / "own.pth"))
    assert torch.equal(build_backbone(settings).body.state_dict()["stem.0.weight"], source.stem[0].weight)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_small"])
def test_weights_that_cannot_be_downloaded_are_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    with pytest.raises(ConfigError, match=rf"model\.pretrained = default cannot be downloaded for {name} .*no route"):
        build_backbone(replace(SMALL, backbone=name, pretrained="default"))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "ran"),))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ConfigError, match="cannot be read"):
        build_backbone(replace(SMALL, backbone="resnet18", pretrained=str(tmp_path / "evil.pth")))
    assert not (tmp_path / "ran").exists()


def test_frozen_stages_and_frozen_norm_are_not_trained() -> None:
    backbone = build_backbone(replace(SMALL, backbone="resnet18", frozen_stages=2, norm="frozen"))
    trained = {key.split(".")[1] for key, value in backbone.named_parameters() if value.requires_grad}
    assert {"conv1", "layer1"}.isdisjoint(trained)
    assert {"layer2", "layer3", "layer4"} <= trained
    assert not any("bn" in key for key, _ in backbone.body.named_parameters())


@pytest.mark.parametrize("name", ["thin-resnet", "resnet18", "mobilenet_v3_small"])
def test_training_leaves_the_frozen_stages_of_batch_norm_as_they_are(name: str) -> None:
    settings = replace(SMALL, backbone=name, norm="batch", frozen_stages=2)
    backbone = build_backbone(settings).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    x = torch.rand(2, 3, 64, 64)
    first = backbone.body(x)["0"]
    assert torch.equal(first, backbone.eval().body(x)["0"]), "the first stage does not hang on the batch"
    backbone.train()(x)
    moved = {key.split(".")[1] for key, value in backbone.state_dict().items() if not torch.equal(value, before[key])}
    trained = {key.split(".")[1] for key, value in backbone.body.named_parameters("body") if value.requires_grad}
    assert moved
    assert moved <= trained


def test_models_stored_before_frozen_stages_held_their_statistics_load() -> None:
    settings = replace(SMALL, backbone="resnet18", norm="batch")
    stored = build_backbone(settings).state_dict()
    stored["body.bn1.running_mean"] += 1
    frozen = build_backbone(replace(settings, frozen_stages=5))
    frozen.load_state_dict(stored)
    assert torch.equal(frozen.state_dict()["body.bn1.running_mean"], stored["body.bn1.running_mean"])


@given(
    small=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    cut=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    rows=st.integers(1, 20),
)
def test_labels_are_the_same_however_many_rows_are_enlarged_at_once(
    small: tuple[int, int], cut: tuple[int, int], size: tuple[int, int], rows: int
) -> None:
    """All scores of a photograph would take gigabytes."""
    scores = torch.randn(5, *small)
    padded = (4 * small[0], 4 * small[1])
    resized = (padded[0] - cut[0], padded[1] - cut[1])
    likeliest = semantic.in_original_size(scores, padded, resized, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semantic, "BAND", 5 * size[1] * rows)
        labels = semantic.stuff_of(scores, padded, resized, size)
    assert labels.shape == size
    # Where two classes are as likely to the last bit, either may be the first.
    assert torch.allclose(likeliest.gather(0, labels[None])[0], likeliest.amax(0), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"backbone": "resnet5"}, "backbone 'resnet5' is unknown; choose one of"),
        ({"norm": "layer"}, "norm 'layer' is unknown"),
        ({"frozen_stages": 9}, "frozen_stages = 9 is out of bounds"),
        ({"pretrained": "default"}, "not to be had for thin-resnet"),
        ({"name": "mask-rcnn"}, "model 'mask-rcnn' is unknown; choose one of panoptic-fpn"),
    ],
)
def test_unknown_settings_are_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        build_model(replace(SMALL, **change), Scenes(size=64).categories)  # type: ignore[arg-type]


@pytest.mark.parametrize("isthing", [True, False])
def test_a_model_needs_things_and_stuff(isthing: bool) -> None:
    with pytest.raises(ConfigError, match=r"declares no (thing|stuff) class"):
        build_model(SMALL, Categories([Category(1, "only", isthing)]))


def test_a_timm_backbone_asks_for_its_extra_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"ada-segment\[timm\]"):
        build_backbone(replace(SMALL, backbone="timm:resnet18"))


TIMM = ("resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_050", "convnext_atto", "hrnet_w18_small", "dla34")


def trained(**settings: Any) -> tuple[PyramidBackbone, set[str]]:
    """A timm backbone after a step by all levels of its pyramid, and what of its body has changed."""
    torch.manual_seed(0)
    backbone = build_backbone(replace(SMALL, **settings)).train()
    before = {name: value.clone() for name, value in backbone.body.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
    torch.stack([level.square().sum() for level in backbone(torch.randn(2, 3, 64, 64)).values()]).sum().backward()
    optimizer.step()
    return backbone, {
        name for name, value in backbone.body.state_dict().items() if not torch.equal(value, before[name])
    }


@pytest.mark.parametrize("name", TIMM)
def test_a_timm_backbone_is_frozen_from_the_picture_to_the_end_of_a_stage(name: str) -> None:
    """Without the gradients that would say so: what a level is made of does not move, what comes after it does."""
    backbone, changed = trained(backbone=f"timm:{name}", frozen_stages=2)
    assert backbone.stride == 4
    torch.manual_seed(0)
    free = build_backbone(replace(SMALL, backbone=f"timm:{name}"))
    free(torch.randn(2, 3, 64, 64))
    levels = free.body(torch.randn(2, 3, 64, 64))
    reached: list[set[str]] = []
    for level in levels[:2]:
        free.zero_grad()
        level.sum().backward(retain_graph=True)
        reached.append({name for name, value in free.body.named_parameters() if value.grad is not None})
    moving = {name for name, value in backbone.body.named_parameters() if value.requires_grad}
    assert reached[0]
    assert not reached[0] & moving
    assert reached[1] - reached[0] <= moving
    owners = {name.rpartition(".")[0] for name in reached[0]}
    assert not {name for name in changed if name.rpartition(".")[0] in owners}
    assert changed

    everything, changed = trained(backbone=f"timm:{name}", frozen_stages=5)
    assert not changed
    assert not any(value.requires_grad for value in everything.body.parameters())


@pytest.mark.parametrize("name", TIMM)
def test_batch_norms_of_a_timm_backbone_keep_their_statistics_when_frozen(name: str) -> None:
    backbone, changed = trained(backbone=f"timm:{name}", norm="frozen")
    assert changed
    assert not [name for name in changed if "running" in name]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.body.modules())
    # And with the same statistics they are the same function, activation included.
    torch.manual_seed(0)
    frozen, free = (
        build_backbone(replace(SMALL, backbone=f"timm:{name}", norm=norm)).eval() for norm in ("frozen", "batch")
    )
    frozen.load_state_dict({key: free.state_dict()[key] for key in frozen.state_dict()})
    pictures = torch.randn(2, 3, 64, 64)
    for ours, theirs in zip(frozen(pictures).values(), free(pictures).values(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_timm_backbone_refuses_what_it_has_not() -> None:
    with pytest.raises(ConfigError, match=r"timm:convnext_atto has no feature of stride 2.*0 or 2 to 5"):
        build_backbone(replace(SMALL, backbone="timm:convnext_atto", frozen_stages=1))
    with pytest.raises(ConfigError, match="frozen_stages = 6 is out of bounds; give 0 to 5"):
        build_backbone(replace(SMALL, backbone="timm:resnet18", frozen_stages=6))
    with pytest.raises(ConfigError, match=r"timm:nextvit_small has batch norms of one dimension"):
        build_backbone(replace(SMALL, backbone="timm:nextvit_small", norm="frozen"))
    with pytest.raises(ConfigError, match=r"timm:resnet18 keeps its own normalisation.*batch or frozen"):
        build_backbone(replace(SMALL, backbone="timm:resnet18", norm="group"))


@pytest.mark.parametrize("name", ["convnext_atto", "mambaout_femto", "resnet18", "swin_tiny_patch4_window7_224"])
def test_a_file_of_a_whole_timm_model_fits_its_backbone(name: str, tmp_path: Path) -> None:
    """Where it gives features timm calls some parts otherwise. Pictures of other sizes than its own are taken, too."""
    torch.manual_seed(0)
    whole = timm.create_model(name).eval()
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    torch.manual_seed(1)
    settings = replace(SMALL, backbone=f"timm:{name}", pretrained=str(tmp_path / "weights.pth"))
    backbone = build_backbone(settings).eval()
    stored = [value for value in whole.state_dict().values() if value.ndim > 1]
    for value in backbone.body.state_dict().values():
        if value.ndim > 1:
            assert any(value.shape == other.shape and torch.equal(value, other) for other in stored)
    levels = backbone(torch.randn(1, 3, 128, 192))
    assert [tuple(level.shape[-2:]) for level in levels.values()][:4] == [(32, 48), (16, 24), (8, 12), (4, 6)]


@pytest.mark.parametrize("name", ["maxvit_rmlp_nano_rw_256", "inception_v3", "vit_tiny_patch16_224", "no-such-model"])
@pytest.mark.parametrize("frozen", [0, 2])
def test_a_timm_model_that_is_of_no_use_is_refused_before_any_work(name: str, frozen: int) -> None:
    with pytest.raises(ConfigError, match=f"timm.*{name}"):
        build_backbone(replace(SMALL, backbone=f"timm:{name}", frozen_stages=frozen))


def test_the_stem_of_a_timm_backbone_can_be_frozen_alone() -> None:
    _, changed = trained(backbone="timm:resnet18", frozen_stages=1)
    assert changed
    assert not [name for name in changed if name.startswith(("conv1", "bn1"))]
    assert [name for name in changed if name.startswith("layer1")]


def test_half_precision_runs_and_its_losses_are_near() -> None:
    network = model("panoptic-fpn")
    images, targets = batch()
    torch.manual_seed(0)
    full = network(images, targets)
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = network(images, targets)
    for name in ("loss_rpn_cls", "loss_sem_seg"):
        assert half[name].dtype == torch.float32
        assert torch.isclose(half[name], full[name], rtol=0.05)
