"""Health of notifications: what was never delivered. Nothing else depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agentguard.bootstrap.app import App
from agentguard.bootstrap.audit_health import PATIENCE_SECONDS
from agentguard.health import HealthCheck
from agentguard.kernel.clock import NS_PER_DAY
from agentguard.kernel.errors import UnavailableError
from agentguard.notifications.model import Notification
from agentguard.notifications.store import Counts


async def notification_counts(app: App) -> Counts:
    """Return how many notifications are stored; nothing if the database does not answer at once."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await app.notifications.counts()
    except (UnavailableError, TimeoutError):
        return {}


def notifications_part(app: App) -> tuple[HealthCheck, ...]:
    """Return the check of notifications, if anybody is told.

    What was never delivered is told, but makes no server unready. Reasons may name hosts, so only
    `agentguard doctor` and the list have them.
    """

    async def ask() -> str | None:
        since = app.scans.clock() - NS_PER_DAY
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found = await app.notifications.given_up(since)
        except (UnavailableError, TimeoutError):
            return "Unknown: the database did not answer."
        return given_up_sentence(found)

    advice = "See `agentguard notifications list`."
    return (HealthCheck("notifications", ask, advice),) if app.receivers else ()


def given_up_sentence(found: Sequence[Notification]) -> str | None:
    """Return how many were given up in the last 24 hours; None if there are none."""
    if not found:
        return None
    number = "1 notification was" if len(found) == 1 else f"{len(found):,} notifications were"
    return f"{number} given up in the last 24 hours. See `agentguard notifications list`."
