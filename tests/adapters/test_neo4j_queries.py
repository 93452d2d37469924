"""The queries of docs/neo4j.md, as they stand there, against answers computed from the same graphs
in Python.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from agentguard.adapters.neo4j.database import open_neo4j
from agentguard.adapters.neo4j.projection import Neo4jProjection
from agentguard.adapters.neo4j.switching import READ_WHOLE
from agentguard.analysis.analyze import analyze
from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog, Entry, EntryKind
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.export.property_graph import (
    COMPONENT,
    FALLBACK,
    LABELS,
    WORKFLOW,
    dependency_table,
)
from agentguard.graph.model import Dependency, Graph
from agentguard.graph.storage.store import GraphVersion
from agentguard.kernel.clock import system_clock, timestamp
from agentguard.kernel.ids import sortable_id
from tests.discovery.recordings import NAMES, graph
from tests.neo4j_server import DATABASE, Place, empty_neo4j

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("neo4j")]

PAGE = (Path(__file__).parents[2] / "docs" / "neo4j.md").read_text()
QUERIES = dict(re.findall(r"^### (.*?)\n.*?^```cypher\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
RECORDED = [
    "ag2",
    "autogen-native",
    "celery-messaging",
    "crewai-openinference",
    "fastapi-distributed",
    "langgraph-openinference",
    "openlit",
]


@pytest.fixture
def place() -> Iterator[Place]:
    with empty_neo4j() as found:
        yield found


def every_second_agent(found: Graph) -> Catalog:
    agents = [c for c in found.components if c.kind is ComponentKind.AGENT]
    return Catalog(tuple(Entry(EntryKind.AGENT, c.id, c.name) for c in agents[::2]))


async def show(place: Place, found: Graph) -> None:
    """Make it the newest graph, with every second agent declared."""
    catalog = every_second_agent(found)
    standings = {m.component: m.standing.value for m in match(found, catalog).components}
    async with open_neo4j(place.uri, place.credentials, DATABASE, 60) as database:
        projection = Neo4jProjection(database, system_clock, lambda _: standings)
        now = system_clock()
        await projection.project(GraphVersion(sortable_id(now), "recorded", now, found))


class Asking:
    """One session for many questions."""

    def __init__(self, session) -> None:
        self._session = session

    def __call__(self, question: str, **parameters: Any) -> list[dict[str, Any]]:
        return [dict(record.items()) for record in self._session.run(QUERIES[question], parameters)]


def reachable(start: str, edges: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """What can be reached, with the number of steps."""
    steps, waiting = {start: 0}, deque([start])
    while waiting:
        node = waiting.popleft()
        for following in edges.get(node, ()):
            if following not in steps:
                steps[following] = steps[node] + 1
                waiting.append(following)
    return steps


def forwards(dependencies: Iterable[Dependency]) -> dict[str, set[str]]:
    edges = defaultdict(set)
    for d in dependencies:
        edges[d.source].add(d.target)
    return edges


def backwards(dependencies: Iterable[Dependency]) -> dict[str, set[str]]:
    edges = defaultdict(set)
    for d in dependencies:
        edges[d.target].add(d.source)
    return edges


def candidates(found: Graph) -> dict[str, set[str]]:
    """Component → workflows that reach it by what most runs use and nothing stands in for."""
    runs = {c.id: c.invocations for c in found.components}
    covered = {(f.owner, f.primary) for f in found.fallbacks if f.rescued * 2 >= f.count}
    needed = [
        d
        for d in found.dependencies
        if d.source_runs * 2 >= runs[d.source] and (d.source, d.target) not in covered
    ]
    reached = defaultdict(set)
    for w in found.workflows:
        for component in reachable(w.root_component, forwards(needed)).keys() - {w.root_component}:
            reached[component].add(w.id)
    return reached


def test_the_page_asks_five_questions_each_of_one_whole_graph():
    assert list(QUERIES) == [
        "Who depends on X?",
        "What may be a single point of failure?",
        "Which dependencies are new since T?",
        "How does A come to depend on B?",
        "Which agents did nobody declare?",
    ]
    for query in QUERIES.values():
        assert query.startswith(f"{READ_WHOLE} WITH newest\n")


def test_the_page_names_every_label_and_property():
    described = {
        name: set(re.findall(r"`(\w+)`", row))
        for name, row in re.findall(r"^\| `(\w+)`(.*) \|$", PAGE, re.MULTILINE)
    }

    assert described["Component"] >= {*COMPONENT, "standing", *LABELS.values()}
    assert described["DEPENDS_ON"] >= {*dependency_table(Graph()), "timestamp"}
    assert described["FALLS_BACK_TO"] >= FALLBACK.keys()
    assert described["Workflow"] >= WORKFLOW.keys()


@pytest.mark.parametrize("name", RECORDED)
async def test_the_answers_are_those_computed_from_the_graph(name: str, place: Place):
    found = graph(name)
    await show(place, found)
    with place.session() as session:
        ask = Asking(session)
        check_dependents(ask, found)
        check_candidates(ask, found)
        check_new(ask, found)
        check_paths(ask, found)
        check_shadows(ask, found)


def check_dependents(ask: Asking, found: Graph) -> None:
    for c in found.components:
        expected = sorted(reachable(c.id, backwards(found.dependencies)).keys() - {c.id})
        assert [row["id"] for row in ask("Who depends on X?", id=c.id)] == expected


def check_candidates(ask: Asking, found: Graph) -> None:
    rows = ask("What may be a single point of failure?")
    assert {row["id"]: set(row["workflows"]) for row in rows} == candidates(found)
    assert [len(row["workflows"]) for row in rows] == sorted(
        (len(row["workflows"]) for row in rows), reverse=True
    )
    assert rows


def check_new(ask: Asking, found: Graph) -> None:
    times = sorted(d.first_seen for d in found.dependencies)
    for since in (times[0], times[len(times) // 2], times[-1], times[-1] + 1):
        rows = ask("Which dependencies are new since T?", since=timestamp(since))
        expected = {
            (d.source, d.target, d.type.value, d.calls)
            for d in found.dependencies
            if d.first_seen >= since
        }
        assert {
            (row["source"], row["target"], row["type"], row["calls"]) for row in rows
        } == expected


def check_paths(ask: Asking, found: Graph) -> None:
    edges, types = (
        forwards(found.dependencies),
        {(d.source, d.target, d.type.value) for d in found.dependencies},
    )
    for start, end in list(permutations([c.id for c in found.components], 2))[::3]:
        steps = reachable(start, edges).get(end)
        rows = ask("How does A come to depend on B?", **{"from": start, "to": end})
        assert len(rows) == (steps is not None)
        for row in rows:
            assert (row["ids"][0], row["ids"][-1], len(row["types"])) == (start, end, steps)
            assert set(zip(row["ids"], row["ids"][1:], row["types"], strict=False)) <= types


def check_shadows(ask: Asking, found: Graph) -> None:
    callers = backwards(found.dependencies)
    expected = {
        m.component: callers[m.component] for m in match(found, every_second_agent(found)).shadow
    }
    assert {
        row["id"]: set(row["callers"]) for row in ask("Which agents did nobody declare?")
    } == expected
    assert expected


def test_the_candidates_are_nearly_what_the_analysis_finds():
    agree = only_here = only_there = 0
    for found in map(graph, NAMES):
        entries = {w.id: w.root_component for w in found.workflows}
        here = {
            (component, w) for component, workflows in candidates(found).items() for w in workflows
        }
        there = {
            (s.component, w.workflow)
            for s in analyze(found, None).spofs
            for w in s.workflows
            if s.component != entries[w.workflow]
        }
        agree, only_here, only_there = (
            agree + len(here & there),
            only_here + len(here - there),
            only_there + len(there - here),
        )

    assert agree > 9 * (only_there + 1)
    assert agree > 9 * only_here
