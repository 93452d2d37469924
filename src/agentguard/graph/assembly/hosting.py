"""In which services agents and tools run, and on which MCP servers tools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize_rows
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import Identity, clean, identity, is_service_name
from agentguard.discovery.partial import I64, Mask, Observation, Partial, Proof
from agentguard.graph.assembly.evidence import confidence, evidence
from agentguard.graph.assembly.trace_linking import LinkedCalls
from agentguard.graph.model import Basis, Evidence, Hosting

_HOSTED = (ComponentKind.AGENT, ComponentKind.TOOL)
_RULES = {
    ComponentKind.SERVICE: Basis("resource", "service.name of the resource of its spans", 0.0),
    ComponentKind.MCP_SERVER: Basis("mcp#server", "the MCP server that the tool's calls name", 0.0),
}


def runs_in(partial: Partial, found: LinkedCalls) -> tuple[Hosting, ...]:
    """Return where each agent and tool ran; a tool of an MCP server runs on that server."""
    hosts, code = _hosts(partial.observations)
    rows = np.flatnonzero(found.calls.ran & (code[found.calls.observation] >= 0))
    host = code[found.calls.observation[rows]]
    group, first = factorize_rows(found.component[rows], host)
    proofs = evidence(found.calls, partial.labels, rows, group, len(first))
    counts = np.bincount(group, minlength=len(first)).tolist()
    ends = zip(found.component[rows[first]].tolist(), host[first].tolist(), strict=True)
    every = [
        _hosting(found.identities[component], hosts[which], counts[g], proofs[g])
        for g, (component, which) in enumerate(ends)
    ]
    return tuple(sorted(every, key=lambda each: (each.component, each.host)))


def _hosting(who: Identity, host: Identity, count: int, proof: tuple[Evidence, ...]) -> Hosting:
    rule = _RULES[host.kind]
    basis = Basis(rule.rule, rule.convention, confidence(Proof.ATTRIBUTE, count), count)
    return Hosting(who.id, host.id, host.kind, host.name, basis, proof, host.environment, count)


def internal_calls(partial: Partial, found: LinkedCalls) -> Mask:
    """Return calls of a component to itself, or of an agent or tool to the service it runs in."""
    calls = found.calls
    hosts, code = _hosts(partial.observations)
    known = {who.id: n for n, who in enumerate(found.identities)}
    service = np.array([known.get(host.id, -2) for host in hosts] + [-2], np.int64)
    caller = np.maximum(calls.source, 0)
    within = service[code[calls.observation[caller]]] == found.component
    within |= found.component[caller] == found.component
    internal: Mask = (calls.source >= 0) & within
    return internal


def _hosts(observations: Sequence[Observation]) -> tuple[list[Identity], I64]:
    """Return the hosts, and which one each observation has (-1: none); a sentinel at the end."""
    hosts: dict[Identity, int] = {}
    code: NDArray[np.int64] = np.full(len(observations) + 1, -1, np.int64)
    for n, observation in enumerate(observations):
        host = _host(observation)
        if host is not None:
            code[n] = hosts.setdefault(host, len(hosts))
    return list(hosts), code


def _host(observation: Observation) -> Identity | None:
    who, service = observation.identity, clean(observation.service)
    if who.kind not in _HOSTED:
        return None
    if who.server:
        return identity(ComponentKind.MCP_SERVER, who.server, environment=who.environment)
    if service is None or not is_service_name(service):
        return None
    return identity(ComponentKind.SERVICE, service, environment=who.environment)
