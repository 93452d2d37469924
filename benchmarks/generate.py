"""Generate spans for benchmarks, as protobuf bodies or JSON lines.

See `python -m benchmarks.generate --help`. The same seed and size give the same bytes. Memory does
not grow with the number of spans.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from benchmarks.fleet import SPANS_PER_RUN, Form, Occurrence, Value, occurrence


class Layout(StrEnum):
    """The format of the output."""

    LINES = "lines"
    """One file with an OTLP/JSON request per line, like the Collector's file exporter."""
    DELIMITED = "delimited"
    """One file of protobuf requests, each preceded by its length as a varint."""
    BODIES = "bodies"
    """A folder with one protobuf request per file."""


@dataclass(frozen=True, slots=True)
class Order:
    """The spans to generate, and their order."""

    spans: int
    seed: int
    scattered: bool
    """Whether each run's spans are spread over the whole input, children often first."""
    spans_per_body: int = 512

    def occurrences(self) -> Iterator[Occurrence]:
        """Yield exactly `spans` spans; all runs are complete except the last one."""
        runs = -(-self.spans // SPANS_PER_RUN)
        if not self.scattered:
            places = ((run, place) for run in range(runs) for place in range(SPANS_PER_RUN))
        else:
            places = (
                (run, (5 * turn + run) % SPANS_PER_RUN)
                for turn in range(SPANS_PER_RUN)
                for run in range(runs)
            )
        return islice((occurrence(self.seed, run, place) for run, place in places), self.spans)


def bodies(order: Order) -> Iterator[bytes]:
    """Yield protobuf requests."""
    return (_protobuf_body(spans) for spans in _batches(order))


def lines(order: Order) -> Iterator[bytes]:
    """Yield OTLP/JSON requests, one per line."""
    return (_json_body(spans) for spans in _batches(order))


def write(order: Order, layout: Layout, out: Path) -> None:
    """Write to a file or, for `bodies`, to files in a folder."""
    if layout is Layout.BODIES:
        out.mkdir(parents=True, exist_ok=True)
        for number, body in enumerate(bodies(order), 1):
            (out / f"body-{number:06}.pb").write_bytes(body)
        return
    with out.open("wb") as file:
        if layout is Layout.LINES:
            file.writelines(lines(order))
        else:
            file.writelines(_varint(len(body)) + body for body in bodies(order))


def _batches(order: Order) -> Iterator[list[Occurrence]]:
    spans = order.occurrences()
    while batch := list(islice(spans, order.spans_per_body)):
        yield batch


def _by_scope(spans: Iterable[Occurrence]) -> dict[str, dict[str, list[Occurrence]]]:
    groups: dict[str, dict[str, list[Occurrence]]] = {}
    for span in spans:
        groups.setdefault(span.form.service, {}).setdefault(span.form.scope, []).append(span)
    return groups


def _resource(service: str) -> tuple[tuple[str, Value], ...]:
    return (
        ("service.name", service),
        ("service.namespace", "fleet"),
        ("deployment.environment.name", "production"),
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "1.45.2"),
    )


# Protobuf. The concatenated serialised parts of a message are the message, so the parts that many
# spans share are cached as bytes.


def _protobuf_body(spans: Iterable[Occurrence]) -> bytes:
    resource_spans = []
    for service, scopes in _by_scope(spans).items():
        scope_spans = (
            _field(1, _scope_bytes(scope)) + b"".join(_field(2, _span_bytes(s)) for s in held)
            for scope, held in scopes.items()
        )
        resource_spans.append(
            _field(1, _resource_bytes(service)) + b"".join(_field(2, held) for held in scope_spans)
        )
    return b"".join(_field(1, held) for held in resource_spans)


@cache
def _resource_bytes(service: str) -> bytes:
    return Resource(attributes=_key_values(_resource(service))).SerializeToString()


@cache
def _scope_bytes(scope: str) -> bytes:
    return InstrumentationScope(name=scope, version="1.2.0").SerializeToString()


@cache
def _form_bytes(form: Form) -> bytes:
    # An enum's int.
    kind: Any = form.kind
    span = Span(name=form.name, kind=kind, attributes=_key_values(form.attributes))
    return span.SerializeToString()


def _span_bytes(span: Occurrence) -> bytes:
    own = Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id,
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        attributes=_key_values(span.attributes),
        status=Status(code=Status.STATUS_CODE_ERROR) if span.failed else None,
        flags=257,
    )
    return own.SerializeToString() + _form_bytes(span.form)


def _key_values(attributes: Sequence[tuple[str, Value]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes]


def _any_value(value: Value) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# JSON, likewise: what many spans share is kept as text.


def _json_body(spans: Iterable[Occurrence]) -> bytes:
    resource_spans = []
    for service, scopes in _by_scope(spans).items():
        scope_spans = (
            b'{"scope":{"name":"%b","version":"1.2.0"},"spans":[%b]}'
            % (scope.encode(), b",".join(map(_span_json, held)))
            for scope, held in scopes.items()
        )
        resource_spans.append(
            b'{"resource":{"attributes":[%b]},"scopeSpans":[%b]}'
            % (_resource_json(service), b",".join(scope_spans))
        )
    return b'{"resourceSpans":[%b]}\n' % b",".join(resource_spans)


@cache
def _resource_json(service: str) -> bytes:
    return _attributes_json(_resource(service))


@cache
def _form_json(form: Form) -> bytes:
    return b'"name":%b,"kind":%d,"attributes":[%b' % (
        orjson.dumps(form.name),
        form.kind,
        _attributes_json(form.attributes),
    )


def _span_json(span: Occurrence) -> bytes:
    return (
        b'{"traceId":"%b","spanId":"%b","parentSpanId":"%b","flags":257,"startTimeUnixNano":"%d","endTimeUnixNano":"%d",%b,%b],"status":{%b}}'
        % (
            span.trace_id.hex().encode(),
            span.span_id.hex().encode(),
            span.parent_id.hex().encode(),
            span.start,
            span.end,
            _form_json(span.form),
            _attributes_json(span.attributes),
            b'"code":2' if span.failed else b"",
        )
    )


def _attributes_json(attributes: Iterable[tuple[str, Value]]) -> bytes:
    return orjson.dumps([{"key": key, "value": _value_json(value)} for key, value in attributes])[
        1:-1
    ]


def _value_json(value: Value) -> dict[str, Value]:
    match value:
        case str():
            return {"stringValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("out", type=Path, help="the file, or the folder for bodies")
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layout", type=Layout, choices=list(Layout), default=Layout.LINES)
    parser.add_argument(
        "--scattered", action="store_true", help="spread each trace's spans over the whole input"
    )
    parser.add_argument("--spans-per-body", type=int, default=512)
    said = parser.parse_args()
    write(Order(said.spans, said.seed, said.scattered, said.spans_per_body), said.layout, said.out)


if __name__ == "__main__":
    main()
