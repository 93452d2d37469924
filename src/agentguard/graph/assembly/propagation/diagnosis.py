"""Diagnosis of lost context: which calls lose it, and which traces are joined again."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.discovery.partial import Partial
from agentguard.graph.assembly.propagation.broken_hops import (
    Findings,
    agents_started,
    broken_hops,
    unexplained_orphans,
)
from agentguard.graph.assembly.propagation.causes import WholeCalls
from agentguard.graph.assembly.propagation.joining import Joined, join_traces
from agentguard.graph.assembly.propagation.matching import matches
from agentguard.graph.assembly.propagation.unrecorded_clients import unrecorded_calls
from agentguard.graph.model import BrokenHop


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found."""

    hops: tuple[BrokenHop, ...]
    joined_rows: frozenset[int]
    """Rows of calls that have a caller by inference."""


def diagnose(partial: Partial, *, join: bool, settling: int = 0) -> Diagnosis:
    """Find the calls whose context is lost; with `join`, change the calls of `partial`.

    A pure function of the spans in the window, whatever groups of traces the partial was merged
    from. Spans of the last `settling` ns of the window may get parents later.
    """
    if not len(partial.open_sides):
        return Diagnosis((), frozenset())
    found, offsets = matches(partial)
    explained = {match.callee for match in found}
    unrecorded = list(unrecorded_calls(partial, explained))
    callees = {at for each in unrecorded for at in each.callees} | explained
    orphans = unexplained_orphans(partial, explained, settling=settling)
    agents = agents_started(partial, callees.union(orphans))
    joined = join_traces(partial, found) if join else Joined(frozenset(), frozenset())
    findings = Findings(partial, joined, offsets, agents, WholeCalls.of(partial.whole_hops))
    return Diagnosis(broken_hops(findings, found, unrecorded, orphans), joined.rows)
