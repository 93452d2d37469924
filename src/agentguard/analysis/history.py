"""The risk of one component in the stored versions of a dataset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from agentguard.accounts.principal import Permission, Principal
from agentguard.graph.documents import origin_of
from agentguard.graph.errors import NoGraphError
from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.selection import GraphSelection, GraphSelector, SelectedGraph
from agentguard.graph.storage.store import GraphVersion

MOST_VERSIONS = 100
"""Each version that is not in a cache is analysed anew."""
_NAMED = 20

Analyse: TypeAlias = Callable[[SelectedGraph], Awaitable[Mapping[str, Any]]]
"""Returns the document of AnalysisService.analyze of a graph; may remember it."""


class Versions(Protocol):
    """Where stored versions are listed and read; see graph.storage.versions.Graphs."""

    async def newest_ids(self, dataset: str, most: int) -> tuple[str, ...]:
        """Return the ids of the newest versions of the dataset, newest first."""

    async def get(self, version_id: str) -> GraphVersion:
        """Return this version; raise NoGraphError if it is not kept."""


@dataclass(frozen=True, slots=True)
class RiskHistory:
    """How a risk came to be what it is, as far back as versions are kept."""

    selector: GraphSelector
    versions: Versions

    async def of(
        self, actor: Principal, name: str, dataset: str | None, most: int, analyse: Analyse
    ) -> dict[str, Any]:
        """Return the document: one point per version, oldest first.

        `name` is resolved in the newest version. Nothing is interpolated, and where the component
        is not in a version the score is None. Takes as long as the analyses. Raises
        PermissionDeniedError, NoGraphError, UnknownComponentError, AmbiguousComponentError.
        """
        actor.require(Permission.READ)
        newest = await self.selector.select(GraphSelection(dataset))
        component = resolve(newest.graph, name)
        points, before = list[dict[str, Any]](), None
        for selected in [*await self._earlier(newest, most - 1), newest]:
            points.append(await _point(selected, component.id, before, analyse))
            before = selected.graph
        return {
            "dataset": newest.dataset,
            "id": component.id,
            "name": component.name,
            "points": points,
        }

    async def _earlier(self, newest: SelectedGraph, most: int) -> list[SelectedGraph]:
        """Return the versions before the newest, oldest first; one may be deleted meanwhile."""
        found = list[SelectedGraph]()
        for version_id in await self.versions.newest_ids(newest.dataset, most + 1):
            if version_id != newest.version and len(found) < most:
                try:
                    found.append(SelectedGraph.of(await self.versions.get(version_id)))
                except NoGraphError:
                    continue
        return found[::-1]


async def _point(
    selected: SelectedGraph, component: str, before: Graph | None, analyse: Analyse
) -> dict[str, Any]:
    every = await analyse(selected)
    risk = next((each for each in every["risks"] if each["id"] == component), None)
    now = _dependencies(selected.graph, component)
    earlier = now if before is None else _dependencies(before, component)
    origin = origin_of(selected)
    return {
        "graph_version": origin["graph_version"],
        "created_at": origin["created_at"],
        "window": origin["window"],
        "present": any(c.id == component for c in selected.graph.components),
        "score": None if risk is None else risk["score"],
        "score_low": None if risk is None else risk["score_low"],
        "score_high": None if risk is None else risk["score_high"],
        "risk_version": every["risk_version"],
        "appeared": _named(now - earlier),
        "gone": _named(earlier - now),
    }


def _dependencies(graph: Graph, component: str) -> set[tuple[str, str]]:
    return {(d.source, d.target) for d in graph.dependencies if component in (d.source, d.target)}


def _named(pairs: set[tuple[str, str]]) -> dict[str, Any]:
    shown: Sequence[tuple[str, str]] = sorted(pairs)[:_NAMED]
    return {"total": len(pairs), "first": [{"source": s, "target": t} for s, t in shown]}
