"""Shared-fate groups: components with the same provider, MCP server, service or environment.

A service's group is the service and what runs in it, not what it calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from agentguard.discovery.kinds import ComponentKind
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
    What also runs in another service than the group's is left out if the service itself is a
    component: the scenario is closed over hosting. Raises UnknownGroupError with the groups of the
    graph.
    """
    groups = _groups(graph)
    found = groups.get(group.casefold(), set())
    if not found:
        raise UnknownGroupError(group, tuple(sorted({_written(graph, name) for name in groups})))
    return tuple(c.id for c in graph.components if c.id in found)


def _groups(graph: Graph) -> dict[str, set[str]]:
    """Return the ids in each group, by its name in lower case."""
    found = defaultdict[str, set[str]](set)
    for c in graph.components:
        for name in _own_groups(c):
            found[name.casefold()].add(c.id)
    known = {c.id for c in graph.components}
    homes = Counter(hosting.component for hosting in graph.runs_in)
    for hosting in graph.runs_in:
        alone = homes[hosting.component] == 1 or hosting.host not in known
        if hosting.host_kind is ComponentKind.SERVICE and hosting.component in known and alone:
            found[f"service:{hosting.host_name}".casefold()].add(hosting.component)
    return found


def _own_groups(component: Component) -> Iterator[str]:
    yield from (f"provider:{name}" for name in component.providers)
    if component.kind is ComponentKind.SERVICE:
        yield f"service:{component.name}"
    if component.server:
        yield f"server:{component.server}"
    if component.kind is ComponentKind.MCP_SERVER:
        yield f"server:{component.name}"
    if component.environment:
        yield f"environment:{component.environment}"


def _written(graph: Graph, name: str) -> str:
    """Return a group's name as the graph spells it."""
    spelled = [n for c in graph.components for n in _own_groups(c)]
    spelled += [f"service:{h.host_name}" for h in graph.runs_in]
    return next((n for n in spelled if n.casefold() == name), name)
