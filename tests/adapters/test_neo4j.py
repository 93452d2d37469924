"""What is in Neo4j: the newest graph as people query it, whole at every moment.

And what happens when Neo4j does not do as it is asked.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import neo4j
import pytest
from neo4j.exceptions import ConstraintError

from agentguard.adapters.neo4j.cleaning import retire
from agentguard.adapters.neo4j.database import Credentials, Neo4jDatabase, open_neo4j, rows
from agentguard.adapters.neo4j.drafts import Draft
from agentguard.adapters.neo4j.errors import (
    Neo4jAddressError,
    Neo4jUnavailableError,
    StagedGraphLostError,
)
from agentguard.adapters.neo4j.projection import Neo4jProjection, Standings
from agentguard.adapters.neo4j.schema import prepare
from agentguard.adapters.neo4j.staging import stage
from agentguard.adapters.neo4j.switching import READ_WHOLE, Switch
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.export.cypher import cypher
from agentguard.graph.export.property_graph import COMPONENT, LABELS
from agentguard.graph.model import Graph
from agentguard.graph.storage.store import GraphVersion
from agentguard.kernel.clock import NS_PER_HOUR, Clock, system_clock
from agentguard.kernel.ids import sortable_id
from tests.discovery.recordings import NAMES, graph
from tests.graph.handmade import START, component, depends, shop
from tests.neo4j_server import DATABASE, Place, empty_neo4j

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("neo4j")]


@pytest.fixture
def place() -> Iterator[Place]:
    with empty_neo4j() as found:
        yield found


@asynccontextmanager
async def opened(place: Place, *, standings: Standings = lambda _: {}, clock: Clock = system_clock):
    async with open_neo4j(place.uri, place.credentials, DATABASE, 60) as database:
        yield Neo4jProjection(database, clock, standings)


def version(found: Graph, dataset: str = "shop") -> GraphVersion:
    now = system_clock()
    return GraphVersion(sortable_id(now), dataset, now, found)


def fan(width: int, name: str) -> Graph:
    """An agent that uses so many tools, and each of them one model."""
    agent, model = component(ComponentKind.AGENT, name), component(ComponentKind.MODEL, name)
    tools = [component(ComponentKind.TOOL, f"{name}{n:04}") for n in range(width)]
    edges = [depends(agent, tool, DependencyType.USES_TOOL) for tool in tools]
    edges += [depends(tool, model, DependencyType.CALLS_MODEL) for tool in tools]
    return Graph((agent, model, *tools), tuple(sorted(edges, key=lambda d: (d.source, d.target))))


def ids(place: Place, label: str = "Component") -> list[str]:
    return [row["id"] for row in place.ask(f"MATCH (c:{label}) RETURN c.id AS id ORDER BY id")]


# The data model.


async def test_components_bear_their_kind_and_what_is_known_of_them(place: Place):
    async with opened(place) as store:
        await store.project(put := version(shop()))

    (row,) = place.ask("MATCH (c:Agent {name: 'Checkout'}) RETURN c, labels(c) AS labels")
    found = dict(row["c"])
    assert sorted(row["labels"]) == ["Agent", "Component"]
    assert found["graph_version"] == put.id
    assert {
        key: found[key] for key in ("id", "type", "invocations", "errors", "confidence", "services")
    } == {
        "id": "agent:Checkout",
        "type": "agent",
        "invocations": 10,
        "errors": 2,
        "confidence": 0.75,
        "services": [],
    }
    assert found["first_seen"].iso_format() == "2023-11-14T22:13:20.000000001+00:00"
    assert "environment" not in found
    assert json.loads(found["metadata"]) == {
        "attributes": {},
        "convention": "otel-genai",
        "observations": 0,
        "rule": "invoke_agent",
    }
    assert json.loads(found["evidence"])[0]["reason"] == "failed"
    assert ids(place) == sorted(c.id for c in shop().components)


async def test_dependencies_point_to_what_is_depended_on_and_say_when_they_were_found(place: Place):
    async with opened(place) as store:
        await store.project(put := version(shop()))

    (row,) = place.ask(
        "MATCH (:Agent {name: 'Checkout'})-[d:DEPENDS_ON]->(:Tool {name: 'charge_card'}) RETURN d"
    )
    found = dict(row["d"])
    assert {
        key: found[key]
        for key in (
            "type",
            "calls",
            "errors",
            "absorbed",
            "propagated",
            "confidence",
            "fallbacks",
            "in_most_runs",
        )
    } == {
        "type": "uses_tool",
        "calls": 10,
        "errors": 3,
        "absorbed": 1,
        "propagated": 2,
        "confidence": 0.75,
        "fallbacks": 0,  # one was seen, but it helped in one of three
        "in_most_runs": False,
    }
    seconds, rest = divmod(put.created_at, 10**9)
    (when,) = place.ask(
        "MATCH ()-[d:DEPENDS_ON]->() RETURN DISTINCT d.timestamp.epochSeconds AS seconds,"
        " d.timestamp.nanosecond AS rest"
    )
    assert when == {"seconds": seconds, "rest": rest}
    assert json.loads(found["evidence"])[0]["timestamp"].endswith("000000001Z")
    assert START % 10 == 1


async def test_workflows_and_fallbacks_are_in_the_graph(place: Place):
    async with opened(place) as store:
        await store.project(version(shop()))

    (fallback,) = place.ask(
        "MATCH (a:Component)-[f:FALLS_BACK_TO]->(b:Component) RETURN a.id, b.id, f.owner, f.count,"
        " f.rescued"
    )
    (workflow,) = place.ask(
        "MATCH (b)<-[:FIRST_COMPONENT]-(w:Workflow)-[:STARTS_IN]->(a) RETURN w.id, w.runs,"
        " w.failed, w.entry, w.root, a.id, b.id"
    )
    assert list(fallback.values()) == [
        "tool:charge_card",
        "tool:send_invoice",
        "agent:Checkout",
        3,
        1,
    ]
    assert list(workflow.values()) == [
        "workflow:checkout",
        10,
        2,
        "agent:Checkout",
        "POST /checkout",
        "agent:Checkout",
        "agent:Checkout",
    ]


async def test_every_kind_has_a_label_of_its_own(place: Place):
    one_of_each = Graph(tuple(component(kind, "x") for kind in ComponentKind))
    async with opened(place) as store:
        await store.project(version(one_of_each))

    assert len(set(LABELS.values())) == len(ComponentKind)
    for kind, label in LABELS.items():
        assert ids(place, label) == [f"{kind}:x"]


async def test_constraint_and_indexes_bear_the_promised_names(place: Place):
    place.forget_schema()
    async with opened(place) as store:
        await store.project(version(shop()))

    (constraint,) = place.ask(
        "SHOW CONSTRAINTS YIELD name, labelsOrTypes, properties WHERE labelsOrTypes = ['Component']"
        " RETURN properties"
    )
    indexes = place.ask(
        "SHOW INDEXES YIELD name, labelsOrTypes, properties WHERE labelsOrTypes = ['Agent'] RETURN"
        " name, properties"
    )
    assert constraint == {"properties": ["id"]}
    assert {row["name"]: row["properties"] for row in indexes} == {
        "agent_id": ["id"],
        "agent_name": ["name"],
    }


async def test_a_database_that_was_emptied_under_a_running_server_is_prepared_again(place: Place):
    async with opened(place) as store:
        await store.project(version(shop()))
        place.empty()
        place.forget_schema()
        await store.project(version(fan(3, "x")))

    assert len(ids(place)) == 5
    assert place.ask(
        "SHOW CONSTRAINTS YIELD labelsOrTypes WHERE labelsOrTypes = ['Component'] RETURN 1"
    )


async def test_each_version_takes_the_place_of_the_one_before_and_leaves_nothing_of_it(
    place: Place,
):
    async with opened(place) as store:
        for found in (shop(), fan(7, "a"), graph("crewai-openinference"), Graph(), shop(), shop()):
            await store.project(put := version(found, f"of-{len(found.components)}"))

            assert ids(place) == sorted(c.id for c in found.components)
            edges = place.ask("MATCH (a)-[d:DEPENDS_ON]->(b) RETURN a.id, b.id, d.type")
            assert sorted(tuple(row.values()) for row in edges) == sorted(
                (d.source, d.target, d.type.value) for d in found.dependencies
            )
            assert ids(place, "Workflow") == sorted(w.id for w in found.workflows)
            assert len(place.ask("MATCH ()-[f:FALLS_BACK_TO]->() RETURN f")) == len(found.fallbacks)
            assert place.ask(
                "MATCH (n:NewestGraph) RETURN n.graph_version AS id, n.dataset AS dataset"
            ) == [{"id": put.id, "dataset": put.dataset}]
    left = {
        label
        for row in place.ask("MATCH (n) RETURN DISTINCT labels(n) AS labels")
        for label in row["labels"]
    }
    assert {label for label in left if label.startswith("AgentGuard")} == {"AgentGuardLock"}


async def test_the_cypher_export_writes_what_the_store_writes(place: Place):
    for found in (shop(), graph("crewai-openinference"), graph("fastapi-distributed")):
        place.empty()
        async with opened(place) as store:
            await store.project(version(found))
        stored = everything(place)
        place.empty()
        with place.session() as session:
            for statement in filter(None, cypher(found).split(";\n")):
                session.run(statement).consume()

        assert everything(place) == stored


def everything(place: Place) -> list[Any]:
    """The graph that is shown, without what only its writer knows."""
    of_writer = {"graph_version", "timestamp", "standing"}
    nodes = place.ask(
        "MATCH (n) WHERE n:Component OR n:Workflow RETURN labels(n) AS labels, properties(n) AS"
        " found"
    )
    edges = place.ask(
        "MATCH (a)-[d]->(b) RETURN a.id AS a, b.id AS b, type(d) AS type, properties(d) AS found"
    )
    for row in (*nodes, *edges):
        row["found"] = sorted(
            (key, str(value)) for key, value in row["found"].items() if key not in of_writer
        )
    return sorted([sorted(row["labels"]), row["found"]] for row in nodes) + sorted(
        list(row.values()) for row in edges
    )


async def test_what_others_keep_in_the_database_is_left_alone(place: Place):
    place.ask(
        "CREATE (:Component {id: 'mine'})-[:DEPENDS_ON]->(:Agent {name: 'mine'}), (:Workflow {id:"
        " 'mine'}), (:Staged), (:Retired)"
    )
    async with opened(place) as store:
        for found in (shop(), fan(2, "a")):
            await store.project(put := version(found))
        await store.refresh(put)

    assert "mine" in ids(place)
    assert "mine" in ids(place, "Workflow")
    assert place.ask(
        "MATCH (:Component {id: 'mine'})-[:DEPENDS_ON]->(a:Agent), (:Staged), (:Retired) RETURN"
        " a.name AS name"
    ) == [{"name": "mine"}]


async def test_a_strangers_node_with_an_id_of_ours_is_named_and_nothing_is_left_half_done(
    place: Place,
):
    async with opened(place) as store:
        await store.project(before := version(fan(2, "a")))
        place.ask("CREATE (:Component {id: 'agent:Checkout'})")
        with pytest.raises(Neo4jUnavailableError, match="Use a dedicated database"):
            await store.project(version(shop()))
        assert await store.shown() == before.id
        place.ask("MATCH (c:Component {id: 'agent:Checkout'}) DELETE c")
        assert ids(place) == sorted(c.id for c in before.graph.components)
        await store.project(after := version(shop()))

        assert await store.shown() == after.id
    assert not place.ask(
        "MATCH (n:AgentGuardStagedComponent|AgentGuardStagedVersion|AgentGuardRetired) RETURN n"
    )


async def test_what_a_dead_writer_staged_goes_after_an_hour(place: Place):
    async with opened(place) as store:
        await store.project(version(shop()))
        await stage(store.database, Draft(version(fan(3, "dead")), "dead", system_clock()), {})
        await store.project(version(shop()))
        assert len(ids(place, "AgentGuardStagedComponent")) == 5
    async with opened(place, clock=lambda: system_clock() + 2 * NS_PER_HOUR) as store:
        await store.project(version(shop()))

    assert ids(place, "AgentGuardStagedComponent") == ids(place, "AgentGuardStagedVersion") == []
    assert ids(place) == sorted(c.id for c in shop().components)


async def test_a_draft_that_another_process_took_for_a_dead_writers_is_not_shown(
    place: Place, monkeypatch
):
    async def stage_too_slowly(database: Neo4jDatabase, draft: Draft, *rest) -> None:
        await stage(database, draft, *rest)
        await retire(database, draft.version.id, draft.writer)

    first, second = version(shop()), version(fan(3, "slow"))
    async with opened(place) as store:
        await store.project(first)
        monkeypatch.setattr("agentguard.adapters.neo4j.projection.stage", stage_too_slowly)
        with pytest.raises(StagedGraphLostError, match="clocks"):
            await store.project(second)

        assert await store.shown() == first.id
    assert ids(place) == sorted(c.id for c in shop().components)
    assert ids(place, "AgentGuardStagedComponent") == ids(place, "AgentGuardRetired") == []


async def test_a_version_that_a_dead_writer_half_staged_is_shown_by_the_next_writer(place: Place):
    put = version(shop())
    async with opened(place) as store:
        await prepare(store.database)
        await stage(store.database, Draft(put, "dead", system_clock()), {})
        await store.project(put)

        assert await store.shown() == put.id
    assert ids(place) == sorted(c.id for c in shop().components)
    assert ids(place, "AgentGuardStagedComponent") == ids(place, "AgentGuardRetired") == []


async def test_a_writer_whose_version_was_taken_over_writes_no_more(place: Place, monkeypatch):
    monkeypatch.setattr("agentguard.adapters.neo4j.staging._WRITTEN_AT_ONCE", 3)
    put = version(fan(9, "a"))
    async with opened(place) as store:
        await prepare(store.database)
        slow = Draft(put, "slow", system_clock())
        await stage(store.database, slow, {})
        await store.project(put)
        with pytest.raises(StagedGraphLostError):
            await store.database.transact(Switch(slow))

        assert await store.shown() == put.id
    assert ids(place) == sorted(c.id for c in put.graph.components)


async def test_what_is_shown_can_be_cleared(place: Place):
    async with opened(place) as store:
        await store.project(version(shop()))
        await store.clear()

        assert await store.shown() is None
    assert ids(place) == ids(place, "AgentGuardRetired") == []


async def test_a_graph_of_another_data_model_counts_as_not_shown(place: Place):
    async with opened(place) as store:
        await store.project(put := version(shop()))
        place.ask("MATCH (n:NewestGraph) REMOVE n.data_model")
        assert await store.shown() is None
        await store.project(put)

        assert await store.shown() == put.id
    assert ids(place) == sorted(c.id for c in shop().components)


async def test_it_is_said_how_components_stand_to_the_catalogue_and_said_anew_at_the_next_start(
    place: Place,
):
    async with opened(
        place,
        standings=lambda g: {c.id: "shadow" for c in g.components if c.kind is ComponentKind.AGENT},
    ) as store:
        await store.project(put := version(shop()))
    asked = "MATCH (c:Component) WHERE c.standing = $standing RETURN c.id AS id"
    before = {row["id"] for row in place.ask(asked, standing="shadow")}
    async with opened(place, standings=lambda g: {c.id: "declared" for c in g.components}) as store:
        await store.refresh(put)

    assert before == {"agent:Checkout", "agent:Pricing", "agent:Fraud"}
    assert len(place.ask(asked, standing="declared")) == len(shop().components)
    assert not place.ask(asked, standing="shadow")


async def test_rows_are_sent_in_batches_that_lose_none(place: Place, monkeypatch):
    monkeypatch.setattr("agentguard.adapters.neo4j.staging._SENT_AT_ONCE", 3)
    monkeypatch.setattr("agentguard.adapters.neo4j.staging._WRITTEN_AT_ONCE", 7)
    found = graph("crewai-openinference")
    async with opened(place) as store:
        await store.project(version(found))

    assert ids(place) == sorted(c.id for c in found.components)
    assert len(place.ask("MATCH (:Component)-[d:DEPENDS_ON]->() RETURN d")) == len(
        found.dependencies
    )


# Readers while a graph is replaced.

WHOLE = f"{READ_WHOLE} WITH newest "
COLLECT = "RETURN newest.graph_version AS version, collect(DISTINCT {0}) AS found"
QUESTIONS = {
    "components": "MATCH (c:Component) " + COLLECT.format("c.id"),
    "agents, tools and models": (
        "MATCH (c:Component) WHERE c:Agent OR c:Tool OR c:Model " + COLLECT.format("c.id")
    ),
    "dependencies": (
        "MATCH (a:Component)-[:DEPENDS_ON]->(b:Component) " + COLLECT.format("a.id + ' ' + b.id")
    ),
    "what a model carries": (
        "MATCH (:Model)<-[:DEPENDS_ON*1..]-(c:Component) " + COLLECT.format("c.id")
    ),
}


def answers(found: Graph) -> dict[str, list[str]]:
    every = sorted(c.id for c in found.components)
    return {
        "components": every,
        "agents, tools and models": every,
        "dependencies": sorted(f"{d.source} {d.target}" for d in found.dependencies),
        "what a model carries": [id_ for id_ in every if not id_.startswith("model:")],
    }


async def test_who_reads_whole_never_sees_half_a_graph(place: Place):
    put = [
        version(fan(width, name))
        for width, name in zip((600, 40, 400, 3, 500, 200, 300), "abababc", strict=True)
    ]
    expected = {each.id: answers(each.graph) for each in put}
    stop = threading.Event()

    def read(number: int) -> set[str]:
        seen = set()
        with place.session() as session:
            for turn in count(number):
                name, question = list(QUESTIONS.items())[turn % len(QUESTIONS)]
                (row,) = list(session.run(WHOLE + question))
                assert sorted(row["found"]) == expected[row["version"]][name]
                seen.add(row["version"])
                if stop.is_set():
                    return seen
        return seen

    async with opened(place) as store:
        await store.project(put[0])
        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read, number) for number in range(4)]
            for each in put[1:]:
                await store.project(each)
            stop.set()
            seen = set().union(*[await asyncio.wrap_future(reader) for reader in readers])

    assert len(seen) > 3


# Transactions.


async def test_one_that_meets_another_at_a_key_is_done_once_more(place: Place):
    async with opened(place) as store:
        await store.project(version(shop()))
        turns = count(1)

        async def merge(transaction) -> int:
            turn = next(turns)
            verb = (
                "CREATE" if turn == 1 else "MERGE"
            )  # what a MERGE does that did not see the other's
            await rows(transaction, f"{verb} (c:Component {{id: 'agent:Checkout'}}) RETURN c")
            return turn

        assert await store.database.transact(merge) == 2


async def test_one_that_meets_another_at_a_key_twice_says_so(place: Place):
    async with opened(place) as store:
        await store.project(version(shop()))
        turns = count(1)

        async def create(transaction) -> None:
            next(turns)
            await rows(transaction, "CREATE (c:Component {id: 'agent:Checkout'}) RETURN c")

        with pytest.raises(Neo4jUnavailableError) as caught:
            await store.database.transact(create)
        assert isinstance(caught.value.__cause__, ConstraintError)
        assert next(turns) == 3


async def test_crossed_updates_are_both_done(place: Place):
    place.ask("CREATE (:Sum {id: 1, n: 0}), (:Sum {id: 2, n: 0})")
    both_hold_one = asyncio.Barrier(2)
    add = "MATCH (s:Sum {id: $id}) SET s:Sum SET s.n = s.n + 1"

    async with opened(place) as store:

        async def cross(first: int, second: int) -> int:
            turns = count(1)

            async def work(transaction) -> int:
                turn = next(turns)
                await rows(transaction, add, id=first)
                if turn == 1:
                    await both_hold_one.wait()
                await rows(transaction, add, id=second)
                return turn

            return await store.database.transact(work)

        turns = await asyncio.gather(cross(1, 2), cross(2, 1))

    assert sum(turns) > 2
    assert [row["n"] for row in place.ask("MATCH (s:Sum) RETURN s.n AS n")] == [2, 2]


async def test_many_first_writers_at_once_show_one_whole_graph(place: Place):
    place.forget_schema()

    async def write(name: str) -> None:
        async with opened(place) as store:
            await store.project(version(shop(), name))

    await asyncio.gather(*(write(name) for name in "abcdef"))

    assert ids(place) == sorted(c.id for c in shop().components)
    assert len(place.ask("MATCH (n:NewestGraph) RETURN n")) == 1


# What goes wrong.

SECRET = "the-secret-word"


@asynccontextmanager
async def asking(
    uri: str,
    *,
    user: str = "neo4j",
    password: str = SECRET,
    database: str = DATABASE,
    seconds: float = 20,
):
    async with open_neo4j(uri, Credentials(user, password), database, seconds) as found:
        yield found


async def complaint(database: Neo4jDatabase) -> str:
    with pytest.raises(Neo4jUnavailableError) as caught:
        await database.ping()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


async def test_a_server_that_is_away_is_named_at_once():
    async with asyncio.timeout(10), asking("bolt://127.0.0.1:1") as database:
        assert (
            await complaint(database)
            == "Neo4j at bolt://127.0.0.1:1 is unreachable. Start it, or correct NEO4J_URI."
        )


async def test_a_host_that_nobody_knows_is_named():
    async with asking("bolt://nobody.invalid:7687") as database:
        assert "is unreachable" in await complaint(database)


async def test_a_server_that_never_answers_is_waited_for_no_longer_than_told():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with (
            asyncio.timeout(10),
            asking(f"bolt://127.0.0.1:{silent.getsockname()[1]}", seconds=0.3) as database,
        ):
            found = await complaint(database)

    assert "did not answer in time" in found or "is unreachable" in found


async def test_work_that_takes_too_long_ends(place: Place):
    async with open_neo4j(place.uri, place.credentials, DATABASE, 0.5) as database:
        async with asyncio.timeout(30):
            with pytest.raises(Neo4jUnavailableError, match="did not answer in time"):
                await database.ask(
                    "UNWIND range(1, 1000000000) AS n UNWIND range(1, 1000) AS m RETURN sum(n * m)"
                )
        async with open_neo4j(place.uri, place.credentials, DATABASE, 20) as other:
            running = (
                "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery STARTS WITH 'UNWIND range'"
                " RETURN currentQuery"
            )
            async with asyncio.timeout(30):
                while await other.ask(running):  # noqa: ASYNC110 - the server tells nobody
                    await asyncio.sleep(0.05)


async def test_a_wrong_password_is_said_without_it(place: Place):
    async with asking(place.uri, user="nobody") as database:
        assert "Correct NEO4J_USER and NEO4J_PASSWORD" in await complaint(database)


async def test_a_database_that_is_not_there_is_named(place: Place):
    async with open_neo4j(place.uri, place.credentials, "nowhere", 20) as database:
        assert "has no database 'nowhere'. Correct NEO4J_DATABASE" in await complaint(database)


async def test_encryption_that_the_server_does_not_speak_is_said(place: Place):
    async with open_neo4j(
        place.uri.replace("bolt:", "bolt+s:"), place.credentials, DATABASE, 20
    ) as database:
        assert "is unreachable" in await complaint(database)


@pytest.mark.parametrize(
    "uri",
    [
        f"bolt://neo4j:{SECRET}@127.0.0.1:7687",
        f"neo4j://neo4j:{SECRET}@127.0.0.1:7687",
        "bolt://127.0.0.1:7687?x=1",
    ],
)
async def test_a_uri_that_holds_more_than_a_place_is_refused(uri: str):
    with pytest.raises(Neo4jAddressError) as caught:
        async with asking(uri):
            pass

    assert SECRET not in str(caught.value)


async def test_a_fault_of_our_own_is_not_called_an_absence(place: Place):
    async with open_neo4j(place.uri, place.credentials, DATABASE, 20) as database:
        with pytest.raises(neo4j.exceptions.CypherSyntaxError):
            await database.ask("MATSCH (n)")


def test_every_property_is_one_that_neo4j_can_hold():
    for name in NAMES:
        for found in graph(name).components:
            for value in (value(found) for value in COMPONENT.values()):
                assert value is None or isinstance(value, str | int | float | bool | list)
