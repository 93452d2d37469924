"""A cheap first pass over all spans, for facts that the kernel needs about the whole window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.discovery.classification import Classifier
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key

_TOOLS = (Role.TOOL, Role.MCP_CLIENT, Role.MCP_SERVER, Role.DELEGATION, Role.HANDOFF)
_RUNS = (Role.AGENT, Role.DELEGATION)


@dataclass(frozen=True, slots=True)
class Prescan:
    """Facts (discovery.facts) about the whole window; merged by union."""

    agent_services: frozenset[str] = frozenset()
    """Services that contain agent spans."""
    agents: frozenset[str] = frozenset()
    """Keys (naming.agent_key) of agents that have spans."""
    tool_services: frozenset[str] = frozenset()
    """Services that contain tool spans."""
    link_targets: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Span ids (as words) that are targets of span links, sorted and distinct."""

    def __or__(self, other: Prescan) -> Prescan:
        return union((self, other))

    def are_link_targets(self, spans: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of these span ids (as words) are targets of span links."""
        if not len(self.link_targets):
            return np.zeros(len(spans), np.bool_)
        places = np.searchsorted(self.link_targets, spans)
        found: NDArray[np.bool_] = (
            self.link_targets[np.minimum(places, len(self.link_targets) - 1)] == spans
        )
        return found


def union(parts: Iterable[Prescan]) -> Prescan:
    """Return the facts of all parts of a window."""
    every = (Prescan(), *parts)
    return Prescan(
        frozenset().union(*(part.agent_services for part in every)),
        frozenset().union(*(part.agents for part in every)),
        frozenset().union(*(part.tool_services for part in every)),
        np.unique(np.concatenate([part.link_targets for part in every])),
    )


def prescan(spans: pa.Table, classifier: Classifier) -> Prescan:
    """Return the facts of these spans (SPAN_SCHEMA)."""
    classifications = classifier.classify(spans.unify_dictionaries().combine_chunks()).by_shape
    agent_services = frozenset(r.service for r in classifications if r.role in _RUNS or r.acting)
    agents = frozenset(
        agent_key(name)
        for r in classifications
        if r.role in _RUNS or r.acting
        for name in (r.name or r.acting,)
        if name
    )
    tool_services = frozenset(r.service for r in classifications if r.role in _TOOLS)
    links = spans.column("links").combine_chunks()
    links = links.chunk(0) if isinstance(links, pa.ChunkedArray) else links
    targets = [target[16:] for target in links.flatten().to_pylist()]
    return Prescan(
        agent_services,
        agents,
        tool_services,
        np.unique(np.frombuffer(b"".join(targets), "<u8").astype(np.uint64)),
    )
