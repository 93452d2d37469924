"""The risk of one component in the stored versions of a dataset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
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
"""Versions in one answer: analysing one that no cache has takes seconds if it is large."""
_NAMED = 20
"""Dependencies listed of those that appeared, and of those that went."""

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
    """The risk of a component in each kept version of a dataset."""

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
        async for selected in self._oldest_first(newest, most):
            points.append(await _point(selected, component.id, before, analyse))
            before = selected.graph
        return {
            "dataset": newest.dataset,
            "id": component.id,
            "name": component.name,
            "points": points,
        }

    async def _oldest_first(self, newest: SelectedGraph, most: int) -> AsyncIterator[SelectedGraph]:
        """Yield the newest versions, one in memory at a time; a version may be deleted meanwhile.

        That of `live` may not be stored yet, and is then not among the ids.
        """
        ids = await self.versions.newest_ids(newest.dataset, most)
        for version_id in reversed([each for each in ids if each != newest.version][: most - 1]):
            with suppress(NoGraphError):
                yield SelectedGraph.of(await self.versions.get(version_id))
        yield newest


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
    shown = [{"source": source, "target": target} for source, target in sorted(pairs)[:_NAMED]]
    return {"total": len(pairs), "first": shown}
