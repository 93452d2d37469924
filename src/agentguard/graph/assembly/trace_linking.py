"""Trace linking: follows span links, names unnamed model calls and assigns calls to runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from agentguard.compute.arrays import factorize, hash_rows
from agentguard.discovery.kinds import TYPES, ComponentKind, DependencyType
from agentguard.discovery.messages import sent_message
from agentguard.discovery.naming import Identity, undated
from agentguard.discovery.partial import (
    I64,
    Calls,
    LinkEnd,
    LinkStart,
    Mask,
    Partial,
    Proof,
)
from agentguard.graph.assembly.peers import resolve_peers
from agentguard.ingest.attribute_selection import TOKENS

SAME_CALLER = "same-caller"
"""The rule that names a model call without a model name."""


@dataclass(slots=True)
class LinkedCalls:
    """All calls after linking; arrays over n rows."""

    calls: Calls
    identities: list[Identity]
    component: I64
    """(n,) code of the callee's identity."""
    run: I64
    """(n,) row of the entry that starts this row's run; -1: none."""
    depth: I64
    """(n,) number of callers above."""
    lost: Mask
    """(n,) for entries: whether the run failed, by its entry or its last handoff or message."""
    within: I64
    """(n,) row of the nearest entry above: like `run`, but of nested workflows where they apply."""

    def least_deep(self, rows: I64) -> I64:
        """Return those of the rows that have the fewest callers above in their run (`within`)."""
        least = np.full(len(self.calls), np.iinfo(np.int64).max)
        np.minimum.at(least, self.within[rows], self.depth[rows])
        top: I64 = rows[self.depth[rows] == least[self.within[rows]]]
        return top


def link_traces(partial: Partial, joined: Collection[int] = ()) -> LinkedCalls:
    """Follow span links, name unnamed models and assign every row to its run.

    `joined`: rows with a caller in another trace.
    """
    calls = partial.calls
    _merge_workflows(partial)
    _follow_links(partial, joined)
    _end_runs(partial, joined)
    resolve_peers(partial)
    by_id: dict[str, int] = {}
    codes = [
        by_id.setdefault(observation.identity.id, len(by_id))
        for observation in partial.observations
    ]
    component = np.array(codes, np.int64)[calls.observation] if codes else np.zeros(0, np.int64)
    _name_unnamed_models(partial, component)
    component, by_id = _used_components(component, by_id)
    top, depth = _topmost_callers(calls.source)
    run = _runs(calls, top)
    return LinkedCalls(
        calls,
        _most_frequent(partial, by_id),
        component,
        run,
        depth,
        _failed_runs(calls, run),
        _within(calls, run),
    )


def _follow_links(partial: Partial, joined: Collection[int]) -> None:
    """Let each linked row be called by the holder of its first link; see _add_further_links."""
    calls = partial.calls
    every = _links_by_row(partial)
    linked = {row: links[0] for row, links in every.items()}
    for row, (_, end) in linked.items():
        calls.source[row] = end.row
    _cut_cycles(calls, {*linked, *joined})
    linked = {row: both for row, both in linked.items() if calls.source[row] >= 0}
    found = {row: _caller(partial, row, end) for row, (_, end) in linked.items()}
    for row, (caller, via) in found.items():
        _set_caller(partial, row, linked[row][0], caller, via)
    trace, _ = factorize(hash_rows(calls.trace[:, 0], calls.trace[:, 1]))
    calls.entry[np.isin(trace, trace[list(linked)])] = -1
    _add_further_links(partial, {row: every[row][1:] for row in linked})


def _end_runs(partial: Partial, joined: Iterable[int]) -> None:
    """Let joined rows that keep their caller start no run; those whose call was cut do."""
    calls = partial.calls
    for row in joined:
        kind = partial.observations[calls.observation[row]].identity.kind
        if calls.source[row] < 0:
            calls.type[row] = -1
        elif kind is not ComponentKind.WORKFLOW:
            calls.entry[row] = -1


def _set_caller(partial: Partial, row: int, link: LinkStart, caller: int, via: str | None) -> None:
    calls = partial.calls
    how = DependencyType.MESSAGING if link.messaging else DependencyType.DELEGATES
    calls.source[row], calls.type[row] = caller, TYPES.index(how)
    calls.proof[row] = Proof.MATCH if link.inferred else Proof.LINK
    calls.message[row] = _message(link, calls.message[row])
    if via is not None and calls.via[row] < 0:
        calls.via[row] = partial.via_code(via)


def _links_by_row(partial: Partial) -> dict[int, list[tuple[LinkStart, LinkEnd]]]:
    """Return the links of each row whose ends are known, one per end."""
    ends = {(end.trace, end.span): end for end in partial.link_ends}
    found: dict[int, dict[int, tuple[LinkStart, LinkEnd]]] = defaultdict(dict)
    for start in partial.link_starts:
        end = ends.get((start.to_trace, start.to_span))
        if end is not None:
            found[start.row].setdefault(end.row, (start, end))
    return {row: list(links.values()) for row, links in found.items()}


def _add_further_links(
    partial: Partial, further: Mapping[int, Sequence[tuple[LinkStart, LinkEnd]]]
) -> None:
    """Add a call from each further producer that a batch links to; it counts no invocation."""
    pairs = [(row, link, end) for row, links in further.items() for link, end in links]
    if not pairs:
        return
    sources = [_caller(partial, row, end)[0] for row, _, end in pairs]
    copies = _further_calls(partial.calls, [row for row, _, _ in pairs], sources)
    copies.message = np.array(
        [_message(link, partial.calls.message[row]) for row, link, _ in pairs], np.uint64
    )
    _append(partial.calls, copies)


def _message(link: LinkStart, message_id: np.uint64) -> int:
    """Return the digest of the message that came over the link; 0: none."""
    if not link.messaging:
        return 0
    trace, span = np.array([link.to_trace], np.uint64), np.array([link.to_span], np.uint64)
    return int(sent_message(trace, span, np.array([message_id], np.uint64))[0])


def _further_calls(calls: Calls, rows: Sequence[int], sources: Sequence[int]) -> Calls:
    """Return copies of the rows with other callers, without an invocation and its usage."""
    size = len(rows)
    copies = {f.name: getattr(calls, f.name)[list(rows)] for f in fields(Calls)}
    copies |= {"source": np.array(sources, np.int64), "ran": np.zeros(size, np.bool_)}
    copies |= dict.fromkeys(TOKENS, np.zeros(size, np.int64))
    copies |= {"cost": np.full(size, np.nan), "entry": np.full(size, -1, np.int32)}
    return Calls(**copies)


def _append(calls: Calls, further: Calls) -> None:
    for field in fields(Calls):
        both = (getattr(calls, field.name), getattr(further, field.name))
        setattr(calls, field.name, np.concatenate(both))


def _caller(partial: Partial, row: int, end: LinkEnd) -> tuple[int, str | None]:
    """Return the row that started this one over a link, and the text in between.

    For an agent, tools are skipped up to the agent that called them.
    """
    calls, at, via = partial.calls, end.row, end.via
    if partial.observations[calls.observation[row]].identity.kind is not ComponentKind.AGENT:
        return at, via
    while (
        who := partial.observations[calls.observation[at]].identity
    ).kind is ComponentKind.TOOL and calls.source[at] >= 0:
        at, via = int(calls.source[at]), via or f"tool:{who.name}"
    return at, via


def _cut_cycles(calls: Calls, linked: Collection[int]) -> None:
    """Break cycles of links, at the linked row with the lowest ids."""
    seen = np.zeros(len(calls), np.bool_)
    for start in linked:
        path: dict[int, int] = {}
        at = start
        while at >= 0 and at not in path and not seen[at]:
            path[at] = len(path)
            at = int(calls.source[at])
        if at in path:
            cycle = [row for row, place in path.items() if place >= path[at] and row in linked]
            cut = min(cycle, key=lambda row: (calls.trace[row].tolist(), int(calls.span[row])))
            calls.source[cut] = -1
        seen[list(path)] = True


def _merge_workflows(partial: Partial) -> None:
    """Merge workflows whose names differ only in case, under the most frequent spelling."""
    counts = np.bincount(
        partial.calls.entry[partial.calls.entry >= 0], minlength=len(partial.workflows)
    ).tolist()
    by_id: dict[str, list[int]] = defaultdict(list)
    for code, who in enumerate(partial.workflows):
        by_id[who.id].append(code)
    codes = np.full(len(partial.workflows) + 1, -1, np.int32)
    for merged_code, same in enumerate(by_id.values()):
        codes[same] = merged_code
    names = [
        min(same, key=lambda code: (-counts[code], partial.workflows[code].name))
        for same in by_id.values()
    ]
    partial.calls.entry = codes[partial.calls.entry]
    partial.workflows = [partial.workflows[code] for code in names]


def _name_unnamed_models(partial: Partial, component: I64) -> None:
    """Name model calls without a model name, which are mostly failed ones.

    Uses the single model of the same run, or else the single one of the caller.
    """
    calls = partial.calls
    identity = [s.identity for s in partial.observations]
    is_model = np.array([i.kind is ComponentKind.MODEL for i in identity], np.bool_)
    named = np.array([i.identified for i in identity], np.bool_)
    unnamed_rows = (
        np.flatnonzero(
            is_model[calls.observation] & ~named[calls.observation] & (calls.source >= 0)
        )
        if identity
        else np.zeros(0, np.int64)
    )
    if not len(unnamed_rows):
        return
    in_run: dict[int, Counter[int]] = defaultdict(Counter)
    by_caller: dict[int, Counter[int]] = defaultdict(Counter)
    for row in np.flatnonzero(
        is_model[calls.observation] & named[calls.observation] & (calls.source >= 0)
    ).tolist():
        source = int(calls.source[row])
        in_run[source][int(component[row])] += 1
        by_caller[int(component[source])][int(component[row])] += 1
    observation_of = {
        int(component[row]): int(calls.observation[row])
        for row in np.flatnonzero(is_model[calls.observation] & named[calls.observation]).tolist()
    }
    inferred: dict[int, int] = {}
    without_failure = _models_of_whole_traces(
        calls,
        component,
        unnamed_rows,
        np.flatnonzero(is_model[calls.observation] & named[calls.observation]),
    )
    for row in unnamed_rows.tolist():
        source = int(calls.source[row])
        caller = int(component[source])
        choices = (in_run[source], by_caller[caller], without_failure[caller])
        found = next((single for counts in choices if (single := _only(counts)) is not None), None)
        if found is not None:
            component[row] = found
            calls.observation[row] = _inferred(partial, inferred, observation_of[found])
            calls.proof[row] = Proof.SIBLING


def _models_of_whole_traces(
    calls: Calls, component: I64, unnamed: I64, named: I64
) -> dict[int, Counter[int]]:
    """Return, by caller, the models that it uses in traces without unnamed model calls.

    The models of the other traces may be fallbacks.
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


def _inferred(partial: Partial, inferred: dict[int, int], observation: int) -> int:
    if observation not in inferred:
        inferred[observation] = len(partial.observations)
        partial.observations.append(
            replace(partial.observations[observation], rule=SAME_CALLER, proof=Proof.SIBLING)
        )
    return inferred[observation]


def _topmost_callers(source: I64) -> tuple[I64, I64]:
    """Return the topmost caller of each row, and the number of callers above it."""
    top = np.where(source >= 0, source, np.arange(len(source)))
    depth = (source >= 0).astype(np.int64)
    while True:
        further = top[top]
        if (further == top).all():
            return top, depth
        depth = depth + depth[top]
        top = further


def _runs(calls: Calls, top: I64) -> I64:
    """Assign each row the run that its topmost caller starts, else the run of its trace."""
    entries = np.flatnonzero((calls.entry >= 0) & (calls.source < 0))
    run = np.where(calls.entry[top] >= 0, top, -1) if len(top) else top
    by_trace = {calls.trace[row].tobytes(): row for row in entries.tolist()}
    for row in np.flatnonzero(run < 0).tolist():
        run[row] = by_trace.get(calls.trace[top[row]].tobytes(), -1)
    return run


def _failed_runs(calls: Calls, run: I64) -> Mask:
    """Return which runs failed: by entry, or by the receiver of the last handoff or message."""
    lost: Mask = calls.failed & (calls.entry >= 0)
    one_way = np.array([not t.returns for t in TYPES] + [False], np.bool_)[calls.type]
    rows = np.flatnonzero(one_way & calls.ran & (run >= 0))
    times = calls.start[rows], calls.client_start[rows]
    rows = rows[np.lexsort((calls.span[rows], *times, run[rows]))]
    last = np.ones(len(rows), np.bool_)
    last[:-1] = run[rows][1:] != run[rows][:-1]
    np.logical_or.at(lost, run[rows[last]], calls.failed[rows[last]])
    return lost


def _within(calls: Calls, run: I64) -> I64:
    at = calls.source.copy()
    while (further := (at >= 0) & (calls.entry[at] < 0)).any():
        at = np.where(further, calls.source[at], at)
    return np.where(at >= 0, at, run)


def _used_components(component: I64, by_id: dict[str, int]) -> tuple[I64, dict[str, int]]:
    """Drop the codes of components without rows."""
    used, component = np.unique(component, return_inverse=True)
    codes = {code: position for position, code in enumerate(used.tolist())}
    return component, {key: codes[code] for key, code in by_id.items() if code in codes}


def _most_frequent(partial: Partial, by_id: dict[str, int]) -> list[Identity]:
    """Return each component's identity under its most frequent spelling.

    An undated model name, if observed, takes precedence over dated ones.
    """
    counts = np.bincount(partial.calls.observation, minlength=len(partial.observations)).tolist()
    votes: list[Counter[Identity]] = [Counter() for _ in by_id]
    for observation, count in zip(partial.observations, counts, strict=True):
        if count:
            votes[by_id[observation.identity.id]][observation.identity] += count
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
