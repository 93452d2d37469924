"""A cheap first pass over all spans, for facts that the kernel needs about the whole window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import words
from agentguard.discovery.classification import Classifier
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.qualified_names import mcp_parts
from agentguard.discovery.start_up import first_served, lone_calls, starting

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
    mcp: frozenset[object] = frozenset()
    """MCP servers, and their tools, see discovery.qualified_names.mcp_parts."""
    served: Mapping[str, int] = field(default_factory=dict)
    """Service → when its first request or agent run started."""
    lone: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Service → when its first and last database call without a parent started."""
    link_targets: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Span ids (as words) that are targets of span links, sorted and distinct."""

    @property
    def serving(self) -> frozenset[str]:
        """Return the services that serve requests or run agents."""
        return frozenset(self.served)

    @property
    def starting(self) -> frozenset[str]:
        """Return the services whose lone database calls all precede what they serve."""
        return frozenset(starting(self.served, self.lone))

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
        frozenset().union(*(part.mcp for part in every)),
        _first(part.served for part in every),
        _first_and_last(part.lone for part in every),
        np.unique(np.concatenate([part.link_targets for part in every])),
    )


def _first(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    first: dict[str, int] = {}
    for service, time in (item for part in parts for item in part.items()):
        first[service] = min(time, first.get(service, time))
    return first


def _first_and_last(parts: Iterable[Mapping[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    both: dict[str, tuple[int, int]] = {}
    for service, (first, last) in (item for part in parts for item in part.items()):
        known = both.get(service, (first, last))
        both[service] = min(first, known[0]), max(last, known[1])
    return both


def prescan(spans: pa.Table, classifier: Classifier) -> Prescan:
    """Return the facts of these spans (SPAN_SCHEMA)."""
    spans = spans.unify_dictionaries().combine_chunks()
    found = classifier.classify(spans)
    classifications, start = found.by_shape, spans.column("start").to_numpy()
    root = words(spans.column("parent_id"), 8)[:, 0] == 0
    runs = [r for r in classifications if r.role in _RUNS or r.acting]
    return Prescan(
        frozenset(r.service for r in runs),
        frozenset(agent_key(name) for r in runs if (name := r.name or r.acting)),
        frozenset(r.service for r in classifications if r.role in _TOOLS),
        frozenset(part for r in classifications for part in mcp_parts(r)),
        first_served(found, start, classifier.dialects.housekeeping),
        lone_calls(found, start, root),
        _link_targets(spans),
    )


def _link_targets(spans: pa.Table) -> NDArray[np.uint64]:
    links = spans.column("links").combine_chunks()
    links = links.chunk(0) if isinstance(links, pa.ChunkedArray) else links
    targets = b"".join(target[16:] for target in links.flatten().to_pylist())
    return np.unique(np.frombuffer(targets, "<u8").astype(np.uint64))
