"""The house holds: who may import whom, what stays lazy, and what an __init__ may hold."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "ada_segment"
SOURCE = Path(__file__).parents[1] / "src" / PACKAGE

# What each room may import of ours. A dotted name is one file of a room. No arrow runs back up.
GROUND = {"errors", "storage", "values"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "storage": {"errors"},
    "values": {"errors"},
    "weighting": GROUND,
    "controller": GROUND | {"weighting.base"},  # what a usable name or weight is
    "population": GROUND | {"weighting", "controller"},
    # The raw losses of models of the transformers library, for its Trainer.
    "loops": GROUND | {"weighting", "controller", "population", "panoptic.huggingface.raw_losses"},
    "panoptic": GROUND,
    "data": GROUND | {"panoptic"},
    "training": GROUND | {"panoptic", "data", "weighting", "population.member"},
    "report": GROUND | {"panoptic", "data"},
    "runs": GROUND | {"weighting", "controller", "population", "panoptic", "data", "training", "report", "config"},
    "config": GROUND | {"weighting", "controller", "population", "panoptic", "data", "training", "report"},
}
ROOMS[""] = set(ROOMS)  # the package's own __init__: public names
ROOMS["cli"] = set(ROOMS)
ROOMS["__main__"] = {"cli"}

# What a room may not know of the world outside, at any depth.
PICTURES = {"torchvision", "PIL", "skimage", "cv2", "timm", "pycocotools"}
SCREENS = {"rich", "typer", "matplotlib"}
STRANGERS: dict[str, set[str]] = {
    "weighting": PICTURES | SCREENS | {"lightning", "transformers", "ray", "yaml"},
    "controller": PICTURES | SCREENS | {"lightning", "transformers", "ray", "yaml"},
    "population": PICTURES | SCREENS | {"lightning", "transformers"},
    "loops": PICTURES | SCREENS | {"ray", "yaml"},
    "panoptic": SCREENS | {"lightning", "ray"},
    "data": SCREENS | {"lightning", "ray"},
    "training": SCREENS | {"ray"},
    "report": {"lightning", "transformers", "timm", "ray", "typer"},
}

# Extras: imported in the function that uses them, so that the core runs without them.
EXTRAS = {
    "timm",
    "tensorboard",
    "ray",
    "transformers",
    "accelerate",
    "torchjd",
    "pycocotools",
    "lightning.pytorch",
    "pytorch_lightning",
}


def module_name(file: Path) -> str:
    """`ada_segment.weighting.base` for src/ada_segment/weighting/base.py, `ada_segment.weighting` for its __init__."""
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(SOURCE.rglob("*.py"))}


def imported(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """Dotted names that the imports in `tree` ask for; for `from a import b` both a and a.b, as b may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = module.split(".")
                parent = parent[: len(parent) - node.level + is_package]
                base = ".".join([*parent, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imports_of(module: str) -> set[str]:
    file = FILES[module]
    return set(imported(ast.parse(file.read_text()), module, is_package=file.name == "__init__.py"))


def at_import_time(node: ast.AST) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported: not those in functions or under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from at_import_time(child)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def within(name: str, allowed: set[str]) -> bool:
    """Whether the dotted `name` is one of `allowed` or inside one."""
    return any(name == other or name.startswith(f"{other}.") for other in allowed)


def unwanted(module: str, names: set[str]) -> list[str]:
    """Those of `names` that the room of `module` may not import."""
    room = room_of(module)
    allowed = {f"{PACKAGE}.{other}" for other in ROOMS[room]} | {f"{PACKAGE}.{room}".rstrip(".")}
    # `from ada_segment.population import member` also names the package that holds the file.
    doors = {other.rpartition(".")[0] for other in allowed if other.count(".") > 1}
    ours = {name for name in names if within(name, {PACKAGE})}
    wrong = {name for name in ours - {PACKAGE} if not within(name, allowed) and not (name in doors and name in FILES)}
    # The package's own names come from everywhere, so a room that asked for them would ask for everything.
    if PACKAGE in ours and room not in ("", "cli", "__main__"):
        wrong.add(PACKAGE)
    return sorted(wrong | {name for name in names if within(name, STRANGERS.get(room, set()))})


def test_the_rooms_are_those_of_the_design() -> None:
    assert {room_of(module) for module in FILES} <= set(ROOMS), "a new room: say in ROOMS what it may import"
    assert {"weighting", "controller", "population", "panoptic", "data", "training", "report"} <= {
        room_of(module) for module in FILES
    }


def test_the_rooms_themselves_have_an_order() -> None:
    graph = {room: {other.split(".")[0] for other in allowed} for room, allowed in ROOMS.items()}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", FILES)
def test_no_import_runs_to_a_higher_room(module: str) -> None:
    wrong = unwanted(module, imports_of(module))
    assert not wrong, f"{FILES[module]} imports {wrong}; the room {room_of(module)!r} may not know them"


def test_no_cycles() -> None:
    graph = {module: {name for name in imports_of(module) if name in FILES and name != PACKAGE} for module in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"files import each other in a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("module", FILES)
def test_extras_are_imported_where_they_are_used(module: str) -> None:
    early = set()
    for statement in at_import_time(ast.parse(FILES[module].read_text())):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            early |= set(imported(statement, module, is_package=FILES[module].name == "__init__.py"))
    heavy = sorted(name for name in early if within(name, EXTRAS))
    assert not heavy, f"{FILES[module]} imports {heavy} when it is imported; do it in the function that uses it"


@pytest.mark.parametrize("module", [module for module, file in FILES.items() if file.name == "__init__.py"])
def test_init_files_hold_names_and_nothing_else(module: str) -> None:
    first, *rest = ast.parse(FILES[module].read_text()).body
    assert isinstance(first, ast.Expr), f"{FILES[module]} has no docstring"
    assert isinstance(first.value, ast.Constant)
    for statement in rest:
        targets = [*getattr(statement, "targets", []), *([statement.target] if hasattr(statement, "target") else [])]
        named = bool(targets) and all(
            isinstance(target, ast.Name) and (target.id.isupper() or target.id in ("__all__", "__version__"))
            for target in targets
        )
        assert isinstance(statement, ast.Import | ast.ImportFrom) or named, (
            f"{FILES[module]}:{statement.lineno} holds more than imports, tables of names, __all__ and __version__; "
            "move it to a file of its own"
        )


def test_every_file_says_what_it_is_for() -> None:
    without = [str(file) for file in FILES.values() if not ast.get_docstring(ast.parse(file.read_text()))]
    assert not without


def test_a_worker_starts_without_what_its_libraries_could_do_besides() -> None:
    code = f"""
import sys
import {PACKAGE}.runs.member_factory
print(*sys.modules)
from lightning_fabric.utilities.imports import _TORCHMETRICS_GREATER_EQUAL_1_0_0 as its_version_is_known
assert its_version_is_known
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert "lightning_fabric" in loaded
    assert not loaded & (SCREENS | EXTRAS | {"torchmetrics", "scipy"})


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("ada_segment.weighting.x", "from ada_segment.errors import LossError", []),
        ("ada_segment.weighting.x", "from ada_segment.population import search", ["ada_segment.population"]),
        ("ada_segment.weighting.x", "def f():\n    import ada_segment.cli", ["ada_segment.cli"]),
        ("ada_segment.weighting.x", "import ada_segment", ["ada_segment"]),
        ("ada_segment.weighting.x", "from . import base", []),
        ("ada_segment.weighting.x", "from ..report import tables", ["ada_segment.report"]),
        ("ada_segment.population.x", "from torchvision.ops import nms", ["torchvision.ops"]),
        ("ada_segment.training.x", "from ada_segment.population.member import Member", []),
        ("ada_segment.training.x", "from ada_segment.population.journal import read", ["ada_segment.population.jo"]),
        ("ada_segment.report.x", "if True:\n    from ada_segment import population", ["ada_segment.population"]),
        ("ada_segment.cli", "from ada_segment import population\nimport rich", []),
    ],
)
def test_the_check_itself_sees(module: str, source: str, wrong: list[str]) -> None:
    found = unwanted(module, set(imported(ast.parse(source), module, is_package=False)))
    assert bool(found) == bool(wrong), found
    assert all(any(name.startswith(start) for name in found) for start in wrong), found
