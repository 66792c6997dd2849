"""Run folders, controllers and settings of strangers: they are refused or read as data, and never run anything."""

import ast
import contextlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from toy_members import NAMES, QuadraticMember

import ada_segment
from ada_segment.config import read_yaml, resolve
from ada_segment.controller.stored import load_controller
from ada_segment.errors import AdaSegmentError, ConfigError, RunError
from ada_segment.population.schedule import load_schedule
from ada_segment.population.search import search
from ada_segment.runs.stored_model import load_model
from ada_segment.storage import load_state, read_about, save_state

SOURCE = Path(ada_segment.__file__).parent


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def searched(folder: Path, **how: Any) -> Path:
    search(lambda seed: QuadraticMember(), **{"losses": NAMES, "rounds": 2, "members": 3, "out": folder, **how})
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return searched(tmp_path_factory.mktemp("good") / "run")


READERS: list[Callable[[Path], object]] = [
    lambda run: load_controller(run),
    lambda run: load_schedule(run),
    lambda run: load_state(run / "best.safetensors"),
    lambda run: read_about(run / "best.safetensors"),
    lambda run: load_model(run),
    lambda run: searched(run, resume=True),
]


def test_pickles_under_every_name_are_not_unpickled(good: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    files = [path.relative_to(good) for path in good.rglob("*") if path.is_file()] + [Path("config.yaml")]
    for kind in ("pickle", "torch"):
        for name in files:
            run = tmp_path / f"{kind} {name.name}"
            shutil.copytree(good, run)
            if kind == "pickle":
                (run / name).write_bytes(pickle.dumps(Bomb(mark)))
            else:
                torch.save(Bomb(mark), run / name)
            for reader in READERS:
                with contextlib.suppress(AdaSegmentError):
                    reader(run)
            assert not mark.exists(), name
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()  # the bomb is one


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.mkdir [{mark}]",
        "seed: !!python/object/apply:os.mkdir [{mark}]",
        "search: {{settings: !!python/object/new:os.mkdir [{mark}]}}",
        "seed: !!python/name:os.mkdir",
        "data: {{source: !!python/module:os}}",
    ],
)
def test_yaml_makes_no_objects(tmp_path: Path, text: str) -> None:
    file, mark = tmp_path / "config.yaml", tmp_path / "mark"
    file.write_text(text.format(mark=mark))
    with pytest.raises(ConfigError, match=r"config\.yaml is no YAML"):
        resolve(file=file)
    assert not mark.exists()


def test_yaml_that_repeats_itself_without_end_is_refused(tmp_path: Path) -> None:
    """A few lines that stand for a thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / "config.yaml").write_text("\n".join(lines) + "\nsearch: {settings: {a: *a9}}\n")
    with pytest.raises(ConfigError, match="refers back"):
        read_yaml(tmp_path / "config.yaml")


@pytest.mark.parametrize("depth", [3000, 100_000])
def test_files_nested_without_end_are_refused(good: Path, tmp_path: Path, depth: int) -> None:
    run = tmp_path / "run"
    shutil.copytree(good, run)
    deep = "[" * depth + "]" * depth
    (run / "history.jsonl").write_text(deep + "\n")
    (run / "schedule.json").write_text(deep)
    (run / "config.yaml").write_text(deep)
    for name, reader in (("history", READERS[5]), ("schedule", READERS[1]), ("config", READERS[4])):
        with pytest.raises(AdaSegmentError, match=name):
            reader(run)
    for header in ({"state": deep, "about": "{}"}, {"state": '{"dict": []}', "about": deep}):
        save_file({}, run / "best.safetensors", metadata=header)
        with pytest.raises(RunError, match=r"best\.safetensors"):
            (load_state if header["about"] == "{}" else read_about)(run / "best.safetensors")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tensor", "dict", "list", "tuple", "value", "a"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(state=JSON, about=JSON)
def test_headers_that_mean_nothing_are_refused(
    tmp_path_factory: pytest.TempPathFactory, state: Any, about: Any
) -> None:
    path = tmp_path_factory.mktemp("header") / "x.safetensors"
    save_file({"0": torch.zeros(2)}, path, metadata={"state": json.dumps(state), "about": json.dumps(about)})
    for read in (load_state, read_about):
        with contextlib.suppress(RunError):
            read(path)


@pytest.mark.filterwarnings("ignore")  # numpy's, of what it is given here
@given(data=st.data())
def test_a_controller_with_another_content_is_refused_or_is_one(
    good: Path, tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    """Any leaf of a stored controller replaced by anything: it works, or there is an error that a user can act on."""
    path = tmp_path_factory.mktemp("controller") / "controller.safetensors"
    state, about = load_state(good / "controller.safetensors"), read_about(good / "controller.safetensors")
    node = state
    while isinstance(node, dict | list) and node:
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            node[key] = data.draw(JSON | st.just(torch.zeros(3, 3)) | st.just(10**400))
            break
        node = inner
    save_state(path, state, about=about)
    with contextlib.suppress(RunError):
        load_controller(path).weights([], round=0, rounds=2)


# -- paths -------------------------------------------------------------------------------------------------------------


def test_a_run_folder_s_links_lead_nowhere(good: Path, tmp_path: Path) -> None:
    """A link in a stranger's folder would have resuming write, append or delete somewhere else."""
    outside = tmp_path / "outside"
    outside.mkdir()
    mine = {outside / name: "mine" for name in ("history.jsonl", "round-00000.safetensors", "part-1-2-3.safetensors")}
    for path, text in mine.items():
        path.write_text(text)
    for name, target in (
        ("checkpoints", outside),
        ("history.jsonl", outside / "history.jsonl"),
        ("checkpoints/round-00001.safetensors", outside / "round-00000.safetensors"),
    ):
        run = tmp_path / f"run {name.replace('/', ' ')}"
        shutil.copytree(good, run)
        if (run / name).is_dir():
            shutil.rmtree(run / name)
        else:
            (run / name).unlink()
        (run / name).symlink_to(target)
        with pytest.raises(RunError, match="leads out of the run folder"):
            searched(run, resume=True)
    for path, text in mine.items():
        assert path.read_text() == text


def test_a_whole_run_folder_may_be_a_link(good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "elsewhere")
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    searched(tmp_path / "run", resume=True)


@pytest.mark.parametrize("name", ["schedule.json", "best.safetensors", "notes.txt"])
def test_resuming_in_a_folder_of_something_else_leaves_it_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match=f"holds {name}, but no search"):
        searched(tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_what_a_stop_before_the_first_round_leaves_is_begun_with_anew(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "checkpoints").mkdir()
    searched(tmp_path, resume=True)
    assert (tmp_path / "best.safetensors").exists()


def test_names_in_a_checkpoint_are_no_paths(good: Path, tmp_path: Path) -> None:
    """What a checkpoint or a part says of itself names no file: their names are made of numbers."""
    run = tmp_path / "run"
    shutil.copytree(good, run)
    for path in (run / "checkpoints").glob("*.safetensors"):
        content, about = load_state(path), read_about(path)
        content["round"] = "../../outside"
        save_state(path, content, about=about)
    with pytest.raises(RunError, match="holds no search"):
        searched(run, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


# -- the source --------------------------------------------------------------------------------------------------------

# Where what is unpickled was pickled by this program, in its memory or in its own processes, and is never from a file.
OWN_PROCESSES = {"population/executors/process_worker.py", "population/executors/ray_worker.py", "training/held.py"}


def calls(tree: ast.AST) -> set[str]:
    """Names of the functions called, but for those that are told to be safe."""
    safe = ("weights_only=True", "_PlainLoader")
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {ast.unparse(call.func) for call in found if not any(word in ast.unparse(call) for word in safe)}


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_nothing_that_can_run_code_is_read_anywhere(file: Path) -> None:
    used = calls(ast.parse(file.read_text()))
    dangerous = {"eval", "exec", "torch.load", "torch.jit.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
                 "np.load", "numpy.load", "pickle.load", "joblib.load", "marshal.loads"}  # fmt: skip
    if str(file.relative_to(SOURCE)) not in OWN_PROCESSES:
        dangerous |= {"pickle.loads"}
    assert not used & dangerous
