"""When a notification is tried again, and when it is given up; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND
from agentguard.notifications.model import Accepted, Notification, Outcome
from agentguard.notifications.names import DeliveryState

_FIRST_PAUSE_SECONDS = 5
_LONGEST_PAUSE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Patience:
    """How long notifications are tried."""

    hours: float = 24
    """Since the change of the incident."""

    @property
    def ns(self) -> int:
        return int(self.hours * NS_PER_HOUR)


def after(
    notification: Notification, outcome: Outcome, patience: Patience, *, now: int, jitter: float
) -> Notification:
    """Return the notification after one more attempt.

    A permanent failure gives it up, as does one whose next attempt would come too late. `jitter`
    is random in [0, 1).
    """
    tried = replace(notification, attempts=notification.attempts + 1)
    if isinstance(outcome, Accepted):
        return replace(tried, state=DeliveryState.DELIVERED, ended_at=now, reason=None)
    if outcome.permanent:
        return given_up(tried, outcome.reason, now=now)
    pause = max(pause_seconds(tried.attempts, jitter), outcome.retry_after_seconds or 0)
    due_at = now + int(pause * NS_PER_SECOND)
    if due_at > notification.message.at + patience.ns:
        reason = f"{outcome.reason}; not delivered within {patience.hours:g} h"
        return given_up(tried, reason, now=now)
    return replace(tried, due_at=due_at, reason=outcome.reason)


def is_early(notification: Notification, patience: Patience, *, now: int) -> bool:
    """Return whether the next attempt is not due yet.

    A time further ahead than anything waits was written before the clock was set back: it is due.
    """
    return now < notification.due_at <= now + patience.ns


def given_up(notification: Notification, reason: str, *, now: int) -> Notification:
    """Return the notification, which is not tried any more."""
    return replace(notification, state=DeliveryState.GIVEN_UP, ended_at=now, reason=reason)


def pause_seconds(attempts: int, jitter: float) -> float:
    """Return the pause after so many attempts: 5 s, doubled each time, at most an hour.

    Up to half of it is left out by chance, so that receivers that come back are not hit at once.
    """
    whole = min(_FIRST_PAUSE_SECONDS << min(attempts - 1, 20), _LONGEST_PAUSE_SECONDS)
    return whole * (1 - jitter / 2)
