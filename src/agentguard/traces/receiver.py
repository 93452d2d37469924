"""Span intake: validates deliveries, stores them durably, then acknowledges."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from agentguard.accounts.principal import Permission, Principal
from agentguard.compute.pools import Pool, WorkerDiedError
from agentguard.ingest.decoding import Decoder
from agentguard.traces.batching import Batcher
from agentguard.traces.errors import IngestFullError, RpcCode, SpansNotStoredError
from agentguard.traces.store import Delivery, SpanBatch, SpanStore
from agentguard.traces.validation import DeliveryResult, ValidatedBatch, validate

log = structlog.get_logger(__name__)

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
        the timeout expired.
        """
        actor.require(Permission.INGEST)
        try:
            async with asyncio.timeout(self.acknowledge_seconds):
                return await self._batcher.submit(delivery)
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

    async def _take_in(
        self, deliveries: Sequence[Delivery]
    ) -> Sequence[DeliveryResult | Exception]:
        try:
            validated = await self.decoders.run(validate, deliveries)
        except WorkerDiedError as error:
            if len(deliveries) == 1:
                log.exception("decoder_died", bytes=len(deliveries[0].body))
                return [SpansNotStoredError(RpcCode.INTERNAL, str(error))]
            return [result for delivery in deliveries for result in await self._take_in([delivery])]
        await self._keep(deliveries, validated)
        for refusal in (refusal for result in validated.results for refusal in result.refusals):
            self.refused[refusal.reason] += refusal.spans
        return validated.results

    async def _keep(self, deliveries: Sequence[Delivery], validated: ValidatedBatch) -> None:
        usable = tuple(
            d
            for d, result in zip(deliveries, validated.results, strict=True)
            if result.unusable is None
        )
        if len(validated.spans):
            await self.store.append(SpanBatch(usable, validated.spans))
            self.received += len(validated.spans)
            self.arrived.set()
