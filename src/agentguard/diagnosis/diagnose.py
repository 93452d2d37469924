"""Everything that AgentGuard stands on, looked at side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from agentguard.diagnosis.checks import Check, Group
from agentguard.diagnosis.combinations import combinations
from agentguard.diagnosis.installation import installation
from agentguard.diagnosis.services import services
from agentguard.environment import environment
from agentguard.settings import Settings


def diagnose(settings: Settings, *, send_test_event: bool = False) -> tuple[Check, ...]:
    """Run every check; changes nothing, and asks only this machine and the services that are set.

    Sentry is asked nothing, unless `send_test_event` says to send it an event.
    """
    groups = [
        *installation(settings),
        *services(settings, send_test_event=send_test_event),
        Group("combination", lambda: combinations(settings, environment())),
    ]
    with ThreadPoolExecutor(
        len(groups)
    ) as pool:  # one that is away shall not keep the others waiting
        return tuple(check for found in pool.map(Group.checks, groups) for check in found)
