"""Shared-fate groups: components with the same provider, MCP server, service or environment."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.graph.model import Component, Graph
from agentguard.kernel.errors import NotFoundError


class UnknownGroupError(NotFoundError):
    """No component belongs to this group."""

    code = "unknown-group"

    def __init__(self, wanted: str, known: tuple[str, ...]) -> None:
        there = ", ".join(known[:20]) or "none"
        super().__init__(f"No components of this graph share {wanted!r}. Known groups: {there}.")
        self.known = known

    @property
    def extensions(self) -> dict[str, object]:
        return {"groups": list(self.known)}


def members(graph: Graph, group: str) -> tuple[str, ...]:
    """Return the ids of a group's components, ignoring case.

    Groups are `provider:NAME`, `server:NAME`, `service:NAME` and `environment:NAME`. Raises
    UnknownGroupError with the known groups.
    """
    found = tuple(
        c.id for c in graph.components if group.casefold() in {g.casefold() for g in _groups(c)}
    )
    if not found:
        raise UnknownGroupError(
            group, tuple(sorted({g for c in graph.components for g in _groups(c)}))
        )
    return found


def _groups(component: Component) -> Iterator[str]:
    yield from (f"provider:{name}" for name in component.providers)
    yield from (f"service:{name}" for name in component.services)
    if component.server:
        yield f"server:{component.server}"
    if component.environment:
        yield f"environment:{component.environment}"
