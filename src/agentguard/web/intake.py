"""What OTLP/HTTP and OTLP/gRPC do with a request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agentguard.accounts.principal import Principal
from agentguard.ingest.payloads import Refusal
from agentguard.traces.errors import UnusableDeliveryError
from agentguard.traces.store import Delivery
from agentguard.web.otlp_signals import Signal, count_records
from agentguard.web.state import AppState


async def take_spans(state: AppState, actor: Principal, delivery: Delivery) -> Sequence[Refusal]:
    """Store the spans and return the refused ones; raise UnusableDeliveryError if all are."""
    verdict = await state.serving.receiver.receive(actor, delivery)
    if verdict.unusable is not None:
        raise UnusableDeliveryError(verdict.unusable.reason, verdict.unusable.message)
    return verdict.refusals


async def discard_records(state: AppState, delivery: Delivery, signal: Signal) -> None:
    """Count log records or metrics and discard them."""
    state.metrics.discarded.labels(signal.value).inc(
        await asyncio.to_thread(count_records, delivery, signal)
    )
