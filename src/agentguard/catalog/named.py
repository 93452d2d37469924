"""Which components the references of a catalog mean."""

from __future__ import annotations

from agentguard.catalog.matching import Matches
from agentguard.catalog.model import Entry, Reference
from agentguard.graph.model import Component, Graph


class Named:
    """The names by which entries refer to the components of a graph."""

    def __init__(self, graph: Graph, matches: Matches) -> None:
        self.components = {c.id: c for c in graph.components}
        self._names = {
            m.component: _names(self.components[m.component], m.entry) for m in matches.components
        }

    def means(self, reference: Reference, target: Component) -> bool:
        """Return whether the reference means this component.

        By id, with or without the environment, or by name and optional kind.
        """
        if reference.text == target.id:
            return True
        names = self._names.get(target.id, frozenset())
        if reference.kind is None:
            return reference.text.casefold() in names
        return reference.kind is target.kind and reference.name.casefold() in names


def _names(c: Component, entry: Entry | None) -> frozenset[str]:
    declared = (entry.id, entry.name, *(other.name for other in entry.also)) if entry else ()
    on_server = f"{c.server}/{c.name}" if c.server else None
    texts = (
        c.id,
        c.id.removeprefix(f"{c.environment}/".casefold()),
        c.name,
        on_server,
        *c.spellings,
        *declared,
    )
    return frozenset(text.casefold() for text in texts if text is not None)
