"""Incidents over HTTP: opened, moved, merged and proven, in every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.tables import audit_logs, incidents, playbooks
from agentguard.bootstrap.app import App
from agentguard.incidents.errors import IncidentChangedError
from agentguard.incidents.service import Report
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_HOUR, system_clock
from agentguard.simulation.severities import Severity
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.databases import KINDS, empty_database
from tests.incidents.examples import condition
from tests.web.serving import client_of, opened, until
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

REPORT: dict[str, Any] = {
    "title": "Zahlungen schlagen fehl – 支付失败",
    "severity": "HIGH",
    "components": ["PaymentAgent"],
    "note": "Seit 3 Uhr.",
}


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


async def scan(client: httpx.AsyncClient) -> None:
    await client.post("/api/scan", json=shop(), params={"dataset": "shop"})


async def report(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/incidents", json=REPORT | more)
    assert answer.status_code == 201, answer.text
    assert answer.headers["etag"] == '"1"'
    return dict(answer.json())


async def sequenced(app: App) -> None:
    async def done() -> bool:
        return (await app.audit.progress()).pending == 0

    await until(done)


async def move(
    client: httpx.AsyncClient, id_: str, to: str, tag: str = "*", **more: Any
) -> httpx.Response:
    return await client.post(
        f"/api/incidents/{id_}/transition", json={"to": to, **more}, headers={"If-Match": tag}
    )


async def test_an_incident_goes_through_its_states_with_a_timeline(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        await scan(client)
        told = await report(client)
        path = f"/api/incidents/{told['id']}"
        for number, to in enumerate(("acknowledged", "mitigated", "resolved", "reviewed"), 1):
            answer = await move(client, told["id"], to, f'"{number}"', note=f"now {to}")
            assert (answer.status_code, answer.headers["etag"]) == (200, f'"{number + 1}"')
        shown = (await client.get(path)).json()
        first = (await client.get(f"{path}/events", params={"limit": 3})).json()
        rest = (await client.get(f"{path}/events", params={"after": first["next"]})).json()

    assert (told["title"], told["state"]) == (REPORT["title"], "open")
    assert told["components"] == [
        {
            "id": "agent:paymentagent",
            "name": "PaymentAgent",
            "kind": "agent",
            "in_newest_graph": True,
        }
    ]
    assert (shown["state"], shown["next_states"], shown["version"]) == ("reviewed", ["open"], 5)
    assert None not in [shown[f"{s}_at"] for s in ("acknowledged", "mitigated", "resolved")]
    events = [*first["events"], *rest["events"]]
    assert [e["number"] for e in events] == [1, 2, 3, 4, 5]
    assert [e["note"] for e in events][:2] == ["Seit 3 Uhr.", "now acknowledged"]
    assert rest["next"] is None


async def test_severity_and_impact_are_those_of_the_stored_simulation(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        await scan(client)
        simulated = (await client.post("/api/simulate", json={"agent_id": "PaymentAgent"})).json()
        answer = await client.post("/api/incidents", json={"simulation": simulated["id"]})
        refused = await client.post(
            "/api/incidents", json={"simulation": simulated["id"], "severity": "LOW"}
        )
        unknown = await client.post("/api/incidents", json={"simulation": "ab"})
    told = answer.json()

    assert answer.status_code == 201
    assert told["title"] == "Simulated failure of PaymentAgent"
    assert told["severity"] == simulated["impact_estimate"]["severity"]
    assert told["blast_radius_score"] == simulated["blast_radius_score"]
    assert told["impact"]["runs_lost"] == simulated["blast_radius"]["runs_lost"]
    assert told["impact"]["answer"] == simulated["answer"]
    hit = {"agent:paymentagent", *(c["id"] for c in simulated["impacted_components"])}
    assert {c["id"] for c in told["components"]} == hit
    assert {w["id"] for w in told["workflows"]} == {
        w["id"] for w in simulated["impacted_workflows"]
    }
    assert told["links"]["simulation"] == simulated["id"]
    assert told["links"]["graph_version"] == simulated["graph_version"]
    assert told["links"]["graph_version_kept"] is told["links"]["simulation_kept"] is True
    assert (refused.status_code, unknown.status_code) == (422, 404)
    assert unknown.json()["code"] == "unknown-simulation"


async def test_of_two_people_one_is_told_that_the_other_was_first(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        told = await report(client, components=["any"])
        answers = await asyncio.gather(
            *(move(client, told["id"], to, '"1"') for to in ("acknowledged", "resolved"))
        )
        without = await client.post(f"/api/incidents/{told['id']}/assign", json={"owner": "a"})
        bad = await move(client, told["id"], "resolved", "1")
        shown = (await client.get(f"/api/incidents/{told['id']}")).json()

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    (lost,) = (answer.json() for answer in answers if answer.status_code == 412)
    assert (lost["code"], lost["version"]) == ("incident-changed", 2)
    assert (without.status_code, without.json()["code"]) == (428, "precondition-required")
    assert bad.status_code == 400
    assert shown["version"] == 2


async def test_a_forbidden_transition_names_the_allowed_ones(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        told = await report(client, components=["any"])
        answer = await move(client, told["id"], "reviewed")
        same = await move(client, told["id"], "open")

    assert (answer.status_code, answer.json()["code"]) == (409, "transition-not-allowed")
    assert answer.json()["allowed"] == told["next_states"]
    assert same.json()["version"] == 1


async def test_without_a_graph_a_name_stands_for_itself(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        told = await report(client, components=["支付代理"], workflows=["Bestellung"])
        await scan(client)
        unknown = await client.post("/api/incidents", json=REPORT | {"components": ["Payment"]})
        nothing = await client.post("/api/incidents", json=REPORT | {"components": []})

    (component,) = told["components"]
    assert component == {
        "id": "支付代理",
        "name": "支付代理",
        "kind": None,
        "in_newest_graph": None,
    }
    assert told["impact"] is None
    assert "unknown" in told["impact_reason"]
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-component")
    assert (nothing.status_code, nothing.json()["code"]) == (400, "invalid-incident")


async def test_a_component_that_is_gone_since_is_shown_as_gone(tmp_path, server):
    spans = [each for each in shop()["resourceSpans"] if "payment" not in str(each)]
    smaller = {"resourceSpans": spans}
    async with serving(tmp_path, server) as (_, client):
        await scan(client)
        told = await report(client)
        await client.post("/api/scan", json=smaller, params={"dataset": "shop"})
        shown = (await client.get(f"/api/incidents/{told['id']}")).json()
        again = await report(client)

    assert told["components"][0]["in_newest_graph"] is True
    assert shown["components"][0]["in_newest_graph"] is False
    assert again["components"][0]["id"] == "agent:paymentagent"


async def test_lists_are_filtered_and_paged(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        made = [
            await report(client, components=[name], owner=owner, severity=severity)
            for name, owner, severity in (
                ("a", "søren", "LOW"),
                ("b", "søren", "HIGH"),
                ("c", None, "HIGH"),
            )
        ]
        await move(client, made[2]["id"], "resolved")

        async def listed(**wanted: Any) -> list[str]:
            found = (await client.get("/api/incidents", params=wanted)).json()
            return [each["affected_first"]["name"] for each in found["incidents"]]

        newest, owned = await listed(), await listed(owner="søren")
        high, resolved = await listed(severity="HIGH"), await listed(state="resolved")
        some = await listed(state=["open", "resolved"], component="b")
        none = await listed(workflow="a")
        first = (await client.get("/api/incidents", params={"limit": 2})).json()
        rest = await listed(limit=2, before=first["next"])
        bad = await client.get("/api/incidents", params={"before": "x"})

    assert (newest, owned) == (["c", "b", "a"], ["b", "a"])
    assert (high, resolved, some, none) == (["c", "b"], ["c"], ["b"], [])
    assert rest == ["a"]
    assert (bad.status_code, bad.json()["code"]) == (400, "bad-cursor")


async def test_the_stamp_differs_after_each_change(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        stamps = [await app.incident_views.stamp()]
        made = await report(client, components=["a"])
        stamps.append(await app.incident_views.stamp())
        await app.incidents.move(TESTER, made["id"], State.RESOLVED)
        stamps.append(await app.incident_views.stamp())
        unit_of_work = app.retention.kept.unit_of_work
        await unit_of_work.run(lambda stores: stores.incidents.delete([made["id"]]))
        stamps.append(await app.incident_views.stamp())

    assert [(each.incidents, each.changes) for each in stamps] == [(0, 0), (1, 1), (1, 2), (0, 0)]
    assert stamps[0] == stamps[3]


async def test_a_condition_has_one_active_incident_at_a_time(tmp_path, server):
    async with serving(tmp_path, server) as (app, _):
        found = await asyncio.gather(
            *(app.incidents.detected(TESTER, condition()) for _ in range(4))
        )
        cleared = await app.incidents.cleared(TESTER, condition().key, {"failed": 0})
        assert cleared is not None
        await app.incidents.move(TESTER, cleared.id, State.RESOLVED)
        later = await app.incidents.detected(TESTER, condition())
        other = await app.incidents.cleared(TESTER, "never detected", {})

    assert len({each.id for each in found}) == 1
    assert {each.version for each in found} == {1}
    assert (cleared.id, cleared.version) == (found[0].id, 2)
    assert later.id != cleared.id
    assert other is None


async def test_a_merged_duplicate_is_not_listed_and_its_condition_goes_with_it(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        told = await report(client, components=["a"], severity="LOW")
        duplicate = await app.incidents.detected(TESTER, condition())
        path = f"/api/incidents/{duplicate.id}"
        merged = await client.post(
            f"{path}/merge", json={"into": told["id"]}, headers={"If-Match": '"1"'}
        )
        refused = await move(client, duplicate.id, "resolved")
        listed = (await client.get("/api/incidents")).json()["incidents"]
        every = (await client.get("/api/incidents", params={"merged": True})).json()["incidents"]
        again = await app.incidents.detected(TESTER, condition())
        kept = (await client.get(f"/api/incidents/{told['id']}")).json()

    assert merged.json()["merged_into"] == told["id"]
    assert merged.json()["next_states"] == []
    assert (refused.status_code, refused.json()["code"]) == (409, "incident-merged")
    assert [each["id"] for each in listed] == [told["id"]]
    assert {each["id"] for each in every} == {told["id"], duplicate.id}
    assert again.id == told["id"]
    assert kept["severity"] == "HIGH"
    assert kept["duplicates"] == [duplicate.id]


async def test_five_hundred_components_fit_an_incident_and_its_audit_entry(tmp_path, server):
    many = [f"代理-{number}-{'x' * 900}" for number in range(500)]
    async with serving(tmp_path, server) as (_, client):
        told = await report(client, components=many)
        found = (await client.get("/api/incidents", params={"component": many[499]})).json()

    assert [each["name"] for each in told["components"]] == many
    assert [each["components_affected"] for each in found["incidents"]] == [500]


async def test_each_change_leaves_an_entry_that_names_the_incident(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        told = await report(client, components=["a"])
        await move(client, told["id"], "acknowledged")
        await sequenced(app)
        shown = (await client.get(f"/api/incidents/{told['id']}")).json()
        entries = (await client.get("/api/audit/entries", params={"incident": told["id"]})).json()[
            "entries"
        ]
        size, differences = await app.audit.check()
    async with open_database(tmp_path / "data", server) as database, database.reading() as reading:
        named = select(audit_logs.c.log_type, audit_logs.c.incident_id).order_by(
            audit_logs.c.log_index
        )
        rows = [
            (row.log_type, str(row.incident_id))
            for row in await reading.execute(named.where(audit_logs.c.incident_id.is_not(None)))
        ]

    assert [each["action"] for each in entries] == ["incident.acknowledged", "incident.opened"]
    assert shown["audit_entries"] == [each["index"] for each in reversed(entries)]
    assert shown["audit_entries_waiting"] == 0
    assert shown["blockchain_proof"] is None
    assert "anchor" in shown["blockchain_proof_reason"]
    assert rows == [
        ("incident.opened", told["id"]),
        ("incident.acknowledged", told["id"]),
    ]
    assert (size >= 2, differences) == (True, ())


async def test_a_linked_playbook_is_a_row_that_other_programs_can_query(tmp_path, server):
    async with serving(tmp_path, server) as (_, client):
        await scan(client)
        told = await report(client)
        asked = {"agent_id": "PaymentAgent", "background": True}
        job = (await client.post("/api/playbook", json=asked)).json()["id"]

        async def written() -> Any:
            return (await client.get(f"/api/jobs/{job}")).json()["result"]

        playbook = await until(written)
        for tag in ('"1"', '"2"'):  # linking it again changes nothing
            linked = await client.post(
                f"/api/incidents/{told['id']}/links",
                json={"playbook": job},
                headers={"If-Match": tag},
            )
            assert linked.status_code == 200, linked.text
    async with open_database(tmp_path / "data", server) as database, database.reading() as reading:
        (row,) = (await reading.execute(select(playbooks))).mappings()

    assert (str(row["incident_id"]), row["title"]) == (told["id"], playbook["incident"]["title"])
    assert (row["steps"], row["effectiveness_score"]) == (playbook["steps"], None)


async def test_active_incidents_survive_every_purge(tmp_path, server):
    async with serving(tmp_path, server) as (app, client):
        await scan(client)
        kept, gone = await report(client), await report(client)
        for to in ("resolved", "reviewed"):
            await move(client, gone["id"], to)
        await sequenced(app)
        purged = await app.retention.purge(TESTER, system_clock() + NS_PER_HOUR)
        ids = [each["id"] for each in (await client.get("/api/incidents")).json()["incidents"]]
        _, differences = await app.audit.check()

    assert purged["incidents"] == 1
    assert ids == [kept["id"]]
    assert differences == ()


async def test_deleting_a_dataset_keeps_the_graph_of_an_incident_unless_told_otherwise(
    tmp_path, server
):
    async with serving(tmp_path, server) as (_, client):
        await scan(client)
        told = await report(client)
        refused = await client.delete("/api/datasets/shop")
        done = await client.delete("/api/datasets/shop", params={"include_cited": True})
        shown = (await client.get(f"/api/incidents/{told['id']}")).json()

    assert (refused.status_code, refused.json()["code"]) == (409, "dataset-cited")
    assert done.status_code in (200, 204)
    assert shown["links"]["graph_version"] == told["links"]["graph_version"]
    assert shown["links"]["graph_version_kept"] is False


async def test_rows_of_other_programs_are_neither_shown_nor_changed(tmp_path, server):
    row = {"agent_id": "agent:a", "incident_type": "outage", "severity": "HIGH"}
    async with serving(tmp_path, server) as (_, client):
        async with open_database(tmp_path / "data", server) as database:
            await database.write(lambda c: c.execute(insert(incidents).values(row)))
        listed = (await client.get("/api/incidents")).json()["incidents"]

    assert listed == []


async def test_a_stale_store_refuses_the_change(tmp_path, server):
    async with serving(tmp_path, server) as (app, _):
        told = await app.incidents.report(TESTER, Report("x", Severity.LOW, ["a"]))
        await app.incidents.note(TESTER, told.id, "first")
        with pytest.raises(IncidentChangedError):
            await app.incidents.note(TESTER, told.id, "second", expected=1)
