"""The core needs none of the packages that only a part of it uses."""

import subprocess
import sys
from pathlib import Path

ABSENT = [
    "accelerate",
    "cvxpy",
    "lightning",
    "pycocotools",
    "pyspng",
    "pytorch_lightning",
    "ray",
    "scipy",
    "tensorboard",
    "timm",
    "torchjd",
    "transformers",
]

CODE = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
assert not set(sys.modules) & set(ABSENT)

import importlib, pkgutil
import ada_segment
for module in pkgutil.walk_packages(ada_segment.__path__, "ada_segment."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)  # every file of the package, those that use extras included

from pathlib import Path
from small_runs import small
from ada_segment.errors import ConfigError
from ada_segment.runs.search_run import run_search
from ada_segment.weighting.registry import make_weighting

result = run_search(small(search__rounds=2), Path("run"))
assert len(result.journal) == 2 and Path("run/report.html").is_file()
run_search(small(search__rounds=1, search__members=1, search__weights="gradnorm"), Path("weighed"))
for use in (
    lambda: make_weighting("upgrad", ["a", "b"]),
    lambda: getattr(importlib.import_module("ada_segment.loops.lightning"), "BalanceLosses"),
    lambda: run_search(small(model__backbone="timm:resnet18"), Path("timm")),
    lambda: run_search(small(model__name="hf:mask2former"), Path("hf")),
):
    try:
        use()
    except ConfigError as error:
        assert "ada-segment[" in str(error), error
    else:
        raise AssertionError("worked without its package")
assert not set(sys.modules) & set(ABSENT), set(sys.modules) & set(ABSENT)
print("bare and well")
"""


def test_the_core_runs_without_any_extra(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    code = f"import sys\nsys.path.insert(0, {str(tests)!r})\nABSENT = {ABSENT!r}\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "bare and well" in done.stdout
