"""Span intake: validates deliveries, stores them durably, then acknowledges."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from agentguard.accounts.principal import Permission, Principal
from agentguard.compute.pools import Pool, WorkerDiedError, WorkerStuckError
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.payloads import Refusal
from agentguard.traces.batching import Batcher, Ticket
from agentguard.traces.costly import CostlyBodies
from agentguard.traces.errors import IngestFullError, RpcCode, SpansNotStoredError
from agentguard.traces.store import Delivery, SpanBatch, SpanStore
from agentguard.traces.validation import COSTLY, DeliveryResult, ValidatedBatch, validate

log = structlog.get_logger(__name__)

Tickets: TypeAlias = Sequence[Ticket[Delivery, DeliveryResult]]

_COSTLY_MESSAGE = (
    "Decoding this body exceeded the time limit; none of it was stored. Do not send it again: find"
    " what is unusual in it, or raise AGENTGUARD_DECODE_SECONDS."
)
_BATCH_DELIVERIES = 48
_BATCH_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Load:
    """Requests in progress: their bytes from the first one received, themselves from the last one.

    A client that sends slowly holds the bytes that it has sent, and no slot.
    """

    most_requests: int
    most_bytes: int
    requests: int = 0
    bytes: int = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Count bytes that are held in addition to those of requests, such as decoded spans."""
        self.bytes += size
        try:
            yield
        finally:
            self.bytes -= size

    @contextmanager
    def admit(self) -> Iterator[Admission]:
        """Count the bytes of one request; raise IngestFullError while no slot is free."""
        if self.requests >= self.most_requests or self.bytes >= self.most_bytes:
            raise IngestFullError
        admission = Admission(self)
        try:
            yield admission
        finally:
            admission.leave()


@dataclass(slots=True)
class Admission:
    """The share of one request in the load."""

    load: Load
    bytes: int = 0
    complete: bool = False

    def reserve(self) -> None:
        """Take a slot, once the body has arrived; raise IngestFullError if none is free."""
        if self.load.requests >= self.load.most_requests:
            raise IngestFullError
        self.complete = True
        self.load.requests += 1

    def leave(self) -> None:
        """Give back the bytes and the slot."""
        self.load.bytes -= self.bytes
        self.load.requests -= self.complete

    def grow(self, size: int) -> None:
        """Count more bytes for this request.

        Raises IngestFullError if the total of all requests exceeds the limit.
        """
        if self.load.bytes + size > self.load.most_bytes and self.load.bytes > self.bytes:
            raise IngestFullError
        self.load.bytes += size
        self.bytes += size


@dataclass(slots=True)
class Receiver:
    """Accepts concurrent deliveries, which share decoding calls and fsyncs of the store."""

    store: SpanStore
    decoders: Pool[Decoder]
    load: Load
    acknowledge_seconds: float
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after each append."""
    received: int = 0
    """Spans stored durably since the start."""
    refused: Counter[str] = field(default_factory=Counter)
    """Rejected spans (or whole deliveries) since the start, by reason."""
    costly: CostlyBodies = field(default_factory=CostlyBodies)
    """Bodies whose decoding exceeded the time limit; they are refused if they are sent again."""
    _batcher: Batcher[Delivery, DeliveryResult] = field(init=False)

    def __post_init__(self) -> None:
        self._batcher = Batcher(
            self._take_in,
            weigh=lambda delivery: len(delivery.body),
            most_items=_BATCH_DELIVERIES,
            most_weight=_BATCH_BYTES,
        )

    async def receive(self, actor: Principal, delivery: Delivery) -> DeliveryResult:
        """Return the validation result; accepted spans are durable when this returns.

        Raises PermissionDeniedError, and SpansNotStoredError if the store rejected the spans or
        the timeout expired before it began to write them. Nothing is stored after an error, except
        what the store itself wrote before it failed.
        """
        actor.require(Permission.INGEST)
        if self.costly.known(delivery.body):
            return self._refused_as_costly(delivery)
        try:
            return await self._batcher.submit(delivery, self.acknowledge_seconds)
        except TimeoutError:
            raise SpansNotStoredError(
                RpcCode.DEADLINE_EXCEEDED,
                "The spans were not stored in time. Send them again.",
            ) from None

    async def run(self) -> None:
        """Process deliveries until closed."""
        async with asyncio.TaskGroup() as tasks:
            # One decodes while the other waits for the disk.
            tasks.create_task(self._batcher.run())
            tasks.create_task(self._batcher.run())

    def close(self) -> None:
        """Make `run` return once all accepted deliveries are answered."""
        self._batcher.close()

    async def _take_in(self, tickets: Tickets) -> None:
        # A second time: the decoder has a copy.
        with self.load.hold(sum(len(ticket.item.body) for ticket in tickets)):
            await self._decode_and_keep(tickets, isolated=False)

    async def _decode_and_keep(self, tickets: Tickets, *, isolated: bool) -> None:
        try:
            validated = await self.decoders.run(validate, [ticket.item for ticket in tickets])
        except WorkerDiedError as error:
            await self._isolate(tickets, error, isolated=isolated)
            return
        wanted = [ticket for ticket in tickets if not ticket.withdrawn]
        if len(wanted) == len(tickets):
            with self.load.hold(validated.spans.nbytes):
                await self._keep(tickets, validated)
        elif wanted:
            await self._decode_and_keep(wanted, isolated=False)

    async def _isolate(self, tickets: Tickets, error: WorkerDiedError, *, isolated: bool) -> None:
        """Decode each delivery alone, to find the one that the decoder died of."""
        if not isolated:
            for ticket in tickets:
                await self._decode_and_keep([ticket], isolated=True)
            return
        log.error("decoder_died", bytes=len(tickets[0].item.body), stuck=_stuck(error))
        if _stuck(error):
            self.costly.add(tickets[0].item.body)
            tickets[0].resolve(self._refused_as_costly(tickets[0].item))
        else:
            tickets[0].resolve(SpansNotStoredError(RpcCode.UNAVAILABLE, str(error)))

    def _refused_as_costly(self, delivery: Delivery) -> DeliveryResult:
        log.warning("delivery_refused", reason=COSTLY, bytes=len(delivery.body))
        self.refused[COSTLY] += 1
        return DeliveryResult((Refusal("body", COSTLY, _COSTLY_MESSAGE),))

    async def _keep(self, tickets: Tickets, validated: ValidatedBatch) -> None:
        for ticket in tickets:
            ticket.committed = True
        usable = tuple(
            ticket.item
            for ticket, result in zip(tickets, validated.results, strict=True)
            if result.unusable is None
        )
        if len(validated.spans):
            await self.store.append(SpanBatch(usable, validated.spans))
            self.received += len(validated.spans)
            self.arrived.set()
        for ticket, result in zip(tickets, validated.results, strict=True):
            for refusal in result.refusals:
                self.refused[refusal.reason] += refusal.spans
            ticket.resolve(result)


def _stuck(error: WorkerDiedError) -> bool:
    return isinstance(error, WorkerStuckError)
