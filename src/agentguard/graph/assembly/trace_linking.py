"""Findings link_traces over all traces.

Links between traces followed, unnamed model calls named, runs told apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from agentguard.compute.arrays import factorize, hash_rows
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.discovery.naming import Identity, undated
from agentguard.discovery.partial import I64, Calls, LinkEnd, Mask, Partial, Proof
from agentguard.graph.assembly.peers import recognise

TYPES = tuple(DependencyType)
SAME_CALLER = "same-caller"
"""The rule by which a call without a model's name gets one."""


@dataclass(slots=True)
class LinkedCalls:
    """All calls, with what follows from seeing them together. Arrays over n rows."""

    calls: Calls
    identities: list[Identity]
    component: I64
    """(n,) code of the callee's identity"""
    run: I64
    """(n,) row of the entry that starts this row's run; -1: it belongs to no run"""
    depth: I64
    """(n,) callers above"""
    lost: Mask
    """(n,) for entries: whether the run failed, by itself or with the last that it was handed or
    sent to
    """
    within: I64
    """(n,) row of the nearest entry above: as run, but a nested workflow's own entry for what it
    started
    """


def link_traces(partial: Partial) -> LinkedCalls:
    """Follow the links, name what can be named, and assign every row to its run."""
    calls = partial.calls
    _join_workflows(partial)
    _follow_links(partial)
    recognise(partial)
    by_id: dict[str, int] = {}
    codes = [by_id.setdefault(sighting.identity.id, len(by_id)) for sighting in partial.sightings]
    component = np.array(codes, np.int64)[calls.sighting] if codes else np.zeros(0, np.int64)
    _name_models(partial, component)
    component, by_id = _used(component, by_id)
    top, depth = _tops(calls.source)
    run = _runs(calls, top)
    return LinkedCalls(
        calls,
        _commonest(partial, by_id),
        component,
        run,
        depth,
        _lost(calls, run),
        _within(calls, run),
    )


def _follow_links(partial: Partial) -> None:
    calls = partial.calls
    ends = {(end.trace, end.span): end for end in partial.link_ends}
    linked = {
        start.row: (start, ends[start.to_trace, start.to_span])
        for start in partial.link_starts
        if (start.to_trace, start.to_span) in ends
    }
    for row, (_, end) in linked.items():
        calls.source[row] = end.row
    _cut_cycles(calls, linked.keys())
    linked = {row: both for row, both in linked.items() if calls.source[row] >= 0}
    found = {row: _caller(partial, row, end) for row, (_, end) in linked.items()}
    for row, (caller, via) in found.items():
        calls.source[row] = caller
        calls.type[row] = TYPES.index(
            DependencyType.MESSAGING if linked[row][0].messaging else DependencyType.DELEGATES
        )
        calls.proof[row] = Proof.LINK
        if via is not None and calls.via[row] < 0:
            calls.via[row] = _via(partial, via)
    trace, _ = factorize(hash_rows(calls.trace[:, 0], calls.trace[:, 1]))
    calls.entry[np.isin(trace, trace[list(linked)])] = -1


def _caller(partial: Partial, row: int, end: LinkEnd) -> tuple[int, str | None]:
    """Return the row that started this one over a link, and what lies between.

    For an agent, the agent above a tool.
    """
    calls, at, via = partial.calls, end.row, end.via
    if partial.sightings[calls.sighting[row]].identity.kind is not ComponentKind.AGENT:
        return at, via
    while (
        who := partial.sightings[calls.sighting[at]].identity
    ).kind is ComponentKind.TOOL and calls.source[at] >= 0:
        at, via = int(calls.source[at]), via or f"tool:{who.name}"
    return at, via


def _via(partial: Partial, text: str) -> int:
    if text not in partial.vias:
        partial.vias.append(text)
    return partial.vias.index(text)


def _cut_cycles(calls: Calls, linked: Collection[int]) -> None:
    """Links may lead round in a circle.

    Of each circle, undo the link of the span that comes first by its ids.
    """
    seen = np.zeros(len(calls), np.bool_)
    for start in linked:
        path: dict[int, int] = {}
        at = start
        while at >= 0 and at not in path and not seen[at]:
            path[at] = len(path)
            at = int(calls.source[at])
        if at in path:
            circle = [row for row, place in path.items() if place >= path[at] and row in linked]
            cut = min(circle, key=lambda row: (calls.trace[row].tolist(), int(calls.span[row])))
            calls.source[cut] = -1
        seen[list(path)] = True


def _join_workflows(partial: Partial) -> None:
    """Names of one workflow that differ in case have one code, under the commonest spelling."""
    counts = np.bincount(
        partial.calls.entry[partial.calls.entry >= 0], minlength=len(partial.workflows)
    ).tolist()
    by_id: dict[str, list[int]] = defaultdict(list)
    for code, who in enumerate(partial.workflows):
        by_id[who.id].append(code)
    codes = np.full(len(partial.workflows) + 1, -1, np.int32)
    for joined_code, same in enumerate(by_id.values()):
        codes[same] = joined_code
    names = [
        min(same, key=lambda code: (-counts[code], partial.workflows[code].name))
        for same in by_id.values()
    ]
    partial.calls.entry = codes[partial.calls.entry]
    partial.workflows = [partial.workflows[code] for code in names]


def _name_models(partial: Partial, component: I64) -> None:
    """A failed model call often has no model name.

    It is the one that the same run used, or the only one that its caller uses.
    """
    calls = partial.calls
    identity = [s.identity for s in partial.sightings]
    is_model = np.array([i.kind is ComponentKind.MODEL for i in identity], np.bool_)
    named = np.array([i.identified for i in identity], np.bool_)
    unnamed_rows = (
        np.flatnonzero(is_model[calls.sighting] & ~named[calls.sighting] & (calls.source >= 0))
        if identity
        else np.zeros(0, np.int64)
    )
    if not len(unnamed_rows):
        return
    in_run: dict[int, Counter[int]] = defaultdict(Counter)
    by_caller: dict[int, Counter[int]] = defaultdict(Counter)
    for row in np.flatnonzero(
        is_model[calls.sighting] & named[calls.sighting] & (calls.source >= 0)
    ).tolist():
        source = int(calls.source[row])
        in_run[source][int(component[row])] += 1
        by_caller[int(component[source])][int(component[row])] += 1
    sighting_of = {
        int(component[row]): int(calls.sighting[row])
        for row in np.flatnonzero(is_model[calls.sighting] & named[calls.sighting]).tolist()
    }
    inferred: dict[int, int] = {}
    without_failure = _models_of_whole_traces(
        calls,
        component,
        unnamed_rows,
        np.flatnonzero(is_model[calls.sighting] & named[calls.sighting]),
    )
    for row in unnamed_rows.tolist():
        source = int(calls.source[row])
        caller = int(component[source])
        choices = (in_run[source], by_caller[caller], without_failure[caller])
        found = next((only for counts in choices if (only := _only(counts)) is not None), None)
        if found is not None:
            component[row] = found
            calls.sighting[row] = _inferred(partial, inferred, sighting_of[found])
            calls.proof[row] = Proof.SIBLING


def _models_of_whole_traces(
    calls: Calls, component: I64, unnamed: I64, named: I64
) -> dict[int, Counter[int]]:
    """Return, by caller, the models that it uses in traces without an unnamed failure.

    The others stand in after one.
    """
    broken = {calls.trace[row].tobytes() for row in unnamed.tolist()}
    found: dict[int, Counter[int]] = defaultdict(Counter)
    callers = {int(component[calls.source[row]]) for row in unnamed.tolist()}
    for row in named[calls.source[named] >= 0].tolist():
        caller = int(component[calls.source[row]])
        if caller in callers and calls.trace[row].tobytes() not in broken:
            found[caller][int(component[row])] += 1
    return found


def _only(counts: Counter[int]) -> int | None:
    return next(iter(counts)) if len(counts) == 1 else None


def _inferred(partial: Partial, inferred: dict[int, int], sighting: int) -> int:
    if sighting not in inferred:
        inferred[sighting] = len(partial.sightings)
        partial.sightings.append(
            replace(partial.sightings[sighting], rule=SAME_CALLER, proof=Proof.SIBLING)
        )
    return inferred[sighting]


def _tops(source: I64) -> tuple[I64, I64]:
    """Return the uppermost caller of each row, and how many callers stand above it."""
    top = np.where(source >= 0, source, np.arange(len(source)))
    depth = (source >= 0).astype(np.int64)
    while True:
        further = top[top]
        if (further == top).all():
            return top, depth
        depth = depth + depth[top]
        top = further


def _runs(calls: Calls, top: I64) -> I64:
    """A row belongs to the run that its uppermost caller starts, else to the run that its trace
    starts.
    """
    entries = np.flatnonzero((calls.entry >= 0) & (calls.source < 0))
    run = np.where(calls.entry[top] >= 0, top, -1) if len(top) else top
    by_trace = {calls.trace[row].tobytes(): row for row in entries.tolist()}
    for row in np.flatnonzero(run < 0).tolist():
        run[row] = by_trace.get(calls.trace[top[row]].tobytes(), -1)
    return run


def _lost(calls: Calls, run: I64) -> Mask:
    """A run fails with its entry.

    After handoffs and messages, with the one that received the last of them.
    """
    lost: Mask = calls.failed & (calls.entry >= 0)
    passes_on = np.array([not t.returns for t in TYPES] + [False], np.bool_)[calls.type]
    rows = np.flatnonzero(passes_on & calls.ran & (run >= 0))
    rows = rows[np.lexsort((calls.span[rows], calls.asked[rows], run[rows]))]
    last = np.ones(len(rows), np.bool_)
    last[:-1] = run[rows][1:] != run[rows][:-1]
    np.logical_or.at(lost, run[rows[last]], calls.failed[rows[last]])
    return lost


def _within(calls: Calls, run: I64) -> I64:
    at = calls.source.copy()
    while (further := (at >= 0) & (calls.entry[at] < 0)).any():
        at = np.where(further, calls.source[at], at)
    return np.where(at >= 0, at, run)


def _used(component: I64, by_id: dict[str, int]) -> tuple[I64, dict[str, int]]:
    """Drop the codes of components that no row shows."""
    used, component = np.unique(component, return_inverse=True)
    codes = {code: position for position, code in enumerate(used.tolist())}
    return component, {key: codes[code] for key, code in by_id.items() if code in codes}


def _commonest(partial: Partial, by_id: dict[str, int]) -> list[Identity]:
    """Return each component's identity under its commonest spelling.

    A model's undated name, where it was seen, goes before dated ones.
    """
    counts = np.bincount(partial.calls.sighting, minlength=len(partial.sightings)).tolist()
    votes: list[Counter[Identity]] = [Counter() for _ in by_id]
    for sighting, count in zip(partial.sightings, counts, strict=True):
        if count:
            votes[by_id[sighting.identity.id]][sighting.identity] += count
    return [
        min(
            vote,
            key=lambda who: (
                _is_dated(who),
                -vote[who],
                who.name,
                who.server or "",
                who.environment or "",
            ),
        )
        for vote in votes
    ]


def _is_dated(who: Identity) -> bool:
    return who.kind is ComponentKind.MODEL and undated(who.name) != who.name
