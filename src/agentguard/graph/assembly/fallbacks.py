"""What was tried after a call failed.

The same callee again (a retry), or another of its sort (a fallback).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from agentguard.compute.arrays import factorize_rows
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import akin
from agentguard.discovery.partial import I64, Mask
from agentguard.graph.assembly.cross_run_fallbacks import (
    AGREEING_RUNS,
    SHARE_AFTER_FAILURE,
    Pairs,
    cross_run_fallbacks,
    stand_ins,
)
from agentguard.graph.assembly.trace_linking import TYPES, LinkedCalls
from agentguard.graph.model import FallbackMode

_ALIKE = (ComponentKind.MODEL, ComponentKind.MCP_SERVER)
"""Kinds of which any one may stand in for another."""
_REACH = 200
"""Calls of its caller's run after a failure among which what was tried instead is looked for."""
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
    """Arrays over n rows of calls."""

    rescued_by: I64
    """(n,) row of the retry or fallback that followed; -1: none"""
    is_retry: Mask
    """(n,) repeats a failed call of the same caller's run"""
    fallbacks: dict[FallbackMode, Pairs]


def find_fallbacks(found: LinkedCalls) -> FoundFallbacks:
    """Find for every failed call what its caller's run tried next."""
    calls = found.calls
    rescued_by = np.full(len(calls), -1, np.int64)
    is_retry = np.zeros(len(calls), np.bool_)
    candidates: Pairs = {}
    further: Pairs = {}
    for row, later in _later_of_sort(found):
        then = later[0]
        if found.component[row] == found.component[then]:
            rescued_by[row] = then
            is_retry[then] = True
        else:
            candidates.setdefault(_key(found, row, then), []).append((row, then))
            for other in (o for o in later[1:] if _akin(found, row, o)):
                further.setdefault(_key(found, row, other), []).append((row, other))
    uses = _uses(found)
    kept = {
        key: pairs
        for key, pairs in candidates.items()
        if _is_fallback(found, pairs, uses[key[0], key[2]])
    }
    alike = {
        key: pairs
        for key, pairs in further.items()
        if key not in kept and _share(found, pairs, uses[key[0], key[2]]) >= 1
    }
    kept |= alike
    kept = {
        key: pairs
        for key, pairs in kept.items()
        if not (_told_by_servers(found, key, kept) or _told_by_agents(found, key, kept))
    }
    for pairs in kept.values():
        for row, then in pairs:
            rescued_by[row] = then
    return FoundFallbacks(rescued_by, is_retry, _by_fallback_mode(found, rescued_by, kept))


def _by_fallback_mode(
    found: LinkedCalls, rescued_by: I64, same_run: Pairs
) -> dict[FallbackMode, Pairs]:
    """Return every fallback once: where the same run shows it too, as that run's."""
    others = {
        FallbackMode.NEXT_RUN: cross_run_fallbacks(found, rescued_by >= 0),
        FallbackMode.PASSED_ON: stand_ins(found),
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


def _later_of_sort(found: LinkedCalls) -> list[tuple[int, list[int]]]:
    """Return (failed call, the calls of its sort that follow in the same caller's run, the first of
    each callee).
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
        np.lexsort((calls.span[members], calls.asked[members], calls.source[members]))
    ]
    kinds = [identity.kind for identity in found.identities]
    pairs = []
    for row in failed.tolist():
        outer = _inside(found, row)
        later = [outer] if outer >= 0 else _after(found, row, members, kinds)
        if later and kinds[int(found.component[row])] in _REDUNDANT:
            pairs.append((row, later))
    return pairs


def _inside(found: LinkedCalls, row: int) -> int:
    """A model's failed attempt inside another model's successful call.

    That call was the fallback.
    """
    outer = int(found.calls.inside[row])
    return outer if outer >= 0 and found.component[outer] != found.component[row] else -1


def _after(found: LinkedCalls, row: int, members: I64, kinds: list[ComponentKind]) -> list[int]:
    calls = found.calls
    low, high = np.searchsorted(calls.source[members], [calls.source[row], calls.source[row] + 1])
    kind, end = kinds[int(found.component[row])], int(calls.answered[row])
    later: dict[int, int] = {}
    place = int(low) + int(
        np.searchsorted(calls.asked[members[low:high]], calls.asked[row], side="left")
    )
    for other in members[place : min(int(high), place + _REACH)].tolist():
        if (
            other != row
            and calls.asked[other] >= end
            and kinds[int(found.component[other])] is kind
        ):
            later.setdefault(int(found.component[other]), int(other))
    return list(later.values())


def _uses(found: LinkedCalls) -> Counter[tuple[int, int]]:
    """Return in how many of its runs each caller uses each callee."""
    calls = found.calls
    rows = np.flatnonzero((calls.source >= 0) & calls.ran)
    _, once = factorize_rows(calls.source[rows], found.component[rows])
    rows = rows[once]
    owner, callee = found.component[calls.source[rows]], found.component[rows]
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
    """Return the share of the caller's runs on the secondary in which the primary had failed
    before.
    """
    return len({int(found.calls.source[then]) for _, then in pairs}) / runs


def _is_fallback(found: LinkedCalls, pairs: list[tuple[int, int]], runs: int) -> bool:
    """Models stand in for each other.

    A tool or agent must do so twice, or at least look like it: once may be chance.
    """
    again = len({int(found.calls.source[then]) for _, then in pairs}) >= AGREEING_RUNS
    model = found.identities[int(found.component[pairs[0][0]])].kind in _ALIKE
    return _share(found, pairs, runs) >= SHARE_AFTER_FAILURE and (
        model or again or _akin(found, *pairs[0])
    )


def _akin(found: LinkedCalls, row: int, other: int) -> bool:
    """Whether a tool's or agent's name shares a word with the other's.

    What does not come next must at least look like a stand-in.
    """
    one, two = (
        found.identities[int(found.component[row])],
        found.identities[int(found.component[other])],
    )
    return one.kind is not ComponentKind.MODEL and one.name != two.name and akin(one.name, two.name)


def _told_by_servers(found: LinkedCalls, key: tuple[int, int, int], kept: Pairs) -> bool:
    """One tool name on two MCP servers.

    That the second server stands in for the first says it all.
    """
    primary, secondary = found.identities[key[1]], found.identities[key[2]]
    if not (primary.server and secondary.server and primary.server != secondary.server):
        return False
    servers = {
        (found.identities[k[1]].name, found.identities[k[2]].name) for k in kept if k[0] == key[0]
    }
    return (primary.server, secondary.server) in servers


def _told_by_agents(found: LinkedCalls, key: tuple[int, int, int], kept: Pairs) -> bool:
    """Services whose agents stand in for each other: the agents say it all."""
    if found.identities[key[1]].kind is not ComponentKind.SERVICE:
        return False
    agents = [
        pair
        for other, pairs in kept.items()
        if found.identities[other[1]].kind is ComponentKind.AGENT
        for pair in pairs
    ]
    return all(
        any(_within(found, row, a) and _within(found, then, b) for a, b in agents)
        for row, then in kept[key]
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
