"""Leaves an audit entry in the transaction of a use case."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from agentguard.audit.entries import SALT_BYTES, Actor, Event, SealedEntry, seal
from agentguard.audit.store import AuditLog
from agentguard.kernel.clock import Clock, system_clock


class Acting(Protocol):
    """Who acts: a principal."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> str: ...


MOST_NAMED = 100
"""Ids in one entry: more would exceed its size limit, and with it prevent the change."""


def named(ids: Sequence[str]) -> dict[str, object]:
    """Return the first ids and the number of all, as part of a payload."""
    return {"ids": list(ids[:MOST_NAMED]), "number": len(ids)}


def traces_in(document: object) -> tuple[str, ...]:
    """Return the first trace ids that a document names, in their order, each once."""
    return tuple(islice(_distinct(_trace_ids(document)), MOST_NAMED))


def _distinct(texts: Iterable[str]) -> Iterator[str]:
    seen = set[str]()
    for text in texts:
        if text not in seen:
            seen.add(text)
            yield text


def _trace_ids(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        found = value.get("trace_id")
        if isinstance(found, str):
            yield found
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for member in value:
            yield from _trace_ids(member)


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """Records what was done."""

    clock: Clock = system_clock
    random: Callable[[int], bytes] = secrets.token_bytes
    """Returns so many unpredictable bytes."""

    async def record(
        self,
        log: AuditLog,
        who: Acting,
        action: str,
        *,
        object_id: str | None = None,
        graph_version: str | None = None,
        evidence: Sequence[str] = (),
        payload: object = None,
    ) -> None:
        """Append an entry in the transaction of `log`.

        `action` is what was done, in the past tense (`dataset.deleted`), `object_id` that of what
        it was done to, `evidence` trace ids, `payload` any JSON. Raises EntryTooLargeError and
        UnrepresentableError; then the use case must fail too.
        """
        event = Event(
            Actor(who.id, str(who.kind)), action, object_id, graph_version, tuple(evidence), payload
        )
        await self.record_all(log, [event])

    async def record_all(self, log: AuditLog, events: Sequence[Event]) -> None:
        """Append an entry for each event, in one statement; as `record`."""
        await log.append([self._sealed(event) for event in events])

    def _sealed(self, event: Event) -> SealedEntry:
        return seal(event, time_ns=self.clock(), salt=self.random(SALT_BYTES))
