"""The examples are short, run to their end, and search."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def test_there_are_the_three_that_are_promised() -> None:
    assert {path.stem for path in EXAMPLES} >= {"plain_loop", "lightning_module", "hugging_face"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short_and_says_what_it_does(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 80
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_searches_somebody_elses_loop(path: Path, tmp_path: Path) -> None:
    """With fewer rounds than it has, which its own numbers hang on but not that it works."""
    code = (
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(path.parent)!r})\n"
        "import ada_segment\n"
        "search = ada_segment.search\n"
        "def short(*arguments, **settings):\n"
        "    settings |= {'rounds': 2, 'members': min(2, settings['members'])}\n"
        "    result = search(*arguments, **settings)\n"
        "    assert len(result.schedule) == 2 and result.best_state\n"
        "    print('searched', *result.schedule[-1])\n"
        "    return result\n"
        "ada_segment.search = short\n"
        f"runpy.run_path({str(path)!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "searched" in done.stdout
    assert re.search(r"\d+\.\d", done.stdout.splitlines()[-1])
