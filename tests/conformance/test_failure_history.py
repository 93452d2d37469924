"""The live graph remembers failures that its window no longer shows, in every database."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from agentguard.bootstrap.app import App
from agentguard.graph.selection import GraphSelection
from agentguard.simulation.service import Failure
from agentguard.traces.store import Delivery, Encoding
from tests.acting import TESTER
from tests.conformance.test_detection import at
from tests.databases import KINDS, empty_database
from tests.web.serving import opened, serving_of, until
from tests.web.systems import payments

pytestmark = pytest.mark.anyio

LATER = 8_000
"""Traces are a second apart: more than two hours."""


async def receive(app: App, first: int, number: int, *, failed: bool) -> None:
    """Receive runs of PaymentAgent, each with one call of a tool; return once they alone show."""
    sent = payments(first, number, failed=failed)
    delivery = Delivery(orjson.dumps(sent), Encoding.JSON)
    await serving_of(app).receiver.receive(TESTER, delivery)
    live = serving_of(app).live

    async def shown() -> bool:
        return live.graph is not None and live.graph.coverage.traces == number

    await until(shown)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_simulation_knows_the_failures_of_earlier_windows(tmp_path: Path, kind: str):
    question = Failure(("charge_card",), selection=GraphSelection("live"))
    async with empty_database(kind) as server:
        async with opened(tmp_path, **at(server)) as app:
            await receive(app, 1, 3, failed=True)
        # the spans received last fit, and those before are outside the window
        async with opened(tmp_path, live_max_spans=20, **at(server)) as app:
            await receive(app, LATER, 10, failed=False)
            resolved = await app.simulations.resolve(TESTER, question)
            found = await app.simulations.simulate(TESTER, resolved)
            await app.stored_simulations.keep(TESTER, question, resolved.selected, found)
        async with opened(tmp_path, **at(server)) as app:
            again = await app.stored_simulations.repeat(TESTER, found["id"])

    [precedent] = found["assumptions"]["precedents"]
    assert (precedent["absorbed"], precedent["seen"]) == (3, 3)
    assert precedent["before_window"] == 3
    assert again["repeat"]["state"] == "identical"
