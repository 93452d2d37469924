"""All checks, run in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from agentguard.diagnosis.checks import Check, Group
from agentguard.diagnosis.combinations import combinations
from agentguard.diagnosis.installation import installation
from agentguard.diagnosis.notifications import NOTIFICATIONS, notifications
from agentguard.diagnosis.services import services
from agentguard.environment import environment
from agentguard.settings import Settings


def diagnose(settings: Settings, *, send_test_event: bool = False) -> tuple[Check, ...]:
    """Run every check, without changing anything.

    Contacts only this machine and the configured services. Receivers of notifications are not
    contacted, and Sentry only if `send_test_event` is true; it then receives an event.
    """
    groups = [
        *installation(settings),
        *services(settings, send_test_event=send_test_event),
        Group(NOTIFICATIONS, lambda: notifications(settings)),
        Group("combination", lambda: combinations(settings, environment())),
    ]
    with ThreadPoolExecutor(len(groups)) as pool:  # an unreachable service delays no other check
        return tuple(check for found in pool.map(Group.checks, groups) for check in found)
