"""Stored simulations are repeated bit for bit, listed, compared and bounded, in every database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.audit.entries import Entry
from agentguard.audit.store import EntryFilter
from agentguard.bootstrap.app import App
from agentguard.kernel.clock import NS_PER_DAY, system_clock
from agentguard.simulation.identity import digest
from agentguard.simulation.service import Failure
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.databases import KINDS, empty_database
from tests.web.serving import client_of, opened, until
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

CATALOG = "currency: EUR\nagents:\n- {name: CheckoutAgent, value_per_run: 40}\n"
FAILURE = {"agent_id": "PaymentAgent", "seed": 3}
ABOUT = {"id", "stored", "repeat"}


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PostgreSQL | None]:
    async with empty_database(request.param) as found:
        yield found


@asynccontextmanager
async def serving(
    folder: Path, server: PostgreSQL | None, **more: Any
) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    url = SecretStr(server.url) if server else None
    async with (
        opened(folder, database_url=url, **more) as app,
        client_of(create_app(app)) as client,
    ):
        yield app, client


async def scan(client: httpx.AsyncClient, dataset: str = "shop") -> str:
    done = await client.post("/api/scan", json=shop(), params={"dataset": dataset})
    return str(done.json()["graph_version"])


async def simulate(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    return dict((await client.post("/api/simulate", json=FAILURE | more)).json())


async def repeat(client: httpx.AsyncClient, simulated: dict[str, Any]) -> dict[str, Any]:
    return dict((await client.get(f"/api/simulations/{simulated['id']}")).json())


async def told_by(app: App) -> list[tuple[str, str]]:
    """Return the object and the graph version of each entry about a stored simulation."""

    async def all_entries(stores: Any) -> Any:
        waiting = await stores.audit.unsequenced(100)
        return *waiting, *(await stores.audit.entries(EntryFilter(), 100))

    found = await app.retention.kept.unit_of_work.read(all_entries)
    leaves = [Entry.parse(each.leaf) for each in found]
    return [
        (str(e.object_id), str(e.graph_version)) for e in leaves if e.action == "simulation.stored"
    ]


async def test_a_stored_simulation_is_repeated_bit_for_bit_with_the_catalog_of_its_time(
    tmp_path, server
):
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG)
    async with serving(tmp_path, server, catalog=(catalog,), severity_critical=0.9) as (_, client):
        await scan(client)
        simulated = await simulate(client)
    catalog.write_text(CATALOG.replace("40", "50"))
    async with serving(tmp_path, server, catalog=(catalog,)) as (_, client):
        repeated = await repeat(client, simulated)
        anew = await simulate(client)

    assert simulated["method"] == "replay"
    assert repeated["repeat"] == {"state": "identical", "reason": None}
    assert {k: v for k, v in repeated.items() if k not in ABOUT - {"id"}} == simulated
    assert anew["id"] != simulated["id"]
    assert anew["inputs"]["catalog_sha256"] != simulated["inputs"]["catalog_sha256"]


async def test_the_id_is_the_beginning_of_the_hash_of_the_result(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        await scan(client)
        simulated = await simulate(client)

        async def stored(stores: Any) -> Any:
            return await stores.simulations.sha256(simulated["id"])

        kept = await app.retention.kept.unit_of_work.read(stored)

    result = {name: value for name, value in simulated.items() if name != "id"}
    assert kept == digest(result)
    assert kept.startswith(simulated["id"])


async def test_an_equal_simulation_is_stored_once_and_a_preview_never(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        await scan(client)
        previewed = await simulate(client, preview=True)
        none_yet = (await client.get("/api/simulations")).json()
        first, again = await simulate(client), await simulate(client, agent_id="payment_agent")
        listed = (await client.get("/api/simulations")).json()["simulations"]
        told = await told_by(app)

    assert previewed == first | {"id": None}
    assert none_yet == {"simulations": [], "next": None}
    assert first == again
    assert [row["id"] for row in listed] == [first["id"]]
    assert told == [(first["id"], first["graph_version"])]


async def test_a_cached_answer_whose_simulation_was_deleted_is_stored_again(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        await scan(client)
        simulated = await simulate(client)
        await app.retention.purge(TESTER, system_clock() + 1_000_000)
        gone = await client.get(f"/api/simulations/{simulated['id']}")
        await scan(client)
        again = await simulate(client)
        repeated = await repeat(client, again)

    assert (gone.status_code, gone.json()["code"]) == (404, "unknown-simulation")
    assert repeated["repeat"]["state"] == "identical"


async def test_a_stored_simulation_keeps_its_graph_version_from_expiring(tmp_path, server):
    async with serving(tmp_path, server, versions_kept=1) as (app, client):
        await scan(client)
        simulated = await simulate(client)
        await scan(client)
        later = system_clock() + 2 * NS_PER_DAY
        deleted = [await app.retention.kept.expire(now) for now in (later, later + NS_PER_DAY)]
        repeated = await repeat(client, simulated)

    assert sum(each["graph_versions"] + each["simulations"] for each in deleted) == 0
    assert repeated["repeat"]["state"] == "identical"


async def test_what_cannot_be_repeated_shows_the_stored_result_and_says_so(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        await scan(client)
        simulated = await simulate(client)
        await scan(client, "other")
        deleted = await app.datasets.delete(TESTER, "shop", include_cited=True)
        repeated = await repeat(client, simulated)

    assert deleted == 1
    assert repeated["repeat"]["state"] == "expired"
    assert simulated["graph_version"] in repeated["repeat"]["reason"]
    assert {k: v for k, v in repeated.items() if k not in ABOUT - {"id"}} == simulated


async def test_the_oldest_simulations_beyond_the_limit_go_with_their_citations(tmp_path, server):
    async with serving(tmp_path, server, simulations_kept=2) as (app, client):
        await scan(client)
        made = [await simulate(client, seed=seed) for seed in range(3)]
        deleted = await app.retention.kept.expire(system_clock())
        listed = (await client.get("/api/simulations")).json()["simulations"]
        await app.retention.purge(TESTER, system_clock() + 1_000_000)

        async def cited(stores: Any) -> Any:
            return await stores.citations.cited()

        left = await app.retention.kept.unit_of_work.read(cited)

    assert deleted["simulations"] == 1
    assert [row["id"] for row in listed] == [each["id"] for each in reversed(made[1:])]
    assert left == frozenset()


async def test_simulations_are_listed_in_pages_and_filtered(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        await scan(client)
        await scan(client, "other")
        made = [await simulate(client, seed=seed, dataset="shop") for seed in range(4)]
        model = await simulate(client, agent_id="FraudAgent", dataset="other")
        made_in = [*made, model]

        async def ids(**wanted: Any) -> list[str]:
            found = await client.get("/api/simulations", params=wanted)
            return [row["id"] for row in found.json()["simulations"]]

        pages, cursor = [], None
        for _page in range(3):
            asked = {"limit": 2} | ({} if cursor is None else {"before": cursor})
            page = (await client.get("/api/simulations", params=asked)).json()
            pages.append([row["id"] for row in page["simulations"]])
            cursor = page["next"]
        failed = model["failed_components"][0]
        filtered = [
            await ids(component=failed),
            await ids(component="agent:nobody"),
            await ids(dataset="other"),
            await ids(since="1h"),
            await ids(until="1h"),
        ]
        bad = await client.get("/api/simulations", params={"before": "x"})

    newest_first = [each["id"] for each in reversed(made_in)]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    assert cursor is None
    assert filtered == [[model["id"]], [], [model["id"]], newest_first, []]
    assert (bad.status_code, bad.json()["code"]) == (400, "bad-cursor")


async def test_two_simulations_are_compared(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        await scan(client)
        agent, model = await simulate(client), await simulate(client, agent_id="FraudAgent", seed=4)
        asked = {"a": agent["id"], "b": model["id"]}
        compared = (await client.get("/api/simulations/compare", params=asked)).json()
        unknown = await client.get("/api/simulations/compare", params=asked | {"b": "nope"})

    assert [each["name"] for each in compared["inputs"]] == [
        "failed_components",
        "seed",
        "modes",
    ]
    assert compared["runs_lost"]["a"] == agent["blast_radius"]["runs_lost"]
    assert compared["runs_lost"]["b"] == model["blast_radius"]["runs_lost"]
    assert compared["money"]["change"] is None
    assert compared["money"]["reason"] == agent["impact_estimate"]["revenue_risk_reason"]
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-simulation")


async def test_a_background_simulation_is_stored_too(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        await scan(client)
        job = await app.simulations.submit(TESTER, Failure(("PaymentAgent",)))

        async def result() -> Mapping[str, Any] | None:
            return (await app.jobs.get(job.id)).result

        repeated = await repeat(client, dict(await until(result)))
        listed = (await client.get("/api/simulations")).json()["simulations"]

    assert repeated["repeat"]["state"] == "identical"
    assert [row["created_by"] for row in listed] == [TESTER.id]
