"""The newest live graph is in memory; it is stored when it is due, cited or wanted elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentguard.adapters.files.live_demand import FileLiveDemand
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.graph.references import select
from agentguard.graph.selection import GraphSelection
from agentguard.graph.storage.store import LIVE, GraphVersion
from agentguard.kernel.clock import system_clock, timestamp
from agentguard.scan.live import rest_seconds
from agentguard.settings import Settings
from agentguard.simulation.service import Failure
from agentguard.traces.store import Delivery, Encoding
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.web.serving import client_of, opened, serving_of, until
from tests.web.test_live import DELIVERY, live_after

pytestmark = pytest.mark.anyio


TRACES = {"SecondAgent": "b", "ThirdAgent": "c", "FourthAgent": "d"}


def renamed(agent: str) -> Delivery:
    body = DELIVERY.body.replace(b"FraudAgent", agent.encode())
    low = f'"traceId":"{"0" * 16}{TRACES[agent]}'.encode()  # the half that 64-bit ids have too
    return Delivery(body.replace(b'"traceId":"' + b"0" * 17, low), Encoding.JSON)


async def stored_ids(app: App) -> tuple[str, ...]:
    return await app.graphs.unit_of_work.read(lambda stores: stores.graphs.ids())


async def changed(app: App, agent: str) -> GraphVersion:
    """Deliver spans of a new agent; return the version that shows it."""
    await serving_of(app).receiver.receive(TESTER, renamed(agent))

    async def shown() -> GraphVersion | None:
        version = await app.graphs.newest(LIVE)
        return version if agent in {c.name for c in version.graph.components} else None

    found: GraphVersion = await until(shown)
    return found


async def test_changes_are_served_from_memory_and_stored_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as app:
        first = await live_after(app, [DELIVERY])
        second = await changed(app, "SecondAgent")
        third = await changed(app, "ThirdAgent")

        assert await stored_ids(app) == (first.id,)
        (dataset,) = await app.graphs.datasets()
        assert (dataset.newest_version, dataset.components) == (
            third.id,
            len(third.graph.components),
        )
        assert (await app.graphs.get(second.id)).graph == second.graph
        assert (await app.graphs.runs(third.id)).runs.num_rows


async def test_the_newest_is_stored_when_the_time_has_come(tmp_path: Path) -> None:
    async with opened(tmp_path, live_store_seconds=0) as app:
        await live_after(app, [DELIVERY])
        second = await changed(app, "SecondAgent")

        async def stored() -> bool:
            return second.id in await stored_ids(app)

        assert await until(stored)


async def test_the_newest_is_stored_at_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as app:
        await live_after(app, [DELIVERY])
        second = await changed(app, "SecondAgent")

    async with open_app(Settings(data_dir=tmp_path / "data"), in_processes=False) as app:
        assert (await app.graphs.newest(LIVE)).id == second.id


async def test_what_a_simulation_or_a_comparison_cites_is_stored(tmp_path: Path) -> None:
    async with opened(tmp_path) as app:
        await live_after(app, [DELIVERY])
        second = await changed(app, "SecondAgent")
        resolved = await app.simulations.resolve(TESTER, Failure(("SecondAgent",)))
        assert resolved.selected.version == second.id
        assert second.id in await stored_ids(app)

        third = await changed(app, "ThirdAgent")
        compared = await select(app.selector, "live", system_clock())
        assert compared.version == third.id
        assert third.id in await stored_ids(app)

        fourth = await changed(app, "FourthAgent")
        await app.selector.select(GraphSelection(version=fourth.id))
        assert fourth.id in await stored_ids(app)


async def test_reading_stores_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as app:
        first = await live_after(app, [DELIVERY])
        second = await changed(app, "SecondAgent")
        selected = await app.graph.select(GraphSelection(dataset=LIVE))
        await app.graph.graph(selected)

        assert selected.version == second.id
        assert await stored_ids(app) == (first.id,)


async def test_another_process_sees_the_newest(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    async with opened(tmp_path) as app, open_app(settings, in_processes=False) as other:
        await live_after(app, [DELIVERY])
        second = await changed(app, "SecondAgent")

        async def seen() -> bool:
            return (await other.graphs.newest(LIVE)).id == second.id

        assert await until(seen)


async def test_without_a_server_nobody_is_asked(tmp_path: Path) -> None:
    demand = FileLiveDemand(tmp_path)
    await demand.ask()

    assert not await demand.pending()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.1, 0.5, 1])
def test_the_pause_leaves_the_stated_share(share: float) -> None:
    assert 3 / (3 + rest_seconds(3, share)) == pytest.approx(share)


async def test_answers_say_until_when_the_live_graph_has_all_spans(tmp_path: Path) -> None:
    async with opened(tmp_path) as app, client_of(create_app(app)) as client:
        version = await live_after(app, [DELIVERY])
        computed = timestamp(version.created_at)
        answer = await client.get("/api/agents", params={"dataset": LIVE})
        before = answer.headers["AgentGuard-Graph-As-Of"]
        agent = answer.json()["agents"][0]["id"]
        for path in ("/api/simulate", "/api/playbook"):
            named = await client.post(path, json={"agent_id": agent, "dataset": LIVE})
            assert named.headers["AgentGuard-Graph-As-Of"] >= before

        async def later() -> bool:
            again = await client.get("/api/graph", params={"dataset": LIVE})
            return str(again.headers["AgentGuard-Graph-As-Of"]) > before

        assert before >= str(computed)
        assert await until(later)  # although nothing changed
        old = await client.get("/api/graph", params={"version": version.id})
        assert "AgentGuard-Graph-As-Of" not in old.headers
