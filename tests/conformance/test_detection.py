"""Conditions of the live graph open incidents, each once, in every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.bootstrap.app import App
from agentguard.incidents.model import Incident
from agentguard.incidents.states import State
from agentguard.incidents.store import IncidentFilter
from agentguard.traces.store import Delivery, Encoding
from tests.acting import TESTER
from tests.databases import KINDS, empty_database
from tests.web.serving import opened, serving_of, until
from tests.web.systems import payments

pytestmark = pytest.mark.anyio

WATCHED: dict[str, Any] = {"incident_error_share": 0.2, "incident_error_calls": 20}


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PostgreSQL | None]:
    async with empty_database(request.param) as found:
        yield found


def at(server: PostgreSQL | None) -> dict[str, Any]:
    return {"database_url": SecretStr(server.url) if server else None}


async def call(app: App, first: int, number: int, *, failed: bool) -> None:
    """Receive runs of PaymentAgent, each with one call of a tool; return once they show."""
    sent = payments(first, number, failed=failed)
    delivery = Delivery(orjson.dumps(sent), Encoding.JSON)
    await serving_of(app).receiver.receive(TESTER, delivery)
    live = serving_of(app).live

    async def shown() -> bool:
        return live.graph is not None and live.graph.coverage.traces >= first + number - 1

    await until(shown)


async def incidents(app: App) -> tuple[Incident, ...]:
    views = app.incident_views
    return await views.unit_of_work.read(lambda s: s.incidents.newest(IncidentFilter(), 100))


async def kinds_of(app: App, incident: Incident) -> list[str]:
    found = await app.incident_views.events(incident.id, limit=100)
    return [each["kind"] for each in found["events"]]


async def opened_one(app: App) -> Incident:
    (found,) = await until(lambda: incidents(app))
    return found


async def noted(app: App, number: int) -> list[str]:
    """Return the kinds of the only incident's events once there are so many."""

    async def enough() -> list[str]:
        (found,) = await incidents(app)
        kinds = await kinds_of(app, found)
        return kinds if len(kinds) >= number else []

    found: list[str] = await until(enough)
    return found


async def test_a_failing_dependency_opens_one_incident_that_notes_the_end(
    tmp_path: Path, server: PostgreSQL | None
) -> None:
    async with opened(tmp_path, **WATCHED, **at(server)) as app:
        await call(app, 1, 20, failed=True)
        found = await opened_one(app)
        await call(app, 21, 5, failed=True)
    async with opened(tmp_path, **WATCHED, **at(server)) as app:
        await call(app, 26, 400, failed=False)
        kinds = await noted(app, 2)
        await call(app, 426, 5, failed=False)
        await call(app, 431, 5, failed=False)  # once it shows, the one before was looked at
        (after,) = await incidents(app)
        version = await app.graphs.get(str(found.links.graph_version))

    assert found.opened_by == "system:detection"
    assert [each.name for each in found.components] == ["charge_card", "PaymentAgent"]
    assert kinds == ["opened", "condition_cleared"]
    assert (after.version, after.state) == (2, State.OPEN)
    assert version.dataset == "live"


async def test_what_people_resolved_is_not_opened_again_while_it_holds(
    tmp_path: Path, server: PostgreSQL | None
) -> None:
    async with opened(tmp_path, **WATCHED, **at(server)) as app:
        await call(app, 1, 20, failed=True)
        found = await opened_one(app)
        await app.incidents.move(TESTER, found.id, State.RESOLVED)
        await call(app, 21, 5, failed=True)
        await call(app, 26, 5, failed=True)  # once it shows, the one before was looked at

        assert serving_of(app).live.failure is None
        assert len(await incidents(app)) == 1


async def test_a_shadow_agent_opens_an_incident(tmp_path: Path, server: PostgreSQL | None) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("agents:\n  - name: SomeAgent\n")
    more = {"incident_shadow_agents": True, "catalog": (catalog,), **at(server)}
    async with opened(tmp_path, **more) as app:
        await call(app, 1, 1, failed=False)
        found = await opened_one(app)

    assert found.title == "Shadow agent PaymentAgent appeared"
    assert found.kind == "shadow_agent"


async def test_without_settings_nothing_is_opened(tmp_path: Path) -> None:
    async with opened(tmp_path) as app:
        await call(app, 1, 20, failed=True)

        assert serving_of(app).live.watch is None
        assert await incidents(app) == ()
