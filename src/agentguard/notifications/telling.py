"""Handles messages of the outbox: who is told, and one attempt after another until they know."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from agentguard.accounts.principal import system_principal
from agentguard.audit.recording import AuditTrail
from agentguard.audit.store import AuditLog
from agentguard.coordination.dispatching import PostponedError
from agentguard.coordination.outbox import Outbox, OutboxEntry
from agentguard.incidents.changes import worse
from agentguard.incidents.messages import INCIDENT_TOLD, Message
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.notifications.attempts import Patience, after, given_up, is_early
from agentguard.notifications.model import Failed, Notification, Outcome, Receiver
from agentguard.notifications.names import DeliveryState, ReceiverName
from agentguard.notifications.store import NotificationStore
from agentguard.simulation.severities import Severity
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

NOTIFIER = system_principal("notifications")


def topic_of(receiver: ReceiverName) -> str:
    """Return the topic of the outbox that says that something waits for this receiver."""
    return f"notifications.{receiver}"


class TellingStores(Protocol):
    """What deciding who is told needs."""

    @property
    def notifications(self) -> NotificationStore: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def audit(self) -> AuditLog: ...


@dataclass(frozen=True, slots=True)
class Addressing:
    """The handler of INCIDENT_TOLD: makes a notification for each receiver that is told."""

    unit_of_work: UnitOfWork[TellingStores]
    receivers: Mapping[ReceiverName, Receiver]
    lowest: Severity
    """Less severe incidents are not told, unless the receiver knows of them already."""
    patience: Patience
    clock: Clock
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def handle(self, entry: OutboxEntry) -> None:
        """Store what is to be delivered; repeating it changes nothing.

        Raises PostponedError while another process handles an earlier message of the incident.
        """
        message = Message.parse(entry.payload)

        async def work(stores: TellingStores) -> None:
            if await _is_behind(stores, entry):
                raise PostponedError(self.clock() + NS_PER_SECOND)
            for receiver in self.receivers.values():
                if await self._is_told(stores, receiver, message):
                    await self._address(stores, receiver.name, message)

        await self.unit_of_work.run(work)

    async def _is_told(self, stores: TellingStores, receiver: Receiver, message: Message) -> bool:
        if message.kind not in receiver.kinds or message.incident is None:
            return False
        severe = message.severity is not None and is_severe(message.severity, self.lowest)
        return severe or await stores.notifications.is_told(receiver.name, message.incident)

    async def _address(
        self, stores: TellingStores, receiver: ReceiverName, message: Message
    ) -> None:
        now = self.clock()
        waiting = Notification(message, receiver, due_at=now)
        if now > message.at + self.patience.ns:
            reason = f"no server ran within {self.patience.hours:g} h"
            waiting = given_up(waiting, reason, now=now)
        if not await stores.notifications.add(waiting):
            return
        await record_end(stores, self.trail, waiting)
        if waiting.state is DeliveryState.WAITING:
            told = {"incident": message.incident}
            await stores.outbox.put(topic_of(receiver), str(message.incident), told)


@dataclass(frozen=True, slots=True)
class Delivering:
    """The handler of one receiver's topic: delivers what waits for it about one incident.

    In order: a later message waits while an earlier one is tried again.
    """

    unit_of_work: UnitOfWork[TellingStores]
    name: ReceiverName
    receiver: Receiver | None
    """None: it is not set, though something waits for it."""
    patience: Patience
    clock: Clock
    trail: AuditTrail = field(default_factory=AuditTrail)
    jitter: Callable[[], float] = random.random

    async def handle(self, entry: OutboxEntry) -> None:
        """Deliver what is due. Raises PostponedError where the next attempt is due later."""
        incident = entry.payload["incident"]
        while (waiting := await self._next(incident)) is not None:
            if is_early(waiting, self.patience, now=self.clock()):
                raise PostponedError(waiting.due_at)
            outcome = await self._attempt(waiting.message)
            now = self.clock()
            tried = after(waiting, outcome, self.patience, now=now, jitter=self.jitter())
            await self._store(tried)

    async def _next(self, incident: str) -> Notification | None:
        return await self.unit_of_work.read(
            lambda stores: stores.notifications.next_waiting(self.name, incident)
        )

    async def _attempt(self, message: Message) -> Outcome:
        if self.receiver is None:
            return Failed("this receiver is not set any more")
        return await self.receiver.send(message)

    async def _store(self, tried: Notification) -> None:
        async def work(stores: TellingStores) -> bool:
            stored = await stores.notifications.replace(tried)
            if stored:
                await record_end(stores, self.trail, tried)
            return stored

        if await self.unit_of_work.run(work) and tried.state is DeliveryState.GIVEN_UP:
            log.warning(
                "notification_given_up",
                receiver=self.name.value,
                message=tried.message.id,
                attempts=tried.attempts,
                reason=tried.reason,
            )


async def _is_behind(stores: TellingStores, entry: OutboxEntry) -> bool:
    """Return whether an earlier message about the same incident is not handled yet."""
    incident = entry.payload["incident"]
    waiting = await stores.outbox.waiting((INCIDENT_TOLD,))
    return any(each.id < entry.id and each.payload["incident"] == incident for each in waiting)


def is_severe(severity: Severity, lowest: Severity) -> bool:
    """Return whether a severity is at least the other one."""
    return worse(severity, lowest) is severity


async def record_end(stores: TellingStores, trail: AuditTrail, ended: Notification) -> None:
    """Enter into the audit log that a notification was given up; other states enter nothing."""
    if ended.state is not DeliveryState.GIVEN_UP:
        return
    facts = {
        "message": ended.message.id,
        "type": ended.message.kind.value,
        "receiver": ended.receiver.value,
        "attempts": ended.attempts,
        "reason": ended.reason,
    }
    await trail.record(
        stores.audit,
        NOTIFIER,
        "notification.given_up",
        object_id=ended.message.incident,
        payload=facts,
    )
