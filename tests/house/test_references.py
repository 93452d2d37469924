"""Docstrings refer to modules and names that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "agentguard"
REFERENCE = re.compile(r"\b[Ss]ee ((?:[a-z_]+\.)+[A-Za-z_]+)\b(?!/)")


def references() -> list[str]:
    texts = (path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    return sorted({found for text in texts for found in REFERENCE.findall(text)})


def exists(reference: str) -> bool:
    """Return whether this is a module below agentguard, or a name in one."""
    module, _, name = reference.rpartition(".")
    try:
        importlib.import_module(f"agentguard.{reference}")
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(f"agentguard.{module}"), name)
    return True


@pytest.mark.parametrize("reference", references())
def test_every_reference_in_a_docstring_resolves(reference: str) -> None:
    assert exists(reference)


@pytest.mark.parametrize("stale", ["graph.storage.store.GraphStore", "graph.nothing"])
def test_a_stale_reference_is_noticed(stale: str) -> None:
    assert not exists(stale)
