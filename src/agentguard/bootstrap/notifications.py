"""Joins notifications with the receivers of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from agentguard.accounts.principal import Principal
from agentguard.adapters.http.guarded_client import GuardedClient
from agentguard.adapters.http.outcomes import Poster
from agentguard.adapters.http.pagerduty import PagerDuty
from agentguard.adapters.http.slack import Slack
from agentguard.adapters.http.targets import Allowed
from agentguard.adapters.http.webhook import Webhook, secrets_in
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.coordination.dispatching import Dispatcher, Handler
from agentguard.incidents.messages import INCIDENT_TOLD
from agentguard.kernel.clock import Clock, system_clock
from agentguard.notifications.attempts import Patience
from agentguard.notifications.documents import Document
from agentguard.notifications.model import Receiver
from agentguard.notifications.names import ReceiverName
from agentguard.notifications.service import ReceiverTest
from agentguard.notifications.telling import Addressing, Delivering, topic_of
from agentguard.settings import Settings

Receivers: TypeAlias = Mapping[ReceiverName, Receiver]


def receivers_of(settings: Settings, clock: Clock) -> Receivers:
    """Return the receivers that are set, by name."""
    client = GuardedClient(
        Allowed.parse(settings.private_targets), settings.notification_timeout_seconds
    )
    return {each.name: each for each in _receivers(settings, Poster(client, clock))}


def _receivers(settings: Settings, poster: Poster) -> Iterator[Receiver]:
    public = settings.public_url
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        secrets = secrets_in(settings.webhook_secret.get_secret_value())
        yield Webhook(poster, settings.webhook_url.get_secret_value(), secrets, public)
    if settings.slack_webhook_url is not None:
        yield Slack(poster, settings.slack_webhook_url.get_secret_value(), public)
    if settings.pagerduty_routing_key is not None:
        key = settings.pagerduty_routing_key.get_secret_value()
        yield PagerDuty(poster, settings.pagerduty_url, key, public)


async def try_receivers(settings: Settings, actor: Principal) -> Document:
    """Send a test message to every receiver that is set; return what became of each."""
    return await ReceiverTest(receivers_of(settings, system_clock), system_clock).run(actor)


def patience_of(settings: Settings) -> Patience:
    return Patience(settings.notification_hours)


def notification_dispatchers(
    settings: Settings, unit_of_work: SqlUnitOfWork, receivers: Receivers
) -> Iterator[Dispatcher]:
    """Yield what delivers notifications in a server.

    Each receiver has a dispatcher of its own, so that none waits for another one that is slow.
    """
    clock, patience = unit_of_work.clock, patience_of(settings)
    lowest = settings.notification_severity
    addressing = Addressing(unit_of_work, receivers, lowest, patience, clock)
    quick: dict[str, Handler] = {INCIDENT_TOLD: addressing.handle}
    for name in ReceiverName:
        receiver = receivers.get(name)
        handler = Delivering(unit_of_work, name, receiver, patience, clock).handle
        if receiver is None:
            quick[topic_of(name)] = handler
        else:
            yield Dispatcher(unit_of_work, {topic_of(name): handler}, clock)
    yield Dispatcher(unit_of_work, quick, clock)
