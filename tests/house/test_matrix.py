"""A change of what the kill and health matrices guard makes `.ci/run` run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.matrix import GUARDED, PASSED, ROOT, guarded_files, matches, tree_hash


def module(root: Path, name: str) -> Path:
    return root / name if (ROOT / name).is_file() else root / name / "module.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one module for each guarded name, for which the matrices passed."""
    for name in GUARDED:
        path = module(tmp_path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("A = 1\n")
    (tmp_path / PASSED).write_text(f"{tree_hash(tmp_path)}\n")
    return tmp_path


def test_every_guarded_name_is_there() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in guarded_files()]

    assert [name for name in GUARDED if not any(file.startswith(name) for file in files)] == []


def test_an_unchanged_checkout_matches(checkout: Path) -> None:
    (checkout / "README.md").write_text("Changed.\n")
    compiled = checkout / GUARDED[0] / "__pycache__"
    compiled.mkdir()
    (compiled / "module.pyc").write_bytes(b"compiled")

    assert matches(checkout)


@pytest.mark.parametrize("name", GUARDED)
def test_any_change_of_what_is_guarded_shows(checkout: Path, name: str) -> None:
    path = module(checkout, name)

    path.write_text("A = 2\n")
    assert not matches(checkout)
    path.write_text("A = 1\n")
    assert matches(checkout)
    path.unlink()
    assert not matches(checkout)


def test_a_checkout_without_a_hash_does_not_match(checkout: Path) -> None:
    (checkout / PASSED).unlink()

    assert not matches(checkout)
