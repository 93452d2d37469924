"""Shared-fate groups: components with the same provider, MCP server, service or environment."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.graph.model import Component, Graph
from agentguard.kernel.errors import NotFoundError

_NAMED = 20


class UnknownGroupError(NotFoundError):
    """No component is in this shared-fate group."""

    code = "unknown-group"

    def __init__(self, wanted: str, known: tuple[str, ...]) -> None:
        there = ", ".join(known[:_NAMED]) or "none"
        super().__init__(f"No component is in the group {wanted!r}. Groups in this graph: {there}.")
        self.known = known

    @property
    def extensions(self) -> dict[str, object]:
        return {"groups": list(self.known)}


_SHARED = ("provider", "server", "service", "environment")


def is_group(text: str) -> bool:
    """Return whether the text has the form of a group, such as `provider:NAME`."""
    return text.partition(":")[0].casefold() in _SHARED and ":" in text


def members(graph: Graph, group: str) -> tuple[str, ...]:
    """Return the ids of the components in a group.

    Written `provider:NAME`, `server:NAME`, `service:NAME` or `environment:NAME`; case is ignored.
    Raises UnknownGroupError with the groups of the graph.
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
