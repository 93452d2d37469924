"""The documentation agrees with the tree and the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer

from agentguard.adapters.sql.tables import metadata
from agentguard.cli.main import app
from scripts.database import PROMISED
from scripts.markdown import table
from scripts.matrix import PASSED
from scripts.reference import DOCS, PAGES, commands, help_text

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("tests/**/*.md"),
        *ROOT.glob("demo/**/*.md"),
    ]
)
HAND_WRITTEN = [page for page in DOCS.glob("*.md") if page.name not in PAGES]
COMMANDS = set(commands(typer.main.get_group(app)))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
NAMED_PATH = re.compile(r"`((?:src|tests|docs|scripts|benchmarks|demo|lab|clients|\.ci)/[\w./-]*)`")
NOT_IN_GIT = {PASSED.as_posix(), "src/agentguard/_ui"}
"""Written by a whole run of the tests, and by the build of the UI."""
NAMED_MODULE = re.compile(r"`([\w./-]+\.py)`")
PACKAGE = ROOT / "src" / "agentguard"
ABOUT_MODULES = [ROOT / "ARCHITECTURE.md", *sorted(ROOT.glob("docs/**/*.md"))]


def prose(document: Path) -> str:
    return FENCE.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+\s+(.+)$", prose(document), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(prose(document)):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, anchor = unquote(link).partition("#")
        path = document.parent / target if target else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_named_paths_exist(document: Path) -> None:
    named = set(NAMED_PATH.findall(document.read_text())) - NOT_IN_GIT

    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize(
    "document", ABOUT_MODULES, ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_named_modules_exist(document: Path) -> None:
    names = set(NAMED_MODULE.findall(document.read_text()))

    assert sorted(name for name in names if not is_module(name)) == []


def is_module(name: str) -> bool:
    """Return whether the file exists, named from the checkout, from the package or by its name."""
    if "/" in name:
        return (ROOT / name).exists() or (PACKAGE / name).exists()
    return any(PACKAGE.rglob(name))


def test_the_architecture_fits_on_a_few_pages() -> None:
    assert (ROOT / "ARCHITECTURE.md").read_text().count("\n") < 200


@pytest.mark.parametrize("page", PAGES)
def test_generated_pages_are_current(page: str) -> None:
    assert (DOCS / page).read_text() == PAGES[page](), "run `make docs`"


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_generated_table_has_as_many_cells_as_its_head(page: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", prose(DOCS / page), re.MULTILINE)

    for lines in (found.splitlines() for found in tables):
        assert lines[1].replace("-", "").replace("|", "").strip() == ""
        assert {(line[-1], cells(line)) for line in lines} == {("|", cells(lines[0]))}


def cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_cells_may_hold_pipes_and_line_breaks() -> None:
    lines = table(("a", "b"), [("x | y", "one\n  two"), ("", "z")])

    assert lines == ["| a | b |", "| --- | --- |", r"| x \| y | one two |", "| | z |"]


@pytest.mark.parametrize("name", PROMISED)
def test_promised_tables_keep_their_columns(name: str) -> None:
    assert (
        list(PROMISED[name])
        == [c.name for c in metadata.tables[name].columns][: len(PROMISED[name])]
    )


def printed_commands() -> list[tuple[str, str]]:
    """Return the document and the text of each line in a code block that runs `agentguard`."""
    return [
        (document.name, line.partition(" #")[0].partition(" > ")[0].strip())
        for document in (ROOT / "README.md", *HAND_WRITTEN)
        for block in FENCE.findall(document.read_text())
        for line in block.splitlines()
        if line.startswith("agentguard ")
    ]


@pytest.mark.parametrize(("document", "line"), printed_commands())
def test_printed_commands_exist_with_the_options_that_they_name(document: str, line: str) -> None:
    words = shlex.split(line)[1:]
    command = next(words[:size] for size in (2, 1) if tuple(words[:size]) in COMMANDS)
    options = {word for word in words if re.match("--?[a-z]", word)}

    assert options <= set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", help_text(command)))


def test_every_command_is_in_the_readme() -> None:
    rows = re.findall(r"^\| `agentguard (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert sorted(rows) == sorted(words[0] for words in COMMANDS if len(words) == 1)
