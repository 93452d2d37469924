"""`agentguard notifications`: the list, the test, and what `doctor` says of both."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agentguard.bootstrap.opening import open_app
from agentguard.cli.main import app
from agentguard.kernel.clock import system_clock
from agentguard.notifications.names import DeliveryState, ReceiverName
from agentguard.settings import Settings
from tests.incidents.examples import ID
from tests.notifications.examples import opened, raised, waiting
from tests.notifications.servers import Server, serving, status

SECRET = "whsec_" + base64.b64encode(b"PLANTED-SIGNING-SECRET-0123456789").decode()
KEY = "PLANTEDROUTINGKEY"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in {"DATA_DIR": "data", "API_PORT": "0", "OTLP_PORT": "0"}.items():
        monkeypatch.setenv(f"AGENTGUARD_{name}", value)
    monkeypatch.setenv("AGENTGUARD_OTLP_GRPC_PORT", "0")


def agentguard(*arguments: str) -> Result:
    done = CliRunner().invoke(app, list(arguments), prog_name="agentguard")
    for planted in ("SECRET-PATH", "SECRET-QUERY", SECRET, KEY):
        assert planted not in done.output + done.stderr
    return done


def configure(monkeypatch: pytest.MonkeyPatch, server: Server, **more: str) -> None:
    settings = {
        "WEBHOOK_URL": server.url,
        "WEBHOOK_SECRET": SECRET,
        "SLACK_WEBHOOK_URL": server.url,
        "PAGERDUTY_ROUTING_KEY": KEY,
        "PAGERDUTY_URL": server.url,
        "PRIVATE_TARGETS": "127.0.0.1",
        **more,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AGENTGUARD_{name}", value)


def test_every_receiver_gets_a_test_and_a_line(monkeypatch):
    with serving() as server:
        configure(monkeypatch, server)
        done = agentguard("notifications", "test")

    assert done.exit_code == 0
    place = f"127.0.0.1:{server.port}"
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["delivered", name, f"({place})"] for name in ("webhook", "slack", "pagerduty")
    ]
    bodies = [request.document for request in server.requests]
    assert sum("Nothing happened" in json.dumps(body) for body in bodies) == 3
    assert sum(body.get("event_action") == "resolve" for body in bodies) == 1


def test_a_receiver_that_refuses_is_named_with_the_reason(monkeypatch):
    with serving(status(403)) as server:
        configure(monkeypatch, server)
        done = agentguard("notifications", "test")
        document = json.loads(agentguard("notifications", "test", "--format", "json").stdout)

    assert done.exit_code == 1
    assert done.stdout.count("status 403") == 3
    assert [r["delivered"] for r in document["receivers"]] == [False] * 3


def test_a_private_target_needs_the_setting(monkeypatch):
    with serving() as server:
        configure(monkeypatch, server, PRIVATE_TARGETS="10.0.0.0/8")
        done = agentguard("notifications", "test")

    assert done.exit_code == 1
    assert done.stdout.count("127.0.0.1 is a loopback address") == 3
    assert "AGENTGUARD_PRIVATE_TARGETS" in done.stdout
    assert server.requests == []


def test_without_a_receiver_the_test_says_what_to_set():
    done = agentguard("notifications", "test")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "Set AGENTGUARD_WEBHOOK_URL" in done.stderr


@pytest.fixture
def _stored(tmp_path: Path) -> None:
    asyncio.run(store(tmp_path / "data"))


async def store(folder: Path) -> None:
    now = system_clock()

    async def work(stores: Any) -> None:
        lost = {"state": DeliveryState.GIVEN_UP, "ended_at": now, "attempts": 3}
        for notification in (
            waiting(opened(), ReceiverName.SLACK, reason="status 404: no_service", **lost),
            waiting(opened(), state=DeliveryState.DELIVERED, ended_at=now, attempts=1),
            waiting(raised(), due_at=now, reason="status 503", attempts=2),
        ):
            await stores.notifications.add(notification)

    async with open_app(Settings(data_dir=folder)) as app:
        unit_of_work: Any = app.notifications.unit_of_work
        await unit_of_work.run(work)


@pytest.mark.usefixtures("_stored")
def test_the_list_says_what_never_arrived_and_why():
    whole = agentguard("notifications", "list")
    lost = agentguard("notifications", "list", "--state", "given_up")
    document = json.loads(agentguard("notifications", "list", "--format", "json").stdout)
    page = json.loads(
        agentguard("notifications", "list", "--limit", "2", "--format", "json").stdout
    )
    rest = agentguard("notifications", "list", "--before", page["next"])

    assert "3 notifications" in whole.stdout
    assert "Told about incidents: nobody." in whole.stdout
    assert "status 404: no_service" in lost.stdout
    assert "status 503" not in lost.stdout
    assert [n["state"] for n in document["notifications"]].count("given_up") == 1
    assert {n["incident"] for n in document["notifications"]} == {ID}
    assert "1 notification" in rest.stdout


@pytest.mark.usefixtures("_stored")
def test_the_doctor_names_receivers_by_host_and_warns_of_what_never_arrived(monkeypatch):
    with serving() as server:
        configure(monkeypatch, server, NOTIFICATION_SEVERITY="HIGH")
        done = agentguard("doctor", "--format", "json")
    found = [c for c in json.loads(done.stdout)["checks"] if c["name"] == "notifications"]

    assert [check["finding"] for check in found] == ["fine", "warning"]
    assert "of severity HIGH and above" in found[0]["detail"]
    assert f"slack (127.0.0.1:{server.port})" in found[0]["detail"]
    assert found[1]["detail"].startswith(
        "1 given up in the last 24 hours; the newest, to slack: status 404: no_service."
    )
    assert server.requests == []


def test_the_doctor_says_that_nobody_is_told():
    done = agentguard("doctor", "--format", "json")
    (check,) = [c for c in json.loads(done.stdout)["checks"] if c["name"] == "notifications"]

    assert check["finding"] == "fine"
    assert "nobody is told" in check["detail"]
