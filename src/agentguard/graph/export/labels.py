"""Labels of nodes and edges in pictures."""

from __future__ import annotations

from agentguard.graph.export.sanitizing import printable, shorten
from agentguard.graph.model import Dependency

_LIMIT = 60


def label(name: str) -> str:
    """Return a name safe to show, the middle of a long one left out."""
    return shorten(printable(name), _LIMIT)


def edge_label(d: Dependency) -> str:
    """Return a dependency's type and counts."""
    calls = f"{d.type.value} ×{d.calls}"
    return f"{calls}, {d.errors} failed" if d.errors else calls
