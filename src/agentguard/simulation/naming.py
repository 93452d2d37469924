"""What sentences call components and workflows."""

from __future__ import annotations

from collections import Counter

from agentguard.graph.export.sanitizing import shorten
from agentguard.graph.model import Graph

_WIDTH = 40


def names_of(graph: Graph) -> dict[str, str]:
    """Return, by id, the name of each component and workflow, or the id where names repeat.

    Names of components that differ only in case count as one. Long ones lose their middle.
    """
    bearers = Counter(c.name.casefold() for c in graph.components)
    found = {
        c.id: c.name if c.name and bearers[c.name.casefold()] == 1 else c.id
        for c in graph.components
    } | {w.id: w.name for w in graph.workflows}
    return {id_: shorten(name, _WIDTH) for id_, name in found.items()}
