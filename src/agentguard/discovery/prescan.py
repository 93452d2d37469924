"""What discovery must know of all spans before it can read any trace.

Taken in one cheap pass, merged by union.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.discovery.classification import Reader
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key

_TOOLS = (Role.TOOL, Role.MCP_CLIENT, Role.MCP_SERVER, Role.DELEGATION, Role.HANDOFF)
_RUNS = (Role.AGENT, Role.DELEGATION)


@dataclass(frozen=True, slots=True)
class Prescan:
    """Facts about the whole window."""

    hosts: frozenset[str] = frozenset()
    """Services in which agents have spans of their own."""
    agents: frozenset[str] = frozenset()
    """Keys (naming.agent_key) of the agents that have spans of their own."""
    tooled: frozenset[str] = frozenset()
    """Services in which tools have spans of their own."""
    link_targets: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Span ids (as words) that links of other spans name."""

    def __or__(self, other: Prescan) -> Prescan:
        return Prescan(
            self.hosts | other.hosts,
            self.agents | other.agents,
            self.tooled | other.tooled,
            np.union1d(self.link_targets, other.link_targets),
        )


def survey(spans: pa.Table, reader: Reader) -> Prescan:
    """Return what these spans (SPAN_SCHEMA) add."""
    readings = reader.read(spans.unify_dictionaries().combine_chunks()).readings
    hosts = frozenset(r.service for r in readings if r.role in _RUNS or r.acting)
    agents = frozenset(
        agent_key(name)
        for r in readings
        if r.role in _RUNS or r.acting
        for name in (r.name or r.acting,)
        if name
    )
    tooled = frozenset(r.service for r in readings if r.role in _TOOLS)
    links = spans.column("links").combine_chunks()
    links = links.chunk(0) if isinstance(links, pa.ChunkedArray) else links
    targets = [target[16:] for target in links.flatten().to_pylist()]
    return Prescan(
        hosts, agents, tooled, np.unique(np.frombuffer(b"".join(targets), "<u8").astype(np.uint64))
    )
