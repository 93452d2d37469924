"""GET /api/incidents/stream: that incidents changed, as they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentguard.bootstrap.opening import open_app
from agentguard.incidents.service import Report
from agentguard.incidents.states import State
from agentguard.settings import Settings
from agentguard.simulation.severities import Severity
from tests.acting import TESTER
from tests.web.serving import opened
from tests.web.streaming import events, following, streaming

pytestmark = pytest.mark.anyio

NEVER = 3600.0
PATH = "/api/incidents/stream"
REPORT = Report("Payments fail", Severity.HIGH, components=("PaymentAgent",))


async def number(stream: Any) -> int:
    name, data = await following(stream)
    assert name == "incidents"
    found: int = data["incidents"]
    return found


async def test_it_tells_at_once_and_of_each_change(tmp_path: Path):
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=NEVER) as (client, _),
        events(client, PATH) as stream,
    ):
        empty = await following(stream)
        made = await app.incidents.report(TESTER, REPORT)
        first = await following(stream)
        await app.incidents.move(TESTER, made.id, State.ACKNOWLEDGED)
        second = await following(stream)

    assert empty == ("incidents", {"incidents": 0, "changed_at": None})
    assert (first[1]["incidents"], second[1]["incidents"]) == (1, 1)
    assert second[1]["changed_at"] >= first[1]["changed_at"]


async def test_it_tells_of_changes_that_another_process_made(tmp_path: Path):
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=0.2) as (client, _),
        events(client, PATH) as stream,
    ):
        assert await number(stream) == 0
        async with open_app(Settings(data_dir=tmp_path / "data")) as beside:
            await beside.incidents.report(TESTER, REPORT)
        assert await number(stream) == 1


async def test_where_nothing_changes_it_is_silent(tmp_path: Path):
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=0.05) as (client, _),
        events(client, PATH) as stream,
    ):
        await number(stream)
        with pytest.raises(TimeoutError):
            await following(stream, seconds=0.5)
