"""What the receiver refuses it neither stores nor holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.compute.pools import WorkerDiedError, WorkerStuckError
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.decoding import Decoder
from agentguard.traces.errors import RpcCode, SpansNotStoredError
from agentguard.traces.receiver import Load, Receiver
from agentguard.traces.store import Delivery, Encoding, SpanBatch
from agentguard.traces.validation import COSTLY
from tests.acting import TESTER

pytestmark = pytest.mark.anyio

SECONDS = 60.0


def delivery(number: int) -> Delivery:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = number.to_bytes(16, "big"), number.to_bytes(8, "big")
    span.name = f"span {number}"
    return Delivery(request.SerializeToString(), Encoding.PROTOBUF)


class Stored:
    """A store in memory."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    async def append(self, batch: SpanBatch) -> None:
        self.tables.append(batch.spans)

    @property
    def names(self) -> list[str]:
        return sorted(name for table in self.tables for name in table.column("name").to_pylist())


class Decoding:
    """A pool whose process does what the test says with each group of deliveries."""

    busy_seconds = 0.0

    def __init__(self, before: Callable[[Sequence[Delivery]], Any]) -> None:
        self._before = before
        self._decoder = Decoder(load_dialects().wanted)
        self.groups: list[int] = []

    async def run(self, function: Any, deliveries: Sequence[Delivery]) -> Any:
        self.groups.append(len(deliveries))
        await self._before(deliveries)
        return function(self._decoder, deliveries)

    async def ping(self) -> None:
        return


def groups_of(receiver: Any) -> list[int]:
    return receiver.decoders.groups


def names_in(receiver: Any) -> list[str]:
    return receiver.store.names


def receiver_of(before: Callable[[Sequence[Delivery]], Any], seconds: float = SECONDS) -> Any:
    store: Any = Stored()
    decoders: Any = Decoding(before)
    return Receiver(store, decoders, Load(256, 1 << 28), seconds)


@asynccontextmanager
async def receiving(
    before: Callable[[Sequence[Delivery]], Any], seconds: float = SECONDS
) -> AsyncIterator[Receiver]:
    receiver = receiver_of(before, seconds)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(receiver.run())
        yield receiver
        receiver.close()


async def test_what_timed_out_while_it_was_decoded_is_not_stored_with_its_neighbours():
    go = asyncio.Event()

    async def wait(_deliveries: Sequence[Delivery]) -> None:
        await go.wait()

    async with receiving(wait, 0.05) as receiver:
        with pytest.raises(SpansNotStoredError):
            await receiver.receive(TESTER, delivery(1))
        assert receiver.load.bytes > 0  # the decoder still holds it
        receiver.acknowledge_seconds = SECONDS
        other = asyncio.create_task(receiver.receive(TESTER, delivery(2)))
        await asyncio.sleep(0)
        go.set()
        await other

    assert names_in(receiver) == ["span 2"]
    assert receiver.load.bytes == 0


async def test_a_part_of_a_group_that_timed_out_is_left_out():
    go = asyncio.Event()

    async def wait(_deliveries: Sequence[Delivery]) -> None:
        await go.wait()

    receiver = receiver_of(wait)
    callers = [asyncio.create_task(receiver.receive(TESTER, delivery(n))) for n in range(1, 6)]
    await asyncio.sleep(0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(receiver.run())
        await asyncio.sleep(0.01)
        callers[2].cancel()
        await asyncio.wait([callers[2]])
        go.set()
        await asyncio.wait(callers)
        receiver.close()

    assert groups_of(receiver) == [5, 4]
    assert names_in(receiver) == ["span 1", "span 2", "span 4", "span 5"]


async def test_only_the_body_that_stops_the_decoder_is_refused_and_never_decoded_again():
    bad = delivery(3)

    async def stuck_on_bad(deliveries: Sequence[Delivery]) -> None:
        if bad in deliveries:
            raise WorkerStuckError

    receiver = receiver_of(stuck_on_bad)
    callers = [asyncio.create_task(receiver.receive(TESTER, delivery(n))) for n in range(1, 6)]
    await asyncio.sleep(0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(receiver.run())
        results = await asyncio.gather(*callers)
        groups = list(groups_of(receiver))
        again = await receiver.receive(TESTER, bad)
        receiver.close()

    assert [r.unusable.reason if r.unusable else None for r in (*results, again)] == [
        None,
        None,
        COSTLY,
        None,
        None,
        COSTLY,
    ]
    assert groups_of(receiver) == groups  # the second time it was not decoded
    assert receiver.refused[COSTLY] == 2
    assert names_in(receiver) == ["span 1", "span 2", "span 4", "span 5"]


async def test_deliveries_of_a_killed_decoder_are_retried_and_then_unavailable():
    deaths = iter([True, False])

    async def dies_once(_deliveries: Sequence[Delivery]) -> None:
        if next(deaths, False):
            raise WorkerDiedError

    async with receiving(dies_once) as receiver:
        assert (await receiver.receive(TESTER, delivery(1))).unusable is None

    async def always_dies(_deliveries: Sequence[Delivery]) -> None:
        raise WorkerDiedError

    async with receiving(always_dies) as receiver:
        with pytest.raises(SpansNotStoredError) as raised:
            await receiver.receive(TESTER, delivery(1))
    assert raised.value.rpc is RpcCode.UNAVAILABLE
    assert names_in(receiver) == []
