"""The live graph: a function of the spans received, computed only when there are others."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import orjson
import pytest

from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.storage.store import LIVE
from agentguard.kernel.clock import system_clock
from agentguard.settings import Settings
from agentguard.traces.store import Delivery, Encoding
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.traces.spans import HOUR, json
from tests.web.serving import client_of, opened, served, serving_of, until
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

DELIVERY = Delivery(orjson.dumps(shop()), Encoding.JSON)


async def live_after(app: App, deliveries: list[Delivery]):
    """Deliver, and return the newest live version once all of it shows."""
    for delivery in deliveries:
        await serving_of(app).receiver.receive(TESTER, delivery)

    async def shown():
        found = [dataset for dataset in await app.graphs.datasets() if dataset.name == LIVE]
        version = await app.graphs.newest(LIVE) if found else None
        return (
            version
            if version and version.graph.coverage.spans_read >= 16 * len(deliveries)
            else None
        )

    return await until(shown)


async def test_delivered_once_or_twice_in_parts_or_whole_gives_one_graph(tmp_path):
    groups = shop()["resourceSpans"]
    parts = [
        Delivery(orjson.dumps({"resourceSpans": [group]}), Encoding.JSON)
        for group in reversed(groups)
    ]
    async with opened(tmp_path / "whole") as app:
        whole = (await live_after(app, [DELIVERY])).graph
    async with opened(tmp_path / "twice") as app:
        twice = (await live_after(app, [DELIVERY, DELIVERY])).graph
    async with opened(tmp_path / "parts") as app:
        for part in parts[1:]:
            await serving_of(app).receiver.receive(TESTER, part)
        await serving_of(app).receiver.receive(TESTER, parts[0])

        async def shown():
            return (graph := serving_of(app).live.graph) and graph.coverage.spans == 16 and graph

        apart = await until(shown)

    assert whole.components == twice.components == apart.components
    assert whole.dependencies == twice.dependencies == apart.dependencies
    assert whole.workflows == twice.workflows == apart.workflows


async def test_nothing_new_gives_no_new_version_also_after_a_restart(tmp_path):
    async with opened(tmp_path) as app:
        first = await live_after(app, [DELIVERY])
        assert not await serving_of(app).live.refresh()
    async with opened(tmp_path) as app:
        await serving_of(app).compactor.run_once()
        assert not await serving_of(app).live.refresh()

        assert (await app.graphs.newest(LIVE)).id == first.id


async def test_what_was_received_before_the_window_is_not_shown(tmp_path):
    now = [system_clock()]
    settings = Settings(data_dir=tmp_path / "data", window_hours=2)
    async with open_app(settings, serving=True, in_processes=False, clock=lambda: now[0]) as app:
        await live_after(app, [DELIVERY])
        now[0] += 5 * HOUR
        late = Delivery(
            DELIVERY.body.replace(b"FraudAgent", b"LateAgent").replace(
                b'"traceId":"0', b'"traceId":"f'
            ),
            Encoding.JSON,
        )
        await serving_of(app).receiver.receive(TESTER, late)

        async def shown():
            names = {c.name for c in (await app.graphs.newest(LIVE)).graph.components}
            return names if "LateAgent" in names else None

        assert "FraudAgent" not in await until(shown)


async def test_a_live_graph_beyond_its_limit_has_the_newest_spans_and_says_what_is_left_out(
    tmp_path,
):
    async with opened(tmp_path, live_max_spans=3) as app, client_of(create_app(app)) as client:

        async def shown(spans: int, left_out: int) -> bool:
            graph = (await client.get("/api/graph", params={"dataset": "live"})).json()
            coverage = graph.get("coverage", {})
            found = coverage.get("spans"), coverage.get("outside_window")
            return found == (spans, left_out)

        await serving_of(app).receiver.receive(TESTER, json([1, 2]))
        await until(partial(shown, 2, 0))
        await serving_of(app).receiver.receive(TESTER, json([3, 4]))
        await until(partial(shown, 2, 2))


async def test_spans_show_while_a_scan_is_at_work(tmp_path):
    begun, go = threading.Event(), threading.Event()

    def scanning(_dialects: Dialects) -> None:
        begun.set()
        go.wait(60)

    async with opened(tmp_path) as app, asyncio.TaskGroup() as tasks:
        scan = tasks.create_task(app.scans.workers.run(scanning))
        try:
            await asyncio.to_thread(begun.wait, 60)
            version = await live_after(app, [DELIVERY])
            assert not scan.done()
        finally:
            go.set()

    assert version.graph.coverage.spans == 16


async def test_content_is_kept_only_when_asked_for(tmp_path):
    secret = shop(1)
    span = secret["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["attributes"].append(
        {"key": "gen_ai.input.messages", "value": {"stringValue": "a very private prompt"}}
    )
    for keep in (False, True):
        directory = tmp_path / str(keep)
        async with served(directory, keep_content=keep) as client:
            assert (await client.post("/v1/traces", json=secret)).status_code == 200

        content = b"".join(
            path.read_bytes() for path in (directory / "data").rglob("*") if path.is_file()
        )
        assert (b"a very private prompt" in content) is keep


async def test_evidence_links_and_shadow_agents_are_in_the_documents(tmp_path):
    (tmp_path / "catalog.yaml").write_text(
        "agents:\n- name: CheckoutAgent\n- name: PaymentAgent\n  owner: payments\n"
    )
    settings = {
        "catalog": tmp_path / "catalog.yaml",
        "trace_url": "http://jaeger:16686/trace/{trace_id}",
    }
    async with opened(tmp_path, **settings) as app, client_of(create_app(app)) as client:
        scanned = (await client.post("/api/scan", json=shop())).json()

    assert [agent["name"] for agent in scanned["shadow_agents"]] == ["FraudAgent"]
    assert scanned["shadow_agents"][0]["shadow_reason"]
    assert scanned["dependencies"][0]["evidence"][0]["url"].startswith(
        "http://jaeger:16686/trace/0000"
    )


async def test_the_catalogue_is_compared_with_the_newest_graph(tmp_path):
    (tmp_path / "catalog.yaml").write_text(
        "agents:\n- {name: CheckoutAgent, depends_on: []}\n- {name: Gone}\n"
    )
    async with (
        opened(tmp_path, catalog=tmp_path / "catalog.yaml") as app,
        client_of(create_app(app)) as client,
    ):
        await client.post("/api/scan", json=shop())
        found = (await client.get("/api/catalog")).json()

    shadows = [c for c in found["components"] if c["id"] in found["shadow_agents"]]
    assert {c["standing"] for c in shadows} == {"shadow"}
    assert all(
        c["reason"] and c["first_seen"] and c["last_seen"] and c["evidence"] for c in shadows
    )
    assert [(d["aspect"], [e["name"] for e in d["extra"]]) for d in found["drift"]] == [
        ("dependencies", ["PaymentAgent"])
    ]
    assert [(e["name"], e["state"]) for e in found["not_seen"]] == [("Gone", "not_seen")]
