"""Random recorded worlds, small enough to think through and wild enough to surprise."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from agentguard.discovery.kinds import DependencyType
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from tests.simulation.worlds import Call, fallback, needs, record, workflow, world

NAMES = ["A", "B", "C", "D", "E"]
WORKFLOWS = ["v", "w"]

names = st.sampled_from(NAMES)
seeds = st.integers(0, 2**32 - 1)
scenarios = st.sets(names, min_size=1, max_size=3)


RETURNING = [DependencyType.DELEGATES]
KINDS = [*RETURNING * 4, DependencyType.HANDOFF, DependencyType.MESSAGING]


def _calls(depth: int, types: list[DependencyType]) -> st.SearchStrategy[Call]:
    below = st.lists(_calls(depth - 1, types), max_size=3) if depth else st.just([])
    kinds = st.sampled_from(types)
    return st.builds(
        _call, names, below, st.sampled_from([False] * 4 + [True]), kinds, st.booleans()
    )


def _call(
    target: str, below: list[Call], failed: bool, kind: DependencyType, rescues: bool
) -> Call:
    return Call(target, tuple(_linked(below)), failed, kind, rescues)


def _linked(below: list[Call]) -> list[Call]:
    """A call stands in for the one before only where that one failed."""
    before = [None, *below]
    return [
        Call(c.target, c.below, c.failed, c.type, bool(c.rescues and b and b.failed))
        for b, c in zip(before, below, strict=False)
    ]


@st.composite
def recorded_worlds(
    draw: st.DrawFn, types: list[DependencyType] | None = None
) -> tuple[Graph, Runs]:
    """A graph with arbitrary fallbacks, and runs that need not agree with it in counts."""
    calls = _calls(3, types or KINDS)
    made = draw(st.lists(st.tuples(st.sampled_from(WORKFLOWS), calls), min_size=1, max_size=6))
    runs = record(made)
    rows = runs.calls.to_pylist()
    edges = {
        (r["source"], r["target"], r["type"])
        for r in rows
        if r["source"] is not None and r["source"] != r["target"]
    }
    triples = draw(
        st.lists(
            st.tuples(names, names, names).filter(lambda t: len(set(t)) == 3),
            max_size=3,
            unique_by=lambda t: t,
        )
    )
    tries = [(draw(st.integers(1, 4)), *t) for t in triples]
    graph = world(
        *(needs(source, target, DependencyType(kind)) for source, target, kind in edges),
        *(needs(n, m) for n, m in pairwise(NAMES) if not edges),
        fallbacks=[
            fallback(o, p, s, count, draw(st.integers(0, count))) for count, o, p, s in tries
        ],
        workflows=[
            workflow(w, next(c.target for name, c in made if name == w))
            for w in sorted({name for name, _ in made})
        ],
        components=[],
    )
    return _complete(graph), runs


def _complete(graph: Graph) -> Graph:
    """Add the components that nothing depends on."""
    more = world(*(needs(a, b) for a in NAMES for b in NAMES if a < b)).components
    known = {c.id for c in graph.components}
    every = (*graph.components, *(c for c in more if c.id not in known))
    return Graph(
        tuple(sorted(every, key=lambda c: c.id)),
        graph.dependencies,
        graph.fallbacks,
        graph.workflows,
    )
