"""Components that fail together: one provider, one MCP server, one service, one environment."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.graph.model import Component, Graph
from agentguard.kernel.errors import NotFoundError


class UnknownGroupError(NotFoundError):
    """No components share this."""

    code = "unknown-group"

    def __init__(self, wanted: str, known: tuple[str, ...]) -> None:
        there = ", ".join(known[:20]) or "none"
        super().__init__(
            f"No components of this graph share {wanted!r}. Groups that there are: {there}."
        )
        self.known = known

    @property
    def extensions(self) -> dict[str, object]:
        return {"groups": list(self.known)}


def members(graph: Graph, group: str) -> tuple[str, ...]:
    """Return the ids of the components in a group, written `provider:NAME`, `server:NAME`,
    `service:NAME` or `environment:NAME`.

    Case is ignored. Raises UnknownGroupError with the groups that there are.
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
