"""Validation of deliveries: accepts all, some or none of their spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from agentguard.compute.pools import Pool
from agentguard.ingest.attribute_selection import AttributeSelection
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.errors import UnreadableInputError
from agentguard.ingest.message_limits import check_values
from agentguard.ingest.payloads import DocumentPayload, ProtobufPayload, Refusal
from agentguard.ingest.spans import SPAN_SCHEMA
from agentguard.traces.store import Delivery, Encoding

_AT_A_TIME = 48
COSTLY = "decoding-too-costly"
"""Reason of a delivery whose decoding exceeded the time limit."""
_UNUSABLE = frozenset(
    {"bad-protobuf", "not-json", "not-otlp-json", "too-many-messages", "too-deep", COSTLY}
)
_NOT_OTLP = 'The body is not an OTLP trace request: expected {"resourceSpans": [...]}.'


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The validation result of one delivery."""

    refusals: tuple[Refusal, ...] = ()

    @property
    def unusable(self) -> Refusal | None:
        """Return why the whole delivery is unreadable, or None if it is readable."""
        return next((refusal for refusal in self.refusals if refusal.reason in _UNUSABLE), None)

    @property
    def rejected(self) -> int:
        """Return the number of rejected spans."""
        return sum(refusal.spans for refusal in self.refusals)


@dataclass(frozen=True, slots=True)
class ValidatedBatch:
    """The validation results of several deliveries."""

    results: tuple[DeliveryResult, ...]
    """One per delivery, in order."""
    spans: pa.Table
    """SPAN_SCHEMA: the accepted spans of all deliveries."""


def validate(decoder: Decoder, deliveries: Sequence[Delivery]) -> ValidatedBatch:
    """Decode the deliveries. CPU-bound; pure except for the decoder's value cache."""
    bodies = {
        n: delivery.body
        for n, delivery in enumerate(deliveries)
        if delivery.encoding is Encoding.PROTOBUF
    }
    documents = {
        n: delivery.body
        for n, delivery in enumerate(deliveries)
        if delivery.encoding is Encoding.JSON
    }
    found = decoder.decode([ProtobufPayload(str(n), body) for n, body in bodies.items()])
    refusals: dict[int, list[Refusal]] = {n: [] for n in range(len(deliveries))}
    for refusal in found.refusals:
        refusals[int(refusal.origin.partition(",")[0])].append(refusal)
    tables = [found.spans]
    for n, body in documents.items():
        spans, refusals[n] = _validate_document(decoder, body)
        tables.append(spans)
    return ValidatedBatch(
        tuple(DeliveryResult(tuple(refusals[n])) for n in range(len(deliveries))),
        pa.concat_tables(tables).unify_dictionaries(),
    )


async def decode_accepted(decoders: Pool[Decoder], deliveries: Sequence[Delivery]) -> pa.Table:
    """Decode deliveries that were accepted before, in chunks."""
    chunks = [
        deliveries[start : start + _AT_A_TIME] for start in range(0, len(deliveries), _AT_A_TIME)
    ]
    return pa.concat_tables(
        [
            SPAN_SCHEMA.empty_table(),
            *[(await decoders.run(validate, chunk)).spans for chunk in chunks],
        ]
    )


def make_decoder(wanted: AttributeSelection) -> Decoder:
    """Return the decoder that a pool process creates once."""
    return Decoder(wanted)


def _validate_document(decoder: Decoder, body: bytes) -> tuple[pa.Table, list[Refusal]]:
    try:
        check_values(body)
        document = orjson.loads(body)
    except UnreadableInputError as error:
        return SPAN_SCHEMA.empty_table(), [error.refusal("body")]
    except orjson.JSONDecodeError as error:
        return SPAN_SCHEMA.empty_table(), [
            _refusal(
                "not-json", f"The body is not JSON: {error}. Check its encoding and Content-Type."
            )
        ]
    if not _is_request(document):
        return SPAN_SCHEMA.empty_table(), [_refusal("not-otlp-json", _NOT_OTLP)]
    decoded = decoder.decode([DocumentPayload("body", document, own_ids=False)])
    return decoded.spans, list(decoded.refusals)


def _is_request(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("resourceSpans", []), list)


def _refusal(reason: str, message: str) -> Refusal:
    return Refusal("body", reason, message)
