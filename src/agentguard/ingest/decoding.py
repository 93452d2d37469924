"""Decodes payloads of all formats into one span table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.ingest.attribute_selection import AttributeSelection
from agentguard.ingest.errors import UnreadableInputError
from agentguard.ingest.formats.otlp_json import DocumentReader
from agentguard.ingest.formats.otlp_keys import UnusualBytesError
from agentguard.ingest.formats.otlp_protobuf import Chunk, ProtobufReader
from agentguard.ingest.message_limits import check_messages, decoded_together
from agentguard.ingest.payloads import DocumentPayload, Payload, ProtobufPayload, Refusal
from agentguard.ingest.rejections import NEGATIVE, NEGATIVE_MESSAGE, WITHOUT_IDS, Rejections
from agentguard.ingest.span_columns import AttributeInterner, span_table
from agentguard.ingest.spans import SPAN_SCHEMA

_WRONG_IDS = "A span needs a trace id of 16 bytes and a span id of 8 bytes, neither all zero."
_INTERNED_BYTES = 64 << 20
_MOST_UNUSUAL = 500_000
"""Messages of a body that becomes a document, at about a kilobyte each."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result of decoding payloads."""

    spans: pa.Table
    """SPAN_SCHEMA, in order of arrival."""
    refusals: tuple[Refusal, ...]
    spans_read: int
    """Spans found, including rejected ones."""


class Decoder:
    """Decodes payloads with caches that persist between calls; not thread-safe."""

    def __init__(self, wanted: AttributeSelection) -> None:
        self._wanted = wanted
        self._labels = AttributeInterner(wanted.caller_only, _INTERNED_BYTES, wanted.ids)
        self._protobuf_reader = ProtobufReader(wanted, self._labels)

    def decode(self, payloads: Sequence[Payload]) -> Decoded:
        """Return the payloads' spans.

        Each error becomes a refusal with its location and never affects other spans.
        """
        if self._labels.next_batch():
            self._protobuf_reader.forget_codes()
        bodies = [payload for payload in payloads if isinstance(payload, ProtobufPayload)]
        documents = [payload for payload in payloads if isinstance(payload, DocumentPayload)]
        parts = self._bodies(bodies)
        if documents:
            parts.append(self._documents(documents))
        return _joined(parts)

    def _bodies(self, payloads: Sequence[ProtobufPayload]) -> list[Decoded]:
        """Decode the bodies, without those that have too many messages."""
        parts, usable = [], []
        for payload in payloads:
            try:
                check_messages(payload.body)
            except UnreadableInputError as error:
                parts.append(_refused(error.refusal(payload.origin)))
            else:
                usable.append(payload)
        for together in decoded_together([payload.body for payload in usable]):
            parts += self._protobuf(usable[together])
        return parts

    def _protobuf(self, bodies: Sequence[ProtobufPayload]) -> list[Decoded]:
        """Decode all bodies at once; on failure bisect, to isolate invalid bodies."""
        try:
            chunk = self._protobuf_reader.read([payload.body for payload in bodies])
        except (UnusualBytesError, DecodeError, ValueError):
            if len(bodies) == 1:
                return [self._unusual(bodies[0])]
            middle = len(bodies) // 2
            return self._protobuf(bodies[:middle]) + self._protobuf(bodies[middle:])
        spans = span_table(chunk.flat, self._labels, self._wanted, chunk.has_ids)
        return [Decoded(spans, _faults(chunk, bodies), len(chunk.flat))]

    def _unusual(self, payload: ProtobufPayload) -> Decoded:
        try:
            check_messages(payload.body, _MOST_UNUSUAL)
            document = document_of(ExportTraceServiceRequest.FromString(payload.body))
        except UnreadableInputError as error:
            return _refused(error.refusal(payload.origin))
        except DecodeError as error:
            message = (
                f"Not a protobuf OTLP trace request ({error}). Send an ExportTraceServiceRequest,"
                " or use the file extension of the actual format."
            )
            return _refused(Refusal(payload.origin, "bad-protobuf", message))
        return self._documents([DocumentPayload(payload.origin, document)])

    def _documents(self, payloads: Sequence[DocumentPayload]) -> Decoded:
        reader = DocumentReader(self._wanted, self._labels)
        count = sum(reader.read(payload) for payload in payloads)
        flat = reader.flat()
        spans = span_table(flat, self._labels, self._wanted, np.ones(len(flat), np.bool_))
        return Decoded(spans, tuple(reader.rejections.refusals()), count)


def decode(payloads: Sequence[Payload], wanted: AttributeSelection) -> Decoded:
    """Return the payloads' spans, see Decoder.decode."""
    return Decoder(wanted).decode(payloads)


def document_of(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return the request as an OTLP/JSON document; ids of a wrong length become empty."""
    document: dict[str, Any] = MessageToDict(request)
    for group, plain_group in zip(
        request.resource_spans, document.get("resourceSpans", []), strict=True
    ):
        for scoped, plain_scoped in zip(
            group.scope_spans, plain_group.get("scopeSpans", []), strict=True
        ):
            for span, plain_span in zip(scoped.spans, plain_scoped.get("spans", []), strict=True):
                plain_span |= {"traceId": _hex(span.trace_id, 16), "spanId": _hex(span.span_id, 8)}
                plain_span["parentSpanId"] = _hex(span.parent_span_id, 8)
                plain_span["links"] = [
                    {"traceId": _hex(link.trace_id, 16), "spanId": _hex(link.span_id, 8)}
                    for link in span.links
                ]
    return document


def _hex(raw: bytes, size: int) -> str:
    return raw.hex() if len(raw) == size else ""


def _faults(chunk: Chunk, bodies: Sequence[ProtobufPayload]) -> tuple[Refusal, ...]:
    """Return the errors of single spans: one refusal per body and reason."""
    flat, rejections = chunk.flat, Rejections()
    _count(rejections, chunk, bodies, ~chunk.has_ids, WITHOUT_IDS, _WRONG_IDS, lost=True)
    backwards = chunk.has_ids & (flat.end > 0) & (flat.end < flat.start)
    _count(rejections, chunk, bodies, backwards, NEGATIVE, NEGATIVE_MESSAGE, lost=False)
    return tuple(rejections.refusals())


def _count(
    rejections: Rejections,
    chunk: Chunk,
    bodies: Sequence[ProtobufPayload],
    wrong: NDArray[np.bool_],
    reason: str,
    message: str,
    *,
    lost: bool,
) -> None:
    rows = np.flatnonzero(wrong)
    found, first, times = np.unique(chunk.body_of_span[rows], return_index=True, return_counts=True)
    starts = np.searchsorted(chunk.body_of_span, found)
    for body, row, start, count in zip(
        found.tolist(), rows[first].tolist(), starts.tolist(), times.tolist(), strict=True
    ):
        rejections.add(bodies[body].origin, row - start, reason, message, times=count, lost=lost)


def _refused(refusal: Refusal) -> Decoded:
    return Decoded(SPAN_SCHEMA.empty_table(), (refusal,), 0)


def _joined(parts: list[Decoded]) -> Decoded:
    spans = pa.concat_tables([part.spans for part in parts]) if parts else SPAN_SCHEMA.empty_table()
    refusals = tuple(refusal for part in parts for refusal in part.refusals)
    return Decoded(spans, refusals, sum(part.spans_read for part in parts))
