"""What may stand in the repository's files."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path
from tempfile import gettempdir

import pytest

ROOT = Path(__file__).parents[2]
LARGEST_REPOSITORY_BYTES = 60_000_000

# Written in parts, so that this file does not hold what it looks for.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("golang", "org"),
        ("maven", "org"),
    )
)
INDEX_OPTIONS = tuple("--" + option for option in ("index-url", "extra-index-url", "find-links"))
MACHINE_PATH = re.compile(r"(?<![\w.~>}\])/-])/(?:root|home|Users|opt)/\w")
SIBLING = re.compile(r"(?<![\w./])\.\./(?P<name>[\w-]+)[\w./-]*")


def tracked() -> list[Path]:
    """Every file in the checkout that git keeps, as it is now."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [
        path
        for name in listing.stdout.decode().split("\0")
        if name and (path := ROOT / name).is_file()
    ]


@cache
def texts() -> dict[str, str]:
    """Tracked text files by name; recordings are data, and hold what the recorded systems wrote."""
    texts = {}
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("tests/data/") or "/demo_recording/" in name:
            continue
        raw = path.read_bytes()
        if b"\0" not in raw:
            texts[name] = raw.decode()
    return texts


def test_package_files_hold_a_docstring_and_nothing_else() -> None:
    statements = {
        name: ast.parse(text).body
        for name, text in texts().items()
        if name.startswith("src/") and name.endswith("__init__.py")
    }

    wrong = [
        n
        for n, body in statements.items()
        if len(body) != 1 or not isinstance(getattr(body[0], "value", None), ast.Constant)
    ]

    assert wrong == []
    assert statements


def test_no_file_names_a_package_registry() -> None:
    found = [
        (name, word)
        for name, text in texts().items()
        for word in (*REGISTRY_HOSTS, *INDEX_OPTIONS)
        if word in text
    ]

    assert found == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    found = [
        (name, match.group())
        for name, text in texts().items()
        for match in MACHINE_PATH.finditer(text)
    ]

    assert found == []


def test_machine_paths_are_recognised() -> None:
    home = "/" + "home/ada"

    assert MACHINE_PATH.search(f"open('{home}/x')")
    assert MACHINE_PATH.search(f"cd {home}")
    assert not MACHINE_PATH.search("https://example.org" + home)
    assert not MACHINE_PATH.search("docs" + home)


def test_no_file_names_a_neighbour_of_the_checkout() -> None:
    neighbours = {path.name for path in ROOT.parent.iterdir()} - {ROOT.name}
    found = [
        (name, path) for name, text in texts().items() for path in outside(name, text, neighbours)
    ]

    assert found == []


def outside(name: str, text: str, neighbours: set[str]) -> list[str]:
    """Return the paths in a file that lead to something beside the checkout."""
    relative = [
        match.group()
        for match in SIBLING.finditer(text)
        if match["name"] in neighbours and not (ROOT / name).parent.joinpath(match.group()).exists()
    ]
    parent = f"{ROOT.parent}/"
    shared = ROOT.parent in (Path("/"), Path(gettempdir()))
    return relative + ([parent] if not shared and parent in text else [])


def test_neighbours_of_the_checkout_are_recognised() -> None:
    up = "../"

    assert outside("docs/a.md", f"see {up}there/x", {"there"}) == [f"{up}there/x"]
    assert outside("docs/a.md", f"see {up}README.md", {"README"}) == []
    assert outside("docs/a.md", f"see {up}there", {"elsewhere"}) == []


def test_the_repository_stays_small() -> None:
    assert sum(path.stat().st_size for path in tracked()) < LARGEST_REPOSITORY_BYTES
