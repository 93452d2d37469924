"""Zipkin v1 JSON (openzipkin/zipkin-api, zipkin-api.yaml), converted to v2 spans.

Annotations record events of both sides; addresses are binary annotations. Follows
zipkin2.v1.V1SpanConverter (openzipkin/zipkin 878ce2a).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentguard.ingest.formats import zipkin
from agentguard.ingest.formats.kinds import Shape
from agentguard.ingest.formats.otlp_documents import mapping, nanoseconds, objects, text
from agentguard.ingest.formats.zipkin_merge import Span
from agentguard.ingest.payloads import DocumentPayload, Refusal

_KINDS = {
    "cs": "CLIENT",
    "cr": "CLIENT",
    "sr": "SERVER",
    "ss": "SERVER",
    "ms": "PRODUCER",
    "mr": "CONSUMER",
}
_BEGIN_AND_END = (("cs", "cr"), ("sr", "ss"), ("ms", "ws"), ("wr", "mr"))
_COMMON = ("traceId", "id", "parentId", "name")
_WIRE = frozenset({"ws", "wr"})
_SPAN: Shape = {
    "annotations": [{"endpoint": {}}],
    "binaryAnnotations": [{"endpoint": {}}],
}
_ADDRESSES = frozenset({"ca", "sa", "ma"})


def payloads(value: object, origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document with all spans as v2 halves, and a refusal for each unusable span."""
    usable: list[Span] = []
    for found in zipkin.spans(value, _SPAN, origin):
        if isinstance(found, Refusal):
            yield found
        else:
            usable += halves(found)
    yield zipkin.document(usable, origin)


def halves(span: Mapping[str, Any]) -> list[Span]:
    """Return a v1 span as v2 spans: one per reporting side, the client's first."""
    sides = _Sides(span)
    for _, annotation in objects(span.get("annotations")):
        sides.take(annotation)
    _set_times(sides)
    for _, tag in objects(span.get("binaryAnnotations")):
        sides.tag(tag)
    _set_remote_endpoints(sides)
    return sides.found


@dataclass(slots=True)
class _Sides:
    """A v1 span, split by reporting side."""

    span: Mapping[str, Any]
    found: list[Span] = field(default_factory=list)
    core: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """cs, sr … → the annotation."""
    addresses: dict[str, dict[str, Any]] = field(default_factory=dict)
    """ca, sa, ma → the endpoint."""

    def of(self, endpoint: dict[str, Any], kind: str | None = None) -> Span:
        """Return the side at this endpoint, adding it if needed; without endpoint, the first."""
        side = next((side for side in self.found if _belongs_to(side, endpoint, kind)), None)
        if side is None:
            side = {key: self.span[key] for key in _COMMON if self.span.get(key)}
            self.found.append(side)
        if endpoint and not side.get("localEndpoint"):
            side["localEndpoint"] = endpoint
        if kind:
            side["kind"] = kind
        return side

    def at(self, value: str) -> Span | None:
        """Return the side that recorded this annotation."""
        return (
            self.of(mapping(self.core[value].get("endpoint")), _KINDS.get(value))
            if value in self.core
            else None
        )

    def time(self, value: str) -> int:
        return _microseconds(self.core[value].get("timestamp")) if value in self.core else 0

    def take(self, annotation: Mapping[str, Any]) -> None:
        value, endpoint = text(annotation.get("value")), mapping(annotation.get("endpoint"))
        if (value in _KINDS or value in _WIRE) and endpoint:
            self.core[value] = annotation
            self.of(endpoint, _KINDS.get(value))
        else:
            self.of(endpoint).setdefault("annotations", []).append(
                {"timestamp": annotation.get("timestamp"), "value": value}
            )

    def tag(self, tag: Mapping[str, Any]) -> None:
        key, endpoint, value = text(tag.get("key")), mapping(tag.get("endpoint")), tag.get("value")
        if key in _ADDRESSES:
            self.addresses[key] = endpoint
        elif key != "lc" or value:
            self.of(endpoint).setdefault("tags", {})[key] = text(value)


def _set_times(sides: _Sides) -> None:
    """Set each side's times from its own annotations; the first side also uses the span's.

    Sets `shared` if both sides reported.
    """
    own = {
        "timestamp": _microseconds(sides.span.get("timestamp")),
        "duration": _microseconds(sides.span.get("duration")),
    }
    for begin, end in _BEGIN_AND_END:
        side = sides.at(begin) or sides.at(end)
        if side is None:
            continue
        start, stop = sides.time(begin), sides.time(end)
        times = {"timestamp": start or stop, "duration": stop - start if start and stop else 0}
        second = begin in ("sr", "wr") and ("cs" in sides.core or "ms" in sides.core)
        values = times if second else {key: own[key] or times[key] for key in own}
        side.update({key: value for key, value in values.items() if value > 0})
        if second or (begin == "sr" and not own["timestamp"]):
            side["shared"] = True
    if not sides.core:
        sides.of({}).update({key: value for key, value in own.items() if value})


def _set_remote_endpoints(sides: _Sides) -> None:
    """Set each side's remote endpoint to the other side's address."""
    client, server, broker = (sides.addresses.get(key) for key in ("ca", "sa", "ma"))
    calling, serving = sides.at("cs") or sides.at("cr"), sides.at("sr") or sides.at("ss")
    if calling is None and serving is None and (client or server):
        _infer_from_addresses(sides, client, server)
    elif (
        serving is not None
        and client
        and _name(client) != _name(mapping(serving.get("localEndpoint")))
    ):
        serving["remoteEndpoint"] = client
    if calling is not None and server:
        calling["remoteEndpoint"] = server
    messaging = sides.at("mr") or sides.at("ms")
    if messaging is not None and broker:
        messaging["remoteEndpoint"] = broker


def _infer_from_addresses(
    sides: _Sides, client: dict[str, Any] | None, server: dict[str, Any] | None
) -> None:
    if client and server:
        sides.of(client)["remoteEndpoint"] = server
    elif server:
        sides.of({})["remoteEndpoint"] = server
    elif client:
        sides.of({}, "SERVER")["remoteEndpoint"] = client


def _belongs_to(side: Span, endpoint: Mapping[str, Any], kind: str | None) -> bool:
    """Return whether a record at this endpoint belongs to the side.

    A service that calls itself has one side of each kind.
    """
    local = mapping(side.get("localEndpoint"))
    return (
        not endpoint
        or not local
        or (_name(local) == _name(endpoint) and (kind is None or side.get("kind") in (kind, None)))
    )


def _name(endpoint: Mapping[str, Any]) -> str:
    return text(endpoint.get("serviceName")).casefold()


def _microseconds(value: object) -> int:
    return nanoseconds(value) // 1000
