"""Detection of retries and fallbacks: what a caller tried after a failed call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from agentguard.compute.arrays import distinct, factorize_rows
from agentguard.discovery.kinds import TYPES, ComponentKind
from agentguard.discovery.naming import share_word
from agentguard.discovery.partial import I64, Mask
from agentguard.graph.assembly.cross_run_fallbacks import (
    AGREEING_RUNS,
    SHARE_AFTER_FAILURE,
    Pairs,
    cross_run_fallbacks,
    handed_over_fallbacks,
)
from agentguard.graph.assembly.redeliveries import redeliveries
from agentguard.graph.assembly.trace_linking import LinkedCalls
from agentguard.graph.model import FallbackMode

_INTERCHANGEABLE = (ComponentKind.MODEL, ComponentKind.MCP_SERVER)
"""Kinds whose components can replace any other of the same kind."""
_SEARCHED_CALLS = 200
"""Number of calls after a failure that are searched for a retry or fallback."""
_REDUNDANT = (
    ComponentKind.AGENT,
    ComponentKind.TOOL,
    ComponentKind.MODEL,
    ComponentKind.MCP_SERVER,
    ComponentKind.SERVICE,
    ComponentKind.DATASTORE,
)


@dataclass(frozen=True, slots=True)
class FoundFallbacks:
    """Retries and fallbacks; arrays over n rows of calls."""

    recovered_by: I64
    """(n,) row of the retry or fallback that followed; -1: none."""
    is_retry: Mask
    """(n,) whether it repeats a failed call of the same caller's run."""
    is_redelivery: Mask
    """(n,) whether it is a message that was delivered, and failed, before."""
    fallbacks: dict[FallbackMode, Pairs]


def find_fallbacks(found: LinkedCalls) -> FoundFallbacks:
    """Find what the caller's run tried after each failed call."""
    calls = found.calls
    recovered_by = np.full(len(calls), -1, np.int64)
    is_retry, is_redelivery = np.zeros((2, len(calls)), np.bool_)
    accepted = _accepted(found, *_candidates(found, recovered_by, is_retry))
    for pairs in accepted.values():
        for row, then in pairs:
            recovered_by[row] = then
    by_mode = _by_fallback_mode(found, recovered_by, accepted)
    for then, row in redeliveries(calls, found.component).items():
        recovered_by[row] = then
        is_redelivery[then] = is_retry[then] = True
    return FoundFallbacks(recovered_by, is_retry, is_redelivery, by_mode)


def _candidates(found: LinkedCalls, recovered_by: I64, is_retry: Mask) -> tuple[Pairs, Pairs]:
    """Mark the retries; return what may be fallbacks, and may be although it does not come next."""
    candidates: Pairs = {}
    later_candidates: Pairs = {}
    for row, later in _later_calls_of_same_kind(found):
        then = later[0]
        if found.component[row] == found.component[then]:
            recovered_by[row] = then
            is_retry[then] = True
        else:
            candidates.setdefault(_key(found, row, then), []).append((row, then))
            for other in (o for o in later[1:] if _share_word(found, row, o)):
                later_candidates.setdefault(_key(found, row, other), []).append((row, other))
    return candidates, later_candidates


def _accepted(found: LinkedCalls, candidates: Pairs, later_candidates: Pairs) -> Pairs:
    """Return those that are frequent enough and that no other fallback implies."""
    uses = _uses(found)
    accepted = {
        key: pairs
        for key, pairs in candidates.items()
        if _is_fallback(found, pairs, uses[key[0], key[2]])
    }
    accepted |= {
        key: pairs
        for key, pairs in later_candidates.items()
        if key not in accepted and _share(found, pairs, uses[key[0], key[2]]) >= 1
    }
    return {
        key: pairs
        for key, pairs in accepted.items()
        if not (
            _implied_by_servers(found, key, accepted) or _implied_by_agents(found, key, accepted)
        )
    }


def _by_fallback_mode(
    found: LinkedCalls, recovered_by: I64, same_run: Pairs
) -> dict[FallbackMode, Pairs]:
    """Return each fallback once; one within the same run takes precedence."""
    others = {
        FallbackMode.NEXT_RUN: cross_run_fallbacks(found, recovered_by >= 0),
        FallbackMode.PASSED_ON: handed_over_fallbacks(found),
    }
    fresh = {
        how: {key: rows for key, rows in pairs.items() if key not in same_run}
        for how, pairs in others.items()
    }
    return {FallbackMode.SAME_RUN: same_run} | fresh


def _key(found: LinkedCalls, row: int, then: int) -> tuple[int, int, int]:
    return (
        int(found.component[found.calls.source[row]]),
        int(found.component[row]),
        int(found.component[then]),
    )


def _later_calls_of_same_kind(found: LinkedCalls) -> list[tuple[int, list[int]]]:
    """Return each failed call with the later calls of the same kind in the caller's run.

    Only the first call of each callee is included.
    """
    calls = found.calls
    returning = np.array([t.returns for t in TYPES] + [False], np.bool_)[calls.type]
    failed = np.flatnonzero(calls.failed & calls.ran & (calls.source >= 0) & returning)
    if not len(failed):
        return []
    members = np.flatnonzero(
        np.isin(calls.source, np.unique(calls.source[failed])) & calls.ran & returning
    )
    members = members[
        np.lexsort((calls.span[members], calls.client_start[members], calls.source[members]))
    ]
    kinds = [identity.kind for identity in found.identities]
    pairs = []
    for row in failed.tolist():
        outer = _enclosing_call(found, row)
        later = [outer] if outer >= 0 else _calls_after(found, row, members, kinds)
        if later and kinds[int(found.component[row])] in _REDUNDANT:
            pairs.append((row, later))
    return pairs


def _enclosing_call(found: LinkedCalls, row: int) -> int:
    """Return the successful model call around a model's failed attempt: its fallback, or -1."""
    outer = int(found.calls.inside[row])
    return outer if outer >= 0 and found.component[outer] != found.component[row] else -1


def _calls_after(
    found: LinkedCalls, row: int, members: I64, kinds: list[ComponentKind]
) -> list[int]:
    calls = found.calls
    low, high = np.searchsorted(calls.source[members], [calls.source[row], calls.source[row] + 1])
    kind, end = kinds[int(found.component[row])], int(calls.client_end[row])
    later: dict[int, int] = {}
    place = int(low) + int(
        np.searchsorted(calls.client_start[members[low:high]], calls.client_start[row], side="left")
    )
    for other in members[place : min(int(high), place + _SEARCHED_CALLS)].tolist():
        if (
            other != row
            and calls.client_start[other] >= end
            and kinds[int(found.component[other])] is kind
        ):
            later.setdefault(int(found.component[other]), int(other))
    return list(later.values())


def _uses(found: LinkedCalls) -> Counter[tuple[int, int]]:
    """Return the number of runs in which each caller uses each callee."""
    calls = found.calls
    rows = np.flatnonzero((calls.source >= 0) & calls.ran)
    size = max(len(found.identities), 1)
    runs = distinct(calls.source[rows] * size + found.component[rows])
    owner, callee = found.component[runs // size], runs % size
    pairs, first = factorize_rows(owner, callee)
    counts = np.bincount(pairs, minlength=len(first))
    return Counter(
        dict(
            zip(
                zip(owner[first].tolist(), callee[first].tolist(), strict=True),
                counts.tolist(),
                strict=True,
            )
        )
    )


def _share(found: LinkedCalls, pairs: list[tuple[int, int]], runs: int) -> float:
    """Return the share of the caller's runs on the secondary that follow a failed primary."""
    return len({int(found.calls.source[then]) for _, then in pairs}) / runs


def _is_fallback(found: LinkedCalls, pairs: list[tuple[int, int]], runs: int) -> bool:
    """Return whether the pairs are frequent enough for a fallback.

    One occurrence suffices for models and MCP servers. A tool or agent needs two, or a similar
    name, to exclude coincidence.
    """
    again = len({int(found.calls.source[then]) for _, then in pairs}) >= AGREEING_RUNS
    model = found.identities[int(found.component[pairs[0][0]])].kind in _INTERCHANGEABLE
    return _share(found, pairs, runs) >= SHARE_AFTER_FAILURE and (
        model or again or _share_word(found, *pairs[0])
    )


def _share_word(found: LinkedCalls, row: int, other: int) -> bool:
    """Return whether two tools or agents have different names that share a word."""
    one, two = (
        found.identities[int(found.component[row])],
        found.identities[int(found.component[other])],
    )
    return (
        one.kind is not ComponentKind.MODEL
        and one.name != two.name
        and share_word(one.name, two.name)
    )


def _implied_by_servers(found: LinkedCalls, key: tuple[int, int, int], accepted: Pairs) -> bool:
    """Return whether a fallback between MCP servers already implies this one of their tools."""
    primary, secondary = found.identities[key[1]], found.identities[key[2]]
    if not (primary.server and secondary.server and primary.server != secondary.server):
        return False
    servers = {
        (found.identities[k[1]].name, found.identities[k[2]].name)
        for k in accepted
        if k[0] == key[0]
    }
    return (primary.server, secondary.server) in servers


def _implied_by_agents(found: LinkedCalls, key: tuple[int, int, int], accepted: Pairs) -> bool:
    """Return whether fallbacks between agents already imply this one of their services."""
    if found.identities[key[1]].kind is not ComponentKind.SERVICE:
        return False
    agents = [
        pair
        for other, pairs in accepted.items()
        if found.identities[other[1]].kind is ComponentKind.AGENT
        for pair in pairs
    ]
    return all(
        any(_within(found, row, a) and _within(found, then, b) for a, b in agents)
        for row, then in accepted[key]
    )


def _within(found: LinkedCalls, outer: int, inner: int) -> bool:
    calls = found.calls
    same = (
        bool((calls.trace[outer] == calls.trace[inner]).all())
        and calls.start[outer] <= calls.start[inner]
    )
    return (
        same
        and calls.start[inner] + calls.duration[inner] <= calls.start[outer] + calls.duration[outer]
    )
