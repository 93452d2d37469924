"""What exports show of components beside the graph itself, and how they group them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import View
from agentguard.graph.model import Component

_HOSTED = frozenset(
    {
        ComponentKind.AGENT,
        ComponentKind.TOOL,
        ComponentKind.MCP_SERVER,
        ComponentKind.SERVICE,
        ComponentKind.WORKFLOW,
    }
)
"""Kinds that run in a service; models, datastores, queues and externals are only called from it."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Findings and declarations that an export shows; None where they are not known."""

    shadows: Collection[str] | None = None
    """Ids of shadow agents; None without a catalog."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Component id → owner."""
    spofs: Collection[str] | None = None
    """Ids of single points of failure; None without an analysis."""

    def shadow(self, c: Component) -> bool | None:
        """Return whether the component is a shadow agent."""
        return None if self.shadows is None else c.id in self.shadows

    def spof(self, c: Component) -> bool | None:
        """Return whether the component is a single point of failure."""
        return None if self.spofs is None else c.id in self.spofs

    def notes(self, c: Component) -> list[str]:
        """Return what stands below the name in a picture."""
        owner = self.owners.get(c.id)
        return [
            *(["shadow agent"] if self.shadow(c) else []),
            *(["single point of failure"] if self.spof(c) else []),
            *([f"owner: {owner}"] if owner else []),
        ]


NO_MARKS = Marks()


def marks(view: View, spofs: Iterable[str] | None = None) -> Marks:
    """Return the marks of a view (see catalog.views) and of an analysis."""
    owners = {
        component: str(declared["owner"])
        for component, declared in view.declared.items()
        if declared.get("owner")
    }
    shadows = None if view.shadows is None else frozenset(view.shadows)
    return Marks(shadows, owners, None if spofs is None else frozenset(spofs))


def service_of(c: Component) -> str | None:
    """Return the one service that the component runs in; None where it is not exactly one."""
    return c.services[0] if c.kind in _HOSTED and len(c.services) == 1 else None


def clusters(components: Iterable[Component]) -> dict[str | None, list[Component]]:
    """Return the components by service, services in order; those of no single service last."""
    found: dict[str | None, list[Component]] = {}
    for c in components:
        found.setdefault(service_of(c), []).append(c)
    return dict(sorted(found.items(), key=lambda item: (item[0] is None, item[0] or "")))
