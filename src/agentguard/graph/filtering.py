"""Filters of a graph, in the order they want."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import View
from agentguard.graph.hosting import at_level
from agentguard.graph.latency import quantile
from agentguard.graph.level import Level
from agentguard.graph.model import Component, Dependency, Graph, Workflow
from agentguard.graph.sorting import SortKey
from agentguard.kernel.errors import InvalidInputError

T = TypeVar("T")
Measure: TypeAlias = float | None
"""None sorts last."""


class NoCatalogError(InvalidInputError):
    """A filter needs a catalog, and none is set."""

    code = "no-catalog"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The filter {name!r} needs a catalog. Set AGENTGUARD_CATALOG, or give --catalog;"
            " `agentguard catalog init` writes one."
        )


class GraphTooLargeError(InvalidInputError):
    """An answer would list more than one response may."""

    code = "graph-too-large"

    def __init__(self, items: int, most: int) -> None:
        super().__init__(
            f"The answer would list {items:,} components, dependencies, fallbacks and workflows;"
            f" the limit is {most:,} (AGENTGUARD_MAX_ANSWER_ITEMS). Narrow it, for example with"
            " `kind`, `owner` or `top`."
        )


@dataclass(frozen=True, slots=True)
class GraphFilter:
    """Which components are shown, in which order; every condition must hold."""

    kinds: tuple[ComponentKind, ...] = ()
    """Empty: every kind."""
    errors: bool = False
    """Only components, dependencies and workflows with failures."""
    shadow: bool = False
    """Only shadow agents."""
    owner: str | None = None
    """Only what the catalog declares with this owner (case ignored)."""
    sort: SortKey | None = None
    """None: the document's own order."""
    top: int | None = None
    """At most so many of each list."""
    level: Level | None = None
    """None: lists have services and the agents in them, findings have agents."""


NO_FILTER = GraphFilter()


def check_size(part: Graph, most: int) -> None:
    """Raise GraphTooLargeError if the graph has more items than an answer may list."""
    lists = (
        part.components,
        part.dependencies,
        part.runs_in,
        part.fallbacks,
        part.workflows,
        part.broken_hops,
    )
    items = sum(map(len, lists))
    if items > most:
        raise GraphTooLargeError(items, most)


def filtered(graph: Graph, view: View, wanted: GraphFilter) -> Graph:
    """Return the graph with only the wanted components, sorted and cut as wanted.

    Dependencies, fallbacks and workflows stay where a wanted component takes part in them, so the
    other end of a dependency may be missing from the components. Coverage stays whole. Raises
    NoCatalogError.
    """
    _check(view, wanted)
    if wanted == NO_FILTER:
        return graph
    graph = graph if wanted.level is None else at_level(graph, wanted.level)
    components = [c for c in graph.components if _holds(c, view, wanted)]
    kept = {c.id for c in components}
    dependencies, workflows = _touching(graph, kept, wanted)
    fallbacks = [f for f in graph.fallbacks if kept & {f.owner, f.primary, f.secondary}]
    runs_in = [h for h in graph.runs_in if kept & {h.component, h.host}]
    return replace(
        graph,
        components=_first(components, _name, _COMPONENT, wanted),
        dependencies=_first(dependencies, _ends(graph), _DEPENDENCY, wanted),
        fallbacks=tuple(fallbacks[: wanted.top]),
        workflows=_first(workflows, _name, _WORKFLOW, wanted),
        runs_in=tuple(runs_in[: wanted.top]),
        broken_hops=graph.broken_hops[: wanted.top],
    )


def _touching(
    graph: Graph, kept: set[str], wanted: GraphFilter
) -> tuple[list[Dependency], list[Workflow]]:
    """Return the dependencies and workflows in which one of these components takes part."""
    dependencies = [d for d in graph.dependencies if kept & {d.source, d.target}]
    workflows = [w for w in graph.workflows if kept & {w.root_component, w.entry}]
    if not wanted.errors:
        return dependencies, workflows
    return [d for d in dependencies if d.errors], [w for w in workflows if w.failed]


def _ends(graph: Graph) -> Callable[[Dependency], str]:
    """Return what sorts dependencies by the names of caller and callee."""
    names = {c.id: c.name.casefold() for c in graph.components}
    return lambda d: f"{names.get(d.source, '')}\0{names.get(d.target, '')}"


def with_neighbors(graph: Graph, part: Graph) -> Graph:
    """Return a filtered part of the graph with both ends of each of its dependencies."""
    ends = {end for d in part.dependencies for end in (d.source, d.target)}
    ends |= {end for f in part.fallbacks for end in (f.owner, f.primary, f.secondary)}
    ends |= {end for w in part.workflows for end in (w.root_component, w.entry)}
    known = {c.id for c in part.components}
    more = tuple(c for c in graph.components if c.id in ends - known)
    return replace(part, components=(*part.components, *more))


def _check(view: View, wanted: GraphFilter) -> None:
    """Raise NoCatalogError where a condition needs a catalog and there is none."""
    if view.shadows is not None:
        return
    if wanted.shadow:
        raise NoCatalogError("shadow")
    if wanted.owner is not None:
        raise NoCatalogError("owner")


def _holds(c: Component, view: View, wanted: GraphFilter) -> bool:
    return (
        (not wanted.kinds or c.kind in wanted.kinds)
        and (not wanted.errors or c.errors > 0)
        and (not wanted.shadow or c.id in (view.shadows or ()))
        and (wanted.owner is None or _owner(c, view) == wanted.owner.casefold())
    )


def _owner(c: Component, view: View) -> str | None:
    owner = view.declared.get(c.id, {}).get("owner")
    return None if owner is None else str(owner).casefold()


def _first(
    found: Iterable[T],
    name: Callable[[T], str],
    measures: dict[SortKey, Callable[[T], Measure]],
    wanted: GraphFilter,
) -> tuple[T, ...]:
    """Return what was found, sorted and cut as wanted; equal ones stay in order."""
    ordered = list(found)
    if wanted.sort is SortKey.NAME:
        ordered.sort(key=name)
    elif wanted.sort in measures:
        measure = measures[wanted.sort]
        ordered.sort(key=lambda each: _descending(measure(each)))
    return tuple(ordered[: wanted.top])


def _descending(measure: Measure) -> float:
    return float("inf") if measure is None else -measure


def _name(each: Component | Workflow) -> str:
    return each.name.casefold()


_COMPONENT: dict[SortKey, Callable[[Component], Measure]] = {
    SortKey.CALLS: lambda c: c.invocations,
    SortKey.ERRORS: lambda c: c.errors,
    SortKey.P95: lambda c: quantile(c.latency, 0.95),
    SortKey.TOKENS: lambda c: c.input_tokens + c.output_tokens,
    SortKey.LAST_SEEN: lambda c: c.last_seen,
}
_DEPENDENCY: dict[SortKey, Callable[[Dependency], Measure]] = {
    SortKey.CALLS: lambda d: d.calls,
    SortKey.ERRORS: lambda d: d.errors,
    SortKey.P95: lambda d: quantile(d.latency, 0.95),
    SortKey.TOKENS: lambda d: d.input_tokens + d.output_tokens,
    SortKey.LAST_SEEN: lambda d: d.last_seen,
}
_WORKFLOW: dict[SortKey, Callable[[Workflow], Measure]] = {
    SortKey.CALLS: lambda w: w.runs,
    SortKey.ERRORS: lambda w: w.failed,
    SortKey.LAST_SEEN: lambda w: w.last_seen,
}
