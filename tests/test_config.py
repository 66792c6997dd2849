"""Settings: precedence, refusals, round trip."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ada_segment.config import (
    BOUNDS,
    Settings,
    default_preset,
    from_tree,
    parse_value,
    preset_names,
    read_yaml,
    resolve,
    to_yaml,
)
from ada_segment.errors import ConfigError


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_resolves_and_survives_the_round_trip(preset: str, tmp_path: Path) -> None:
    settings = resolve(preset=preset)
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(settings))
    assert resolve(file=file) == settings


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_opens_with_its_command(preset: str) -> None:
    import ada_segment

    lines = (Path(ada_segment.__file__).parent / "presets" / f"{preset}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ada-segment search --data ")
    assert f"--preset {preset} " in lines[0]


def test_flags_override_the_file_and_the_file_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training: {lr: 1e-4, batch_size: 2}\nsearch: {rounds: 7}\n")
    settings = resolve(preset="tiny", file=file, flags={"training.batch_size": 3})
    assert settings.training.lr == 1e-4
    assert settings.training.batch_size == 3
    assert settings.search.rounds == 7
    assert settings.model.backbone == resolve(preset="tiny").model.backbone


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ({}, {"memory": 4}),
        ({"search.strategy": "ada-segment", "search.weights": None}, {"memory": 4}),
        ({"search.weights": "none"}, {"memory": 4}),
        ({"search.settings.trust": 1.0}, {"memory": 4, "trust": 1.0}),
        ({"search.strategy": "pbt"}, {}),
        ({"search.settings.temperature": 3, "search.weights": "dwa"}, {"temperature": 3}),
    ],
)
def test_settings_of_a_strategy_go_with_it(flags: dict[str, object], kept: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("search: {settings: {memory: 4}}\n")
    assert resolve(file=file, flags=flags).search.settings == kept


def test_settings_of_a_library_s_model_go_with_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("model: {name: 'hf:detr-panoptic', hf: {num_queries: 5}}\n")
    for name, kept in (("hf:eomt", {"num_queries": 5}), ("panoptic-fpn", {})):
        assert resolve(file=file, flags={"model.name": name}).model.hf == kept
    assert resolve(file=file, flags={"model.hf.d_model": 8}).model.hf == {"num_queries": 5, "d_model": 8}


def test_settings_of_ray_go_with_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("search: {executor: ray, ray_address: auto, ray_cpus: 2, ray_gpus: 0.5}\n")
    assert resolve(file=file, flags={"search.executor": "ray"}) == resolve(file=file)
    assert resolve(file=file, flags={"search.executor": "local"}) == Settings()


def test_a_new_size_takes_the_sizes_that_go_with_it_along() -> None:
    before, after = resolve(preset="r50-1x"), resolve(preset="r50-1x", flags={"augmentation.size": 400})
    assert after.augmentation.max_size == round(before.augmentation.max_size / 2)  # type: ignore[operator]
    assert after.augmentation.train_sizes == tuple(side // 2 for side in before.augmentation.train_sizes)


def test_sizes_that_somebody_wrote_stay(tmp_path: Path) -> None:
    """A bound that fits the memory is none any more when another size takes it along."""
    file = tmp_path / "mine.yaml"
    file.write_text("augmentation: {max_size: 500}\n")
    found = resolve(preset="r50-1x", file=file, flags={"augmentation.size": 400}).augmentation
    assert (found.size, found.max_size) == (400, 500)
    assert found.train_sizes == resolve(preset="r50-1x", flags={"augmentation.size": 400}).augmentation.train_sizes


def test_a_folder_has_one_name() -> None:
    sources = ("a/b", "a/b/", "./a//b", "scenes", "./scenes", "scenes/")
    names = [resolve(flags={"data.source": source}).data.source for source in sources]
    assert names == ["a/b", "a/b", "a/b", "scenes", "./scenes", "./scenes"]


def test_epochs_set_the_rounds() -> None:
    assert resolve(flags={"training.epochs_per_round": 2}, epochs=6).search.rounds == 3
    with pytest.raises(ConfigError, match="multiple of epochs_per_round = 2"):
        resolve(flags={"training.epochs_per_round": 2}, epochs=5)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"trainig": {}}, "unknown setting trainig; the nearest is training"),
        ({"training": {"learning_rate": 1}}, "unknown setting training.learning_rate"),
        ({"training": {"batchsize": 1}}, "the nearest is training.batch_size"),
        ({"training": {"lr": "fast"}}, "training.lr = 'fast' is not a number"),
        ({"training": {"lr": 10**400}}, "is not a number"),
        ({"training": {"lr": float("nan")}}, "training.lr = nan is not a number"),
        ({"training": {"batch_size": 1.5}}, "training.batch_size = 1.5 is not a whole number"),
        ({"training": {"batch_size": True}}, "is not a whole number"),
        ({"training": 3}, "training = 3 is not a group"),
        ({"augmentation": {"scale": [1]}}, "needs 2 values"),
        ({"augmentation": {"train_sizes": "large"}}, "is not a list"),
        ({"search": {"settings": [1]}}, "is not a mapping"),
        ({"augmentation": {"train_sizes": [64, 8]}}, "augmentation.train_sizes = 8 is out of bounds"),
        ({"augmentation": {"scale": [0, 1]}}, "augmentation.scale = 0.0 is out of bounds"),
        ({"augmentation": {"scale": [2, 1]}}, "augmentation.scale = (2.0, 1.0)"),
        ({"training": {"steps_at": [0.5, 1.5]}}, "training.steps_at = 1.5 is out of bounds"),
    ],
)
def test_what_is_wrong_is_named(tree: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_tree(tree)
    assert text in str(caught.value)


@pytest.mark.parametrize("key", BOUNDS)
def test_bounds_hold_and_name_the_key(key: str) -> None:
    least, _ = BOUNDS[key]
    assert least is not None
    value: object = int(least) - 1 if least == int(least) else 0
    usual: object = Settings()
    for part in key.split("."):
        usual = getattr(usual, part)
    if isinstance(usual, tuple):
        value = [value, value]
    with pytest.raises(ConfigError, match=f"{key} = "):
        resolve(flags={key: value})


def test_unknown_presets_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="preset 'huge' is unknown; choose one of"):
        resolve(preset="huge")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="not a mapping"):
        read_yaml(tmp_path / "list.yaml")
    (tmp_path / "code.yaml").write_text("seed: !!python/object/apply:os.system ['echo']\n")
    with pytest.raises(ConfigError, match="is no YAML"):
        read_yaml(tmp_path / "code.yaml")


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_values_on_the_command_line_are_read_as_in_a_file(value: float) -> None:
    given = parse_value(str(value).lower())
    assert resolve(flags={"search.settings.any": given}).search.settings == {"any": value}
    assert given == value or "e" in given  # YAML reads 1e+16 as text
    if not isinstance(value, bool):
        assert resolve(flags={"training.lr": parse_value(str(abs(value) + 1e-3))}).training.lr == abs(value) + 1e-3
    assert resolve(flags={"training.lr": abs(value) + 1e-3}).training.lr == abs(float(value)) + 1e-3 or value is True


def test_settings_of_no_known_type_are_read_as_the_others_are(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "search: {settings: {learning_rate: 1e-3, memory: none, many: [1E2, none, {deep: -.5e1}], "
        "learned: '2024', text: e5, whole: 2, far: 1e300, none: 1}}\n"
    )
    found = resolve(file=file).search.settings
    many = [100, None, {"deep": -5}]
    assert found == {"learning_rate": 0.001, "memory": None, "many": many, "learned": "2024", "text": "e5", "whole": 2,
                     "far": 1e300, "none": 1}  # fmt: skip
    assert isinstance(found["many"][0], int)
    assert isinstance(found["far"], float)
    flags = {"model.hf.layer_norm_eps": parse_value("1e-6"), "model.hf.id2label": {0: "none of them"}}
    assert resolve(flags=flags).model.hf == {"layer_norm_eps": 1e-6, "id2label": {0: "none of them"}}
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(resolve(file=file)))
    assert resolve(file=again).search.settings == found


@given(st.sampled_from(["data.group_by", "data.source", "training.start"]), st.text(min_size=1))
def test_what_is_text_can_be_any_text_on_the_command_line(key: str, text: str) -> None:
    """A pattern such as [^_]* is a list to YAML, or nothing."""
    if text[0] in "'\"" or text.lower() in ("~", "null"):
        assert isinstance(parse_value(text, key), str | None)
    else:
        assert parse_value(text, key) == text
    assert parse_value(yaml.safe_dump(text, default_style='"', width=10**6).strip(), key) == text


@pytest.mark.parametrize(
    ("key", "near"),
    [("batch_size", "training.batch_size"), ("lr", "training.lr"), ("backbone", "model.backbone"), ("sede", "seed"),
     ("members", "search.members"), ("size", "augmentation.size"), ("trainin", "training")],
)  # fmt: skip
def test_a_key_without_its_group_is_found_in_it(key: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown setting {key}; the nearest is {re.escape(near)}$"):
        resolve(flags={key: 1})


@pytest.mark.parametrize("text", ["training: {lr: 0.002}\ntraining: {batch_size: 4}\n", "training: {lr: 1, lr: 2}\n"])
def test_a_key_that_stands_twice_is_refused(text: str, tmp_path: Path) -> None:
    """YAML's reader takes the last, and the rest would be lost without a word."""
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml is no YAML: it has (training|lr) twice; write it once"):
        resolve(file=tmp_path / "mine.yaml")


def test_text_on_the_command_line_by_hand() -> None:
    assert parse_value("[^_]*_[^_]*", "data.group_by") == "[^_]*_[^_]*"
    assert parse_value("[0-9]+", "data.group_by") == "[0-9]+"
    assert parse_value("'[0-9]+'", "data.group_by") == "[0-9]+"
    assert parse_value("007", "data.group_by") == "007"
    assert parse_value(r"#(\d+)_ &a", "data.group_by") == r"#(\d+)_ &a"
    assert parse_value("null", "data.group_by") is None
    assert parse_value("[320, 352]", "augmentation.train_sizes") == [320, 352]
    assert resolve(flags={"training.precision": parse_value("32", "training.precision")}).training.precision == "32"


def test_whole_numbers_stay_what_they_are() -> None:
    for seed in (2**53 + 1, str(2**53 + 1)):
        assert resolve(flags={"seed": seed}).seed == 2**53 + 1
    assert resolve(flags={"seed": "1e3", "training.batch_size": 8.0}).seed == 1000
    for key in ("seed", "data.split_seed"):
        assert resolve(flags={key: 2**63 - 1})
        with pytest.raises(ConfigError, match=rf"{key} = {2**63} is out of bounds"):
            resolve(flags={key: 2**63})


def test_a_size_beside_what_is_no_size_is_refused_and_beside_nothing_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    for text in ("augmentation:", "augmentation: {size: 0}"):
        file.write_text(text)
        assert resolve(file=file, flags={"augmentation.size": 64}).augmentation.size == 64
    file.write_text("augmentation: {size: 32, train_sizes: [a]}")
    with pytest.raises(ConfigError, match=r"augmentation\.train_sizes = 'a' is not a whole number"):
        resolve(file=file, flags={"augmentation.size": 64})
    file.write_text("augmentation: {size: 32, train_sizes: ['32', 48.0]}")
    assert resolve(file=file, flags={"augmentation.size": 64}).augmentation.train_sizes == (64, 96)


@pytest.mark.parametrize("text", ["2020-13-45", "1" * 5000, "[1"])
def test_what_yaml_cannot_read_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as a value"):
        parse_value(text)
    (tmp_path / "mine.yaml").write_text(f"seed: {text}\n")
    with pytest.raises(ConfigError, match="is no YAML"):
        read_yaml(tmp_path / "mine.yaml")


def test_scenes_are_tiny_and_folders_small() -> None:
    assert default_preset("scenes") == "tiny"
    assert default_preset("my/data") == "small"
