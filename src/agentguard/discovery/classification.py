"""What a span says of itself.

Its role, and the names in it, read by the dialect table once for each shape of span.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize
from agentguard.discovery.dialects.loading import PEERS, Dialects, Role, Source, SpanRule
from agentguard.discovery.naming import clean, model_name
from agentguard.ingest.conditions import Attributes
from agentguard.ingest.spans import KIND_CLIENT

_PROVIDERS = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "ai.model.provider",
)
_ANSWERED = ("gen_ai.response.model", "ai.response.model")
_ENVIRONMENTS = ("deployment.environment.name", "deployment.environment")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one shape of span says."""

    role: Role
    service: str
    environment: str | None
    scope: str
    span_name: str
    name: str | None = None
    """The component's name, cleaned; None where the span does not tell."""
    spelling: str | None = None
    """The name as written."""
    explicit: bool = False
    """Whether an attribute told the name, rather than the span's own name."""
    target: str | None = None
    server: str | None = None
    body: str | None = None
    acting: str | None = None
    acting_follows: bool = False
    passes: bool = False
    goto: str | None = None
    hosts: str | None = None
    hosts_tools: bool = False
    lends: str | None = None
    requested: tuple[str, ...] = ()
    of_parent: bool = False
    nests: bool = False
    provider: str | None = None
    answered: str | None = None
    rule: str = ""
    dialect: str = ""
    fails: bool | None = None
    """True: failed whatever its status says; False: control flow, never failed; None: as its status
    says.
    """
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of n spans."""

    shape: NDArray[np.int64]
    """(n,) index into readings"""
    readings: list[Reading]

    def roles(self) -> NDArray[np.int8]:
        """Return each span's role."""
        return np.array([reading.role for reading in self.readings], np.int8)[self.shape]


class Reader:
    """Reads shapes by one dialect table, remembering those seen."""

    def __init__(self, dialects: Dialects) -> None:
        self._dialects = dialects
        self._known: dict[tuple[str, str, int, str, str], Reading] = {}

    def read(self, spans: pa.Table) -> Readings:
        """Return what the spans (SPAN_SCHEMA, one chunk a column) say."""
        columns = [
            spans.column(key).combine_chunks()
            for key in ("name", "scope", "attributes", "resource")
        ]
        kind = spans.column("kind").to_numpy().astype(np.int64)
        codes = [column.indices.to_numpy().astype(np.int64) for column in columns]
        shape, first = _shapes([kind, *codes])
        texts = [column.dictionary.to_pylist() for column in columns]
        readings = [
            self.one(
                texts[0][codes[0][i]],
                texts[1][codes[1][i]],
                int(kind[i]),
                texts[2][codes[2][i]],
                texts[3][codes[3][i]],
            )
            for i in first.tolist()
        ]
        return Readings(shape, readings)

    def one(self, name: str, scope: str, kind: int, attributes: str, resource: str) -> Reading:
        """Return what a span of this shape says; attributes and resource as JSON objects."""
        key = (name, scope, kind, attributes, resource)
        reading = self._known.get(key)
        if reading is None:
            if len(self._known) > 200_000:
                self._known.clear()
            reading = self._known[key] = self._read(
                name, scope, kind, orjson.loads(attributes), orjson.loads(resource)
            )
        return reading

    def _read(
        self, name: str, scope: str, kind: int, attributes: dict[str, Any], resource: dict[str, Any]
    ) -> Reading:
        told = (
            {key: resource[key] for key in PEERS & resource.keys()} | attributes
            if kind == KIND_CLIENT
            else attributes
        )
        rule = next(
            (r for r in self._dialects.rules if r.condition.holds(name, scope, kind, told)), None
        )
        environment = _first(resource, _ENVIRONMENTS)
        place = Reading(
            role=Role.NONE,
            service=str(resource.get("service.name", "")),
            environment=str(environment) if environment else None,
            scope=scope,
            span_name=name,
            provider=_first(attributes, _PROVIDERS),
            answered=_first(attributes, _ANSWERED),
            fails=self._fails(name, scope, kind, attributes),
            attributes=tuple((k, str(v)) for k, v in sorted(attributes.items())),
        )
        return _by_rule(place, rule, name, told) if rule else place

    def _fails(self, name: str, scope: str, kind: int, attributes: Attributes) -> bool | None:
        thrown = [
            str(attributes[key])
            for key in ("exception.type", "error.type", "agentguard.control_flow")
            if key in attributes
        ]
        if any(text.rsplit(".", 1)[-1] in self._dialects.control_flow for text in thrown):
            return False
        return (
            True
            if any(c.holds(name, scope, kind, attributes) for c in self._dialects.errors)
            else None
        )


def _by_rule(place: Reading, rule: SpanRule, name: str, attributes: Attributes) -> Reading:
    spelling, source = _named(rule.name, name, attributes)
    read = model_name if rule.role is Role.MODEL else clean
    return Reading(
        role=rule.role,
        service=place.service,
        environment=place.environment,
        scope=place.scope,
        span_name=place.span_name,
        name=read(spelling),
        spelling=spelling,
        explicit=source is not None and source.attribute is not None,
        target=clean(_named(rule.target, name, attributes)[0]),
        server=clean(_named(rule.server, name, attributes)[0]),
        body=clean(_named(rule.body, name, attributes)[0]),
        acting=clean(_named(rule.acting, name, attributes)[0]),
        acting_follows=rule.acting_follows,
        passes=rule.passes,
        goto=clean(_named(rule.goto, name, attributes)[0]),
        hosts=clean(_named(rule.hosts, name, attributes)[0]),
        hosts_tools=rule.hosts_tools,
        lends=clean(_named(rule.lends, name, attributes)[0]),
        requested=tuple(
            filter(
                None, map(clean, (_named(rule.requested, name, attributes)[0] or "").splitlines())
            )
        ),
        of_parent=rule.of_parent,
        nests=rule.nests,
        provider=place.provider,
        answered=place.answered,
        rule=rule.label,
        dialect=rule.dialect,
        fails=place.fails,
        attributes=place.attributes,
    )


def _named(
    sources: Iterable[Source], name: str, attributes: Attributes
) -> tuple[str | None, Source | None]:
    for source in sources:
        text = source.read(name, attributes)
        if text:
            return text, source
    return None, None


def _first(values: Attributes, keys: Iterable[str]) -> str | None:
    return next((str(values[key]) for key in keys if values.get(key)), None)


def _shapes(columns: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a code for each distinct row of the columns, and the first row of each."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        size = int(column.max(initial=0)) + 1
        codes, first = factorize((codes * size + column).view(np.uint64))
    return codes, first
