"""Playbooks say how long past incidents of the same failure took, in every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.kernel.clock import system_clock
from agentguard.web.app import create_app
from tests.cli.traces import trace
from tests.databases import KINDS, empty_database
from tests.web.serving import client_of, live_spans, opened, until
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

FAILURE = {"agent_id": "PaymentAgent"}


@pytest.fixture(params=KINDS)
async def client(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    async with empty_database(request.param) as server:
        url = SecretStr(server.url) if isinstance(server, PostgreSQL) else None
        async with (
            opened(tmp_path, database_url=url) as app,
            client_of(create_app(app)) as found,
        ):
            await found.post("/api/scan", json=shop(), params={"dataset": "shop"})
            yield found


async def playbook(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/playbook", json=FAILURE | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def written(client: httpx.AsyncClient, **more: Any) -> str:
    """Return the id of a playbook that a job has written."""
    job = (await client.post("/api/playbook", json=FAILURE | more | {"background": True})).json()

    async def succeeded() -> bool:
        return (await client.get(f"/api/jobs/{job['id']}")).json()["state"] == "succeeded"

    await until(succeeded, seconds=60)
    return str(job["id"])


async def incident(client: httpx.AsyncClient, playbook_id: str | None) -> str:
    told = {"title": "Payments fail", "severity": "HIGH", "components": ["PaymentAgent"]}
    id_ = (await client.post("/api/incidents", json=told)).json()["id"]
    if playbook_id is not None:
        await change(client, id_, "links", {"playbook": playbook_id})
    return str(id_)


async def change(client: httpx.AsyncClient, id_: str, what: str, body: dict[str, Any]) -> None:
    answer = await client.post(f"/api/incidents/{id_}/{what}", json=body, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


async def test_a_playbook_cites_the_recoveries_from_its_own_failure(client):
    before = await playbook(client)
    ours = await written(client)
    other = await written(client, condition="rate_limit")
    ids = [await incident(client, id_) for id_ in (ours, ours, other, None)]
    unresolved = await playbook(client)
    for id_ in ids:
        await change(client, id_, "transition", {"to": "resolved"})
    after = await playbook(client)
    limited = await playbook(client, condition="rate_limit")
    await change(client, ids[0], "transition", {"to": "open"})
    reopened = await playbook(client)

    assert before["condition"] not in ("rate_limit", None)
    for found in (before, unresolved):
        assert found["estimated_recovery_time"] is None
        assert "No resolved incident" in found["estimated_recovery_time_reason"]
        assert "how long recovery takes" in found["unknown"]
    time = after["estimated_recovery_time"]
    assert (time["recoveries"], time["incidents"]) == (2, [ids[1], ids[0]])
    assert 0 <= time["shortest_seconds"] <= time["longest_seconds"] < 600
    assert after["estimated_recovery_time_reason"] is None
    assert "how long recovery takes" not in (after["unknown"] or "")
    assert limited["estimated_recovery_time"]["incidents"] == [ids[2]]
    assert reopened["estimated_recovery_time"]["incidents"] == [ids[1]]


async def test_a_playbook_on_paper_names_them_too(client):
    past = await incident(client, await written(client))
    await change(client, past, "transition", {"to": "resolved"})
    job = await written(client)
    paper = await client.get(f"/api/playbooks/{job}/handover", params={"format": "markdown"})

    assert f"min in 1 past incident ({past})" in paper.text.replace("\\", "")


async def test_a_playbook_cites_which_steps_helped_before(client):
    past = [await incident(client, await written(client)) for _ in range(3)]
    before = await playbook(client)
    for id_, helped in zip(past, ("yes", "no", "yes"), strict=True):
        await change(client, id_, "feedback", {"step": "2", "helped": helped, "note": "at 3:00"})
        await change(client, id_, "transition", {"to": "resolved"})
    judged = (await client.get(f"/api/incidents/{past[1]}")).json()
    after = await playbook(client)
    refused = await client.post(
        f"/api/incidents/{past[0]}/feedback", json={"step": "9", "helped": "yes"}
    )
    none = await client.post(
        f"/api/incidents/{await incident(client, None)}/feedback", json={"helped": "yes"}
    )

    assert all(step["past"] is None for step in before["steps"])
    assert (judged["effectiveness_score"], judged["feedback"][0]["helped"]) == (0.0, "no")
    cited = after["steps"][1]["past"]
    assert cited.pop("incidents") == [past[2], past[1], past[0]]
    assert cited == {"helped": 2, "judged": 3, "fell": 0, "measured": 0}
    assert [step["past"] for step in after["steps"] if step["id"] != "contain-2"] == [None] * (
        len(after["steps"]) - 1
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown-step")
    assert (none.status_code, none.json()["code"]) == (409, "no-playbook-linked")
    job = await written(client)
    paper = await client.get(f"/api/playbooks/{job}/handover", params={"format": "markdown"})
    assert "Helped in 2 of 3 past incidents" in paper.text.replace("\\", "")


async def deliver(client: httpx.AsyncClient, first: int, runs: int, *, failed: int) -> None:
    """Send runs of the shop that start now; of `failed` of them PaymentAgent fails."""
    for number in range(first, first + runs):
        document = trace(4 * number if number < first + failed else 4 * number + 1)
        for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            length = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
            span["startTimeUnixNano"] = str(system_clock())
            span["endTimeUnixNano"] = str(system_clock() + length)
        answer = await client.post("/v1/traces", json=document)
        assert answer.status_code == 200, answer.text


async def test_a_recovery_is_measured_and_cited(client):
    await deliver(client, 0, 2, failed=1)
    await until(lambda: has_live(client, runs=2), seconds=60)
    past = await incident(client, await written(client, dataset="live"))
    early = await client.post(f"/api/incidents/{past}/measure")
    await deliver(client, 10, 5, failed=4)
    await change(client, past, "transition", {"to": "mitigated"})
    await deliver(client, 20, 6, failed=1)
    await until(lambda: has_live(client, runs=13), seconds=60)
    answer = await client.post(f"/api/incidents/{past}/measure")
    again = await client.post(f"/api/incidents/{past}/measure", headers={"If-Match": '"1"'})
    measured = answer.json()["measured_recovery"]

    assert (early.status_code, early.json()["code"]) == (409, "nothing-done")
    assert answer.status_code == 200, answer.text
    assert again.status_code == 412
    assert (measured["before"]["calls"], measured["before"]["failed"]) == (5, 4)
    assert measured["before"]["error_share"] == 0.8
    assert (measured["after"]["calls"], measured["after"]["failed"]) == (6, 1)
    assert measured["fell"] is True
    await change(client, past, "feedback", {"step": "2", "helped": "yes"})
    await change(client, past, "transition", {"to": "resolved"})
    cited = (await playbook(client, dataset="live"))["steps"][1]["past"]
    assert cited == {"helped": 1, "judged": 1, "fell": 1, "measured": 1, "incidents": [past]}
    draft = (await client.get(f"/api/incidents/{past}/post-mortem")).text
    assert "Before, 4 of 5 calls failed" in draft.replace("\\", "")


async def has_live(client: httpx.AsyncClient, runs: int) -> bool:
    return await live_spans(client) == 4 * runs


async def test_of_another_dataset_than_the_live_one_nothing_is_measured(client):
    past = await incident(client, None)
    await change(client, past, "transition", {"to": "resolved"})

    answer = await client.post(f"/api/incidents/{past}/measure")

    assert (answer.status_code, answer.json()["code"]) == (409, "spans-not-kept")
    assert (await client.get(f"/api/incidents/{past}")).json()["measured_recovery"] is None
