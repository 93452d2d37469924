"""Takes deliveries in: judged, durable, then answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from agentguard.compute.pools import Pool, WorkerDiedError
from agentguard.ingest.decoding import Decoder
from agentguard.traces.batching import Batcher
from agentguard.traces.errors import IngestFullError, RpcCode, SpansNotStoredError
from agentguard.traces.store import Delivery, SpanBatch, SpanStore
from agentguard.traces.validation import Judged, Verdict, judge

log = structlog.get_logger(__name__)

_BATCH_DELIVERIES = 48
_BATCH_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Load:
    """What is in work: counted from a request's first byte to its answer."""

    most_requests: int
    most_bytes: int
    requests: int = 0
    bytes: int = 0

    @contextmanager
    def admit(self) -> Iterator[Admission]:
        """Hold one request's place; raise IngestFullError if there is none."""
        if self.requests >= self.most_requests or self.bytes >= self.most_bytes:
            raise IngestFullError
        admission = Admission(self)
        self.requests += 1
        try:
            yield admission
        finally:
            self.requests -= 1
            self.bytes -= admission.bytes


@dataclass(slots=True)
class Admission:
    """One request's share of the load."""

    load: Load
    bytes: int = 0

    def grow(self, size: int) -> None:
        """Count more bytes held for this request.

        Raise IngestFullError if that is too much for all of them together.
        """
        if self.load.bytes + size > self.load.most_bytes and self.load.requests > 1:
            raise IngestFullError
        self.load.bytes += size
        self.bytes += size


@dataclass(slots=True)
class Receiver:
    """Takes deliveries, many at a time: they share decoding calls and the store's sync."""

    store: SpanStore
    decoders: Pool[Decoder]
    load: Load
    acknowledge_seconds: float
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever spans were stored."""
    received: int = 0
    """Spans made durable since the start."""
    refused: Counter[str] = field(default_factory=Counter)
    """Spans (or whole deliveries) refused since the start, by reason."""
    _batcher: Batcher[Delivery, Verdict] = field(init=False)

    def __post_init__(self) -> None:
        self._batcher = Batcher(
            self._take_in,
            weigh=lambda delivery: len(delivery.body),
            most_items=_BATCH_DELIVERIES,
            most_weight=_BATCH_BYTES,
        )

    async def receive(self, delivery: Delivery) -> Verdict:
        """Return what came of the delivery; what it did not refuse is durable by then.

        Raises SpansNotStoredError where the store did not take it, or did not in time.
        """
        try:
            async with asyncio.timeout(self.acknowledge_seconds):
                return await self._batcher.submit(delivery)
        except TimeoutError:
            raise SpansNotStoredError(
                RpcCode.DEADLINE_EXCEEDED,
                "The spans did not become durable in time. Send them again.",
            ) from None

    async def run(self) -> None:
        """Serve until closed."""
        async with asyncio.TaskGroup() as tasks:
            # The second decodes while the first waits for the disk.
            tasks.create_task(self._batcher.run())
            tasks.create_task(self._batcher.run())

    def close(self) -> None:
        """Let `run` end when everything taken in is answered."""
        self._batcher.close()

    async def _take_in(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict | Exception]:
        try:
            judged = await self.decoders.run(judge, deliveries)
        except WorkerDiedError as error:
            if len(deliveries) == 1:
                log.exception("delivery_killed_decoder", bytes=len(deliveries[0].body))
                return [SpansNotStoredError(RpcCode.INTERNAL, str(error))]
            return [answer for delivery in deliveries for answer in await self._take_in([delivery])]
        await self._keep(deliveries, judged)
        for refusal in (refusal for verdict in judged.verdicts for refusal in verdict.refusals):
            self.refused[refusal.reason] += refusal.spans
        return judged.verdicts

    async def _keep(self, deliveries: Sequence[Delivery], judged: Judged) -> None:
        usable = tuple(
            d
            for d, verdict in zip(deliveries, judged.verdicts, strict=True)
            if verdict.unusable is None
        )
        if len(judged.spans):
            await self.store.append(SpanBatch(usable, judged.spans))
            self.received += len(judged.spans)
            self.arrived.set()
