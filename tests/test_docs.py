"""What the documents show works: their Python runs, their commands parse, their links lead somewhere."""

import re
import shlex
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import tables

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


PYTHON = [(document, block) for document in DOCUMENTS for block in blocks(document, "python")]
COMMANDS = sorted(
    {
        line.split("#")[0].strip()
        for document in DOCUMENTS
        for block in blocks(document, "sh")
        for line in block.splitlines()
        if line.startswith("ada-segment ")
    }
)


@pytest.mark.parametrize(("document", "code"), PYTHON, ids=[f"{d.name}-{i}" for i, (d, _) in enumerate(PYTHON)])
def test_python_runs(document: Path, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, f"{document.name}, a Python block", "exec"), {"__name__": "__main__"})


def test_the_members_code_is_as_short_as_the_readme_promises() -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    body = code[code.index("class") : code.index("result =")].strip().splitlines()
    assert len(body) <= 20


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_have_the_flags_they_use(command: str) -> None:
    from typer.main import get_command

    from ada_segment.cli import app

    words = shlex.split(command)[1:]
    found = get_command(app)
    while words and words[0] in getattr(found, "commands", {}):
        found = found.commands[words.pop(0)]  # type: ignore[attr-defined]
    flags = {flag for parameter in found.params for flag in parameter.opts}
    used = {word.split("=")[0] for word in words if word.startswith("--")}
    assert used <= flags | {"--help"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_make_targets_exist(document: Path) -> None:
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)\b", " ".join(re.findall(r"`[^`]*`", document.read_text())))) <= rules


@pytest.mark.parametrize("name", tables.BLOCKS)
def test_tables_are_those_of_the_results(name: str) -> None:
    document = tables.DOCS / name
    made = tables.rewritten(document, tables.BLOCKS[name])
    assert made == document.read_text(), "it is older than benchmarks/results; run python benchmarks/tables.py"


def test_a_page_stands_once_in_the_navigation() -> None:
    source = (ROOT / "docs" / "site_pages.py").read_text()
    names: dict[str, tuple[str, ...]] = {}
    exec(compile(source, "site_pages.py", "exec"), names)  # type: ignore[arg-type]
    listed = [*names["ORDER"], *names["LAST"]]
    assert len(listed) == len(set(listed))
    assert [page for page in listed if not (ROOT / "docs" / page).exists()] == []
