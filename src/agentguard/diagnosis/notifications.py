"""Checks of notifications: who is told, and what they never heard. No receiver is contacted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from agentguard.adapters.sql.database import inspected_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.bootstrap.notifications import Receivers, receivers_of
from agentguard.bootstrap.wiring import postgresql
from agentguard.diagnosis.checks import Check, Finding
from agentguard.diagnosis.stored import is_current
from agentguard.kernel.clock import NS_PER_DAY, system_clock
from agentguard.notifications.model import Notification
from agentguard.notifications.service import NotificationService
from agentguard.settings import Settings

NOTIFICATIONS = "notifications"


def notifications(settings: Settings) -> Iterator[Check]:
    """Yield who is told, by host, and a warning if something was given up since yesterday."""
    receivers = receivers_of(settings, system_clock)
    yield Check(NOTIFICATIONS, Finding.FINE, _told(settings, receivers))
    given_up = asyncio.run(_given_up(settings, receivers)) if is_current(settings) else ()
    if given_up:
        yield Check(NOTIFICATIONS, Finding.WARNING, _lost(given_up))


def _told(settings: Settings, receivers: Receivers) -> str:
    if not receivers:
        return "No receiver is set: nobody is told about incidents."
    named = ", ".join(f"{each.name} ({each.host})" for each in receivers.values())
    return (
        f"Told about incidents of severity {settings.notification_severity} and above: {named}."
        " They were not contacted; `agentguard notifications test` sends each a message."
    )


def _lost(given_up: Sequence[Notification]) -> str:
    last = given_up[0]
    return (
        f"{len(given_up):,} given up in the last 24 hours; the newest, to {last.receiver}:"
        f" {last.reason}. `agentguard notifications list --state given_up` shows all."
    )


async def _given_up(settings: Settings, receivers: Receivers) -> tuple[Notification, ...]:
    async with inspected_database(settings.data_dir, postgresql(settings)) as database:
        service = NotificationService(SqlUnitOfWork(database, system_clock), receivers)
        return await service.given_up(system_clock() - NS_PER_DAY)
