"""Notifications: stored, tried, ordered and given up, in every database."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.coordination.dispatching import Dispatcher
from agentguard.incidents.messages import INCIDENT_TOLD, Message, MessageKind
from agentguard.incidents.service import Report
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND
from agentguard.notifications.attempts import Patience
from agentguard.notifications.model import Accepted, Failed, Notification, Outcome, Receiver
from agentguard.notifications.names import DeliveryState, ReceiverName
from agentguard.notifications.retention import NotificationRetention
from agentguard.notifications.store import NotificationCursor, NotificationFilter
from agentguard.notifications.telling import Addressing, Delivering, topic_of
from agentguard.retention.policy import Limit
from agentguard.settings import Settings
from agentguard.simulation.severities import Severity
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.databases import KINDS, empty_database
from tests.incidents.examples import ID, OTHER, START
from tests.notifications.examples import moved, opened, raised, story, waiting
from tests.notifications.servers import Server, serving, status
from tests.web.serving import client_of, until

pytestmark = pytest.mark.anyio

SECRET = SecretStr("whsec_" + base64.b64encode(bytes(32)).decode())
EVERYTHING = NotificationFilter()


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PostgreSQL | None]:
    async with empty_database(request.param) as found:
        yield found


class Clock:
    now = START

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * NS_PER_SECOND)


@dataclass
class Scripted:
    """A receiver that answers as it is told, and keeps the ids of what it accepted."""

    name: ReceiverName = ReceiverName.WEBHOOK
    host: str = "hooks.example.com"
    kinds: frozenset[MessageKind] = frozenset(MessageKind)
    outcomes: list[Outcome] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    accepted: list[MessageKind] = field(default_factory=list)

    async def send(self, message: Message) -> Outcome:
        self.tried.append(message.id)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted()
        if isinstance(outcome, Accepted):
            self.accepted.append(message.kind)
        return outcome


@dataclass
class Office:
    """Everything between an incident's change and a receiver, by a driven clock."""

    unit_of_work: SqlUnitOfWork
    clock: Clock
    receiver: Scripted
    hours: float = 1
    lowest: Severity = Severity.LOW

    async def tell(self, *messages: Message) -> None:
        async def put(stores: Any) -> None:
            for message in messages:
                await stores.outbox.put(INCIDENT_TOLD, message.id, message.payload())

        await self.unit_of_work.run(put)

    async def work(self, *, is_set: bool = True) -> None:
        """Handle everything that is due."""
        name, patience = self.receiver.name, Patience(self.hours)
        receivers: dict[ReceiverName, Receiver] = {name: self.receiver} if is_set else {}
        addressing = Addressing(self.unit_of_work, receivers, self.lowest, patience, self.clock)
        delivering = Delivering(
            self.unit_of_work,
            name,
            receivers.get(name),
            patience,
            self.clock,
            jitter=lambda: 0,
        )
        handlers = {INCIDENT_TOLD: addressing.handle, topic_of(name): delivering.handle}
        await Dispatcher(self.unit_of_work, handlers, self.clock).handle_due()

    async def stored(self, wanted: NotificationFilter = EVERYTHING) -> tuple[Notification, ...]:
        return await self.unit_of_work.read(lambda s: s.notifications.newest(wanted, 100))

    async def left(self) -> int:
        topics = (INCIDENT_TOLD, *map(topic_of, ReceiverName))
        return len(await self.unit_of_work.read(lambda s: s.outbox.waiting(topics)))

    async def actions(self) -> list[tuple[str, str | None]]:
        found = await self.unit_of_work.read(lambda s: s.audit.unsequenced(100))
        leaves = [orjson.loads(each.leaf) for each in found]
        return [(leaf["action"], leaf["object"]) for leaf in leaves]


@pytest.fixture
async def office(tmp_path: Path, server: PostgreSQL | None) -> AsyncIterator[Office]:
    clock = Clock()
    async with open_database(tmp_path, server) as database:
        yield Office(SqlUnitOfWork(database, clock), clock, Scripted())


async def test_a_message_is_delivered_once_and_leaves_nothing_to_do(office):
    await office.tell(opened())
    await office.work()
    await office.work()

    (found,) = await office.stored()
    assert (found.state, found.attempts, found.ended_at) == (DeliveryState.DELIVERED, 1, START)
    assert found.message == opened()
    assert office.receiver.tried == [opened().id]
    assert await office.left() == 0


async def test_the_next_attempt_comes_when_it_is_due_and_not_earlier(office):
    office.receiver.outcomes = [Failed("status 503"), Failed("status 429", retry_after_seconds=700)]
    await office.tell(opened())
    await office.work()
    office.clock.forward(4.9)
    await office.work()
    assert len(office.receiver.tried) == 1
    office.clock.forward(0.2)
    await office.work()
    for _ in range(10):
        office.clock.forward(69.9)
        await office.work()
    (found,) = await office.stored()
    assert (len(office.receiver.tried), found.state) == (2, DeliveryState.WAITING)
    assert found.reason == "status 429"
    office.clock.forward(1)
    await office.work()

    (found,) = await office.stored()
    assert (found.state, found.attempts, found.reason) == (DeliveryState.DELIVERED, 3, None)
    assert set(office.receiver.tried) == {opened().id}
    assert await office.left() == 0


async def test_messages_about_one_incident_arrive_in_order(office):
    first, second, third = story(State.ACKNOWLEDGED, State.RESOLVED)
    down = Failed("down")
    office.receiver.outcomes = [down, Accepted(), Accepted(), down]
    await office.tell(first, opened(OTHER), second)
    await office.work()
    await office.tell(third)
    for _ in range(5):
        office.clock.forward(10)
        await office.work()

    theirs = [id_ for id_ in office.receiver.tried if id_.startswith(ID)]
    assert theirs == [first.id, first.id, second.id, second.id, third.id]
    assert await office.left() == 0


async def test_a_message_waits_for_an_earlier_one_of_its_incident(office):
    await office.tell(opened(), moved(State.RESOLVED))
    first, second = await office.unit_of_work.read(lambda s: s.outbox.waiting((INCIDENT_TOLD,)))
    await office.unit_of_work.run(
        lambda s: s.outbox.claim(first, now=START, until=START + 5 * NS_PER_SECOND)
    )
    await office.work()
    assert await office.stored() == ()
    office.clock.forward(6)
    await office.work()

    assert office.receiver.tried == [opened().id, moved(State.RESOLVED).id]
    assert second.id > first.id


async def test_what_cannot_be_delivered_is_given_up_and_entered(office):
    office.receiver.outcomes = [Failed("status 404", permanent=True)]
    await office.tell(opened())
    await office.work()
    office.receiver.outcomes = [Failed("down")] * 100
    await office.tell(opened(OTHER))
    for _ in range(80):
        await office.work()
        office.clock.forward(60)

    found = {each.message.incident: each for each in await office.stored()}
    assert {each.state for each in found.values()} == {DeliveryState.GIVEN_UP}
    assert found[ID].reason == "status 404"
    assert found[OTHER].reason == "down; not delivered within 1 h"
    assert found[OTHER].attempts > 5
    assert await office.actions() == [
        ("notification.given_up", ID),
        ("notification.given_up", OTHER),
    ]
    assert await office.left() == 0


async def test_what_no_server_told_in_time_is_said_to_be_given_up(office):
    await office.tell(opened())
    office.clock.forward(2 * 3600)
    await office.work()

    (found,) = await office.stored()
    assert (found.state, found.reason) == (DeliveryState.GIVEN_UP, "no server ran within 1 h")
    assert office.receiver.tried == []
    assert await office.actions() == [("notification.given_up", ID)]


async def test_what_waits_for_a_receiver_that_is_not_set_any_more_is_given_up(office):
    office.receiver.outcomes = [Failed("down")]
    await office.tell(opened())
    await office.work()
    for _ in range(80):
        office.clock.forward(60)
        await office.work(is_set=False)

    (found,) = await office.stored()
    assert found.state is DeliveryState.GIVEN_UP
    assert found.reason == "this receiver is not set any more; not delivered within 1 h"


async def test_nobody_is_told_where_no_receiver_is_set(office):
    await office.tell(opened())
    await office.work(is_set=False)

    assert (await office.stored(), await office.left()) == ((), 0)


async def test_less_severe_incidents_are_told_to_nobody_until_they_are_severe(office):
    office.lowest = Severity.CRITICAL
    await office.tell(opened())
    await office.work()
    assert office.receiver.tried == []
    await office.tell(raised())
    await office.work()
    *_, resolved = story(State.ACKNOWLEDGED, State.RESOLVED)
    await office.tell(resolved)  # it is HIGH again, but the receiver knows of it
    await office.work()

    assert office.receiver.accepted == [MessageKind.SEVERITY_RAISED, MessageKind.RESOLVED]


async def test_a_receiver_is_told_only_what_it_knows(office):
    office.receiver = Scripted(kinds=frozenset({MessageKind.RESOLVED}))
    await office.tell(opened(), moved(State.RESOLVED))
    await office.work()

    assert office.receiver.accepted == [MessageKind.RESOLVED]


async def test_a_stale_attempt_changes_nothing(office):
    found = waiting()

    async def work(stores: Any) -> list[bool]:
        tried = replace(found, attempts=1, reason="down")
        done = replace(found, attempts=2, state=DeliveryState.DELIVERED, ended_at=START)
        return [
            await stores.notifications.add(found),
            await stores.notifications.add(replace(found, attempts=7)),
            await stores.notifications.replace(tried),
            await stores.notifications.replace(tried),
            await stores.notifications.replace(done),
            await stores.notifications.replace(replace(tried, attempts=3)),
        ]

    assert await office.unit_of_work.run(work) == [True, False, True, False, True, False]
    assert [n.attempts for n in await office.stored()] == [2]


async def test_lists_are_filtered_and_paged(office):
    async def fill(stores: Any) -> None:
        for number in range(7):
            message = opened(
                f"a{number}111111-1111-4111-8111-111111111111", at=START + number // 2 * 1000
            )
            for receiver in (ReceiverName.WEBHOOK, ReceiverName.SLACK):
                await stores.notifications.add(waiting(message, receiver))
        last = waiting(
            opened(at=START - NS_PER_SECOND), state=DeliveryState.GIVEN_UP, ended_at=9000
        )
        await stores.notifications.add(last)

    await office.unit_of_work.run(fill)
    whole = await office.stored()
    paged: list[Notification] = []
    before = None
    while True:
        wanted = NotificationFilter(before=before)
        page = await office.unit_of_work.read(lambda s, w=wanted: s.notifications.newest(w, 4))
        if not page:
            break
        paged += page
        last = page[-1]
        cursor = NotificationCursor(last.message.at, last.message.id, last.receiver.value)
        before = NotificationCursor.parse(str(cursor))

    assert (len(whole), tuple(paged)) == (15, whole)
    slack = await office.stored(NotificationFilter(receivers=(ReceiverName.SLACK,)))
    lost = await office.stored(NotificationFilter(states=(DeliveryState.GIVEN_UP,)))
    about = await office.stored(NotificationFilter(incident=ID, ended_since=9000))
    assert (len(slack), len(lost), about) == (7, 1, lost)
    assert await office.stored(NotificationFilter(incident=ID, ended_since=10_000)) == ()
    counts = await office.unit_of_work.read(lambda s: s.notifications.counts())
    assert counts == {
        (ReceiverName.WEBHOOK, DeliveryState.WAITING): 7,
        (ReceiverName.SLACK, DeliveryState.WAITING): 7,
        (ReceiverName.WEBHOOK, DeliveryState.GIVEN_UP): 1,
    }


async def test_ended_ones_and_untold_messages_expire_and_waiting_ones_stay(office):
    retention = NotificationRetention(Limit(age=24 * NS_PER_HOUR, number=1), Patience(1))
    office.receiver.outcomes = [Accepted(), Accepted(), Failed("down")]
    await office.tell(opened(), moved(State.RESOLVED), opened(OTHER))
    await office.work()
    await office.tell(raised())  # which nobody handles

    expire = office.unit_of_work.run
    assert len(await expire(lambda s: retention.expire(s, START + NS_PER_HOUR))) == 1
    later = START + 3 * NS_PER_HOUR
    assert await expire(lambda s: retention.expire(s, later)) == (raised().id,)
    assert len(await expire(lambda s: retention.purge(s, later, include_cited=False))) == 1

    (left,) = await office.stored()
    assert (left.message.incident, left.state) == (OTHER, DeliveryState.WAITING)


@asynccontextmanager
async def installed(
    folder: Path, database: PostgreSQL | None, receiver: Server, *, serves: bool = True
) -> AsyncIterator[tuple[App, httpx.AsyncClient | None]]:
    settings = Settings(
        data_dir=folder / "data",
        database_url=SecretStr(database.url) if database else None,
        webhook_url=SecretStr(receiver.url),
        webhook_secret=SECRET,
        private_targets=("127.0.0.1",),
    )
    async with open_app(settings, serving=serves, in_processes=False) as app:
        if not serves:
            yield app, None
            return
        async with client_of(create_app(app)) as client:
            yield app, client


async def test_a_server_delivers_what_a_command_changed(tmp_path, server):
    report = Report("Payments fail", Severity.HIGH, ["any"])
    with serving(status(503, Retry_After="0"), status(204)) as receiver:
        async with installed(tmp_path, server, receiver, serves=False) as (app, _):
            told = await app.incidents.report(TESTER, report)
        assert receiver.requests == []
        async with installed(tmp_path, server, receiver) as (app, client):
            assert client is not None

            async def delivered() -> bool:
                page = await app.notifications.page(EVERYTHING, 10)
                return [n["state"] for n in page["notifications"]] == ["delivered"]

            await until(delivered)
            listed = (await client.get("/api/notifications")).json()
            none = (await client.get("/api/notifications?state=given_up")).json()
            bad = await client.get("/api/notifications?before=x")
            metrics = (await client.get("/metrics")).text
            health = (await client.get("/health")).json()

    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"{told.id}-1"
    assert first.body == second.body
    assert listed["receivers"] == [{"receiver": "webhook", "host": f"127.0.0.1:{receiver.port}"}]
    (shown,) = listed["notifications"]
    assert (shown["id"], shown["attempts"], shown["reason"]) == (f"{told.id}-1", 2, None)
    assert (none["notifications"], bad.status_code) == ([], 400)
    assert 'agentguard_notifications{receiver="webhook",state="delivered"} 1.0' in metrics
    assert health["parts"]["notifications"]["status"] == "up"
    assert "SECRET-" not in str(listed) + metrics + str(health)


async def test_health_says_that_something_was_never_delivered(tmp_path, server):
    with serving(status(410)) as receiver:
        async with installed(tmp_path, server, receiver) as (app, client):
            assert client is not None
            await app.incidents.report(TESTER, Report("Payments fail", Severity.HIGH, ["any"]))

            async def given_up() -> bool:
                return bool(await app.notifications.given_up(0))

            await until(given_up)
            part = (await client.get("/health")).json()["parts"]["notifications"]

            async def entered() -> str:
                found = (await client.get("/api/audit/entries")).text
                return found if "notification.given_up" in found else ""

            entries = await until(entered)

    assert part["status"] == "up"
    assert part["detail"].startswith("1 notification was given up")
    assert len(receiver.requests) == 1
    assert "SECRET-" not in entries
