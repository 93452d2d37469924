"""What graph stores are tried with: graphs, versions, runs, a clock."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import (
    Basis,
    Component,
    Coverage,
    Dependency,
    Evidence,
    EvidenceReason,
    Graph,
)
from agentguard.graph.runs import CALL_SCHEMA, RUN_SCHEMA, Runs
from agentguard.graph.storage.store import GraphVersion
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.ids import sortable_id
from agentguard.traces.window import TimeWindow

BASIS = Basis("explicit", "OpenTelemetry gen_ai 1.37", 0.875)
EVIDENCE = (Evidence("ab" * 16, "cd" * 8, 2**62, EvidenceReason.SLOWEST),)
GRAPH = Graph(
    components=tuple(
        Component(
            name,
            ComponentKind.AGENT,
            name,
            BASIS,
            EVIDENCE,
            spellings=("Á\n", '"', "\0\u202e🙂"),
            attributes={"a": "\\"},
        )
        for name in ("agent:a", "agent:b")
    ),
    dependencies=(
        Dependency(
            "agent:a",
            "agent:b",
            DependencyType.HANDOFF,
            BASIS,
            EVIDENCE,
            latency=((1, 2), (7, 1)),
            cost_usd=0.1 + 0.2,
        ),
    ),
    coverage=Coverage(spans=2**62, refused={"not-json": 1}),
    asked=TimeWindow(1, 2**62),
)
RUNS = Runs(
    pa.Table.from_pylist(
        [{"run_id": "t", "workflow": "w", "failed": False, "start": 1, "duration": 2}],
        schema=RUN_SCHEMA,
    ),
    CALL_SCHEMA.empty_table(),
)


class SteppingClock:
    """One second later whenever it is asked."""

    def __init__(self, now: int = 1_000 * NS_PER_SECOND) -> None:
        self.now = now

    def __call__(self) -> int:
        self.now += NS_PER_SECOND
        return self.now


def version(dataset: str, clock: Clock, graph: Graph = GRAPH) -> GraphVersion:
    now = clock()
    return GraphVersion(sortable_id(now), dataset, now, graph)


def line(length: int, name: str = "a") -> Graph:
    """Agents in a row, each of which hands over to the next."""
    agents = tuple(
        Component(f"agent:{name}{n:05}", ComponentKind.AGENT, f"{name}{n:05}", BASIS, ())
        for n in range(length)
    )
    return Graph(
        agents,
        tuple(
            Dependency(a.id, b.id, DependencyType.HANDOFF, BASIS, ()) for a, b in pairwise(agents)
        ),
    )


async def check_whole(store: Any, found: GraphVersion) -> None:
    assert (await store.runs(found.id)).runs.equals(RUNS.runs)
    assert await store.get(found.id) == found
