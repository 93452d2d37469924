"""The single points of failure of each workflow, as a series of which the roots matter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from agentguard.analysis.model import Root, Series, Spof, SpofWorkflow
from agentguard.compute.digraphs import Condensation, condensation
from agentguard.graph.hosting import hosts_of
from agentguard.graph.model import Graph
from agentguard.simulation.spares import Spared
from agentguard.simulation.structural import Structure

SAME_LOSS = 1.1
"""A caller only inherits a callee's fate if its own outage loses at most this many times as much.

What loses more fails in more ways than with that callee.
"""


def series(
    graph: Graph,
    s: Structure,
    found: Sequence[Spof],
    spared: Spared,
    structural_only: Mapping[str, tuple[str, ...]],
) -> tuple[Series, ...]:
    """Return the series of every workflow that has one, the one that loses most runs first.

    In a series, a component that needs another one of it, without alternative, and loses no more
    than that one only inherits its fate: it is listed below the root that it ends at. What depends
    on each other has one root: the component that loses most. Entries are apart: their outage is
    that of the workflow.
    """
    needs = _sole_needs(graph, s)
    rows: dict[str, list[tuple[Spof, SpofWorkflow]]] = {}
    for spof in found:
        for w in spof.workflows:
            rows.setdefault(w.workflow, []).append((spof, w))
    names = {w.id: w for w in graph.workflows}
    every = (
        _series(rows[w], needs, spared, structural_only.get(w, ()))
        for w in sorted(rows)
        if w in names
    )
    return tuple(sorted(every, key=lambda found: (-most_lost(found), found.workflow)))


def most_lost(found: Series) -> float:
    """Return the runs that the workflow loses with the worst of its single points of failure."""
    return max((root.runs_lost or 0.0 for root in found.roots), default=0.0)


def _series(
    rows: Sequence[tuple[Spof, SpofWorkflow]],
    needs: Mapping[str, Collection[str]],
    spared: Spared,
    structural_only: tuple[str, ...],
) -> Series:
    _, first = rows[0]
    parts = {spof.component: (spof, w) for spof, w in rows if not w.is_entry}
    roots = [
        _root(*parts[root], inherits - {root}, _saved(spared, root, first.workflow))
        for root, inherits in _folded(parts, needs).items()
    ]
    return Series(
        workflow=first.workflow,
        name=first.name,
        entry=first.entry,
        root=first.root,
        runs_seen=first.runs_seen,
        runs_failed=first.runs_failed,
        entries=tuple(sorted(spof.component for spof, w in rows if w.is_entry)),
        roots=tuple(sorted(roots, key=lambda r: (-(r.runs_lost or 0.0), r.component))),
        structural_only=structural_only,
    )


def _root(spof: Spof, w: SpofWorkflow, inherits: Iterable[str], saved: float | None) -> Root:
    return Root(
        spof.component,
        spof.name,
        spof.kind,
        w.runs_lost,
        w.share,
        saved,
        tuple(sorted(inherits)),
        spof.evidence,
    )


def _saved(spared: Spared, component: str, workflow: str) -> float | None:
    found = spared.saved.get(component)
    return None if found is None else found.get(workflow, 0.0)


def _folded(
    parts: Mapping[str, tuple[Spof, SpofWorkflow]], needs: Mapping[str, Collection[str]]
) -> dict[str, set[str]]:
    """Return the roots, each with itself and the components that only inherit its fate.

    A component below several roots is listed below the one that loses most.
    """
    ids, lost = sorted(parts), {c: w.runs_lost or 0.0 for c, (_, w) in parts.items()}
    parted, below = _condensed(len(ids), _inherited(ids, lost, needs))
    root_of: dict[int, str] = {}
    found: dict[str, set[str]] = {}
    for number, members in enumerate(parted.members):
        own = {ids[m] for m in members}
        ends = {root_of[c] for c in below[number]} or own
        root = root_of[number] = max(ends, key=lambda c: (lost[c], c))
        found.setdefault(root, set()).update(own)
    return found


def _condensed(
    size: int, edges: Sequence[tuple[int, int]]
) -> tuple[Condensation, defaultdict[int, set[int]]]:
    """Return the strongly connected components, and those that each leads to directly."""
    parted, below = condensation(size, edges), defaultdict[int, set[int]](set)
    for caller, callee in edges:
        above, under = parted.component_of[caller], parted.component_of[callee]
        if above != under:
            below[above].add(under)
    return parted, below


def _inherited(
    ids: Sequence[str], lost: Mapping[str, float], needs: Mapping[str, Collection[str]]
) -> list[tuple[int, int]]:
    """Return (caller, callee) by place in `ids` where the caller loses no more than the callee."""
    place = {component: number for number, component in enumerate(ids)}
    return [
        (place[caller], place[callee])
        for caller in ids
        for callee in needs.get(caller, ())
        if callee in place and callee != caller and lost[caller] <= SAME_LOSS * lost[callee]
    ]


def _sole_needs(graph: Graph, s: Structure) -> dict[str, set[str]]:
    """Return the components without which each component fails: callees and its only host."""
    found = {
        component: set(hosts) for component, hosts in hosts_of(graph).items() if len(hosts) == 1
    }
    size = len(s.components)
    for owner, members in zip(s.needs.owners, s.needs.members, strict=True):
        if owner < size and len(members) == 1:
            found.setdefault(s.components[owner], set()).add(s.label(members[0]))
    return found
