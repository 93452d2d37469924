"""Classification of spans by the dialect table: role and names, once per distinct span shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize
from agentguard.discovery.dialects.loading import FLAGS, PEERS, Dialects, Role, Source, SpanRule
from agentguard.discovery.kinds import Stop
from agentguard.discovery.naming import clean, model_name, own_name, without_prefix
from agentguard.discovery.route_names import route_name
from agentguard.discovery.shape_keys import DIALECT
from agentguard.discovery.shapes import Shape, shape_of
from agentguard.ingest.conditions import Attributes
from agentguard.ingest.spans import KIND_CLIENT

_PROVIDERS = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "ai.model.provider",
)
_RESPONSE_MODELS = ("gen_ai.response.model", "ai.response.model")
_CALLING_AGENTS = ("gen_ai.agent.name",)
_NAMES = ("target", "server", "body", "acting", "goto", "hosts", "lends")
_ENVIRONMENTS = ("deployment.environment.name", "deployment.environment")


@dataclass(frozen=True, slots=True)
class Classification:
    """The classification of one span shape."""

    role: Role
    service: str
    environment: str | None
    scope: str
    span_name: str
    route: str
    """The span's name with a route's template for its path, else without the ids in it."""
    name: str | None = None
    """The component's cleaned name; None if the span does not contain it."""
    spelling: str | None = None
    """The name as written."""
    explicit: bool = False
    """Whether the name comes from an attribute instead of the span's name."""
    target: str | None = None
    server: str | None = None
    """The MCP server of a call, or the plugin of a tool."""
    body: str | None = None
    acting: str | None = None
    by: str | None = None
    """The agent that makes this call, as the call's own span says."""
    acting_follows: bool = False
    passes: bool = False
    goto: str | None = None
    hosts: str | None = None
    hosts_tools: bool = False
    lends: str | None = None
    requested: tuple[str, ...] = ()
    of_parent: bool = False
    reports: bool = False
    hands_over: bool = False
    polls: bool = False
    nests: bool = False
    yields: bool = False
    provider: str | None = None
    response_model: str | None = None
    rule: str = ""
    dialect: str = ""
    weak: bool = False
    """Whether the role is only by the form of attributes."""
    fails: bool | None = None
    """True: failed regardless of status; False: control flow, not failed; None: by status."""
    stop: Stop = Stop.NONE
    succeeded: bool = False
    """Whether an attribute states that the run succeeded."""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Classifications:
    """The classifications of n spans."""

    shape: NDArray[np.int64]
    """(n,) index into classifications."""
    by_shape: list[Classification]

    def roles(self) -> NDArray[np.int8]:
        """Return the role of each span."""
        return np.array([classification.role for classification in self.by_shape], np.int8)[
            self.shape
        ]


class Classifier:
    """Classifies span shapes by the dialect table, and remembers the last ones."""

    def __init__(self, dialects: Dialects, *, remembered: int = 200_000) -> None:
        self._dialects, self._remembered = dialects, remembered
        self._known: dict[tuple[str, str, int, str, str], Classification] = {}

    @property
    def dialects(self) -> Dialects:
        """Return the dialect table that it classifies by."""
        return self._dialects

    def classify(self, spans: pa.Table) -> Classifications:
        """Return the classifications of the spans (SPAN_SCHEMA, one chunk per column)."""
        columns = [
            spans.column(key).combine_chunks()
            for key in ("name", "scope", "attributes", "resource")
        ]
        kind = spans.column("kind").to_numpy().astype(np.int64)
        codes = [column.indices.to_numpy().astype(np.int64) for column in columns]
        shape, first = _shapes([kind, *codes])
        texts = [column.dictionary.to_pylist() for column in columns]
        classifications = [
            self.classify_shape(
                texts[0][codes[0][i]],
                texts[1][codes[1][i]],
                int(kind[i]),
                texts[2][codes[2][i]],
                texts[3][codes[3][i]],
            )
            for i in first.tolist()
        ]
        return Classifications(shape, classifications)

    def classify_shape(
        self, name: str, scope: str, kind: int, attributes: str, resource: str
    ) -> Classification:
        """Return the classification of one shape; attributes and resource are JSON objects."""
        key = (name, scope, kind, attributes, resource)
        classification = self._known.get(key)
        if classification is None:
            if len(self._known) > self._remembered:
                self._known.clear()
            classification = self._known[key] = self._classify(
                name, scope, kind, orjson.loads(attributes), orjson.loads(resource)
            )
        return classification

    def _classify(
        self, name: str, scope: str, kind: int, attributes: dict[str, Any], resource: dict[str, Any]
    ) -> Classification:
        visible = (
            {key: resource[key] for key in PEERS & resource.keys()} | attributes
            if kind == KIND_CLIENT
            else attributes
        )
        rule = self._rule(name, scope, kind, visible)
        base = Classification(
            role=Role.NONE,
            service=str(resource.get("service.name", "")),
            environment=_first(resource, _ENVIRONMENTS),
            scope=scope,
            span_name=name,
            route=route_name(name, _first(attributes, ("http.route",))),
            provider=_first(attributes, _PROVIDERS),
            response_model=_first(attributes, _RESPONSE_MODELS),
            attributes=tuple((k, str(v)) for k, v in sorted(attributes.items())),
            **self._outcome(name, scope, kind, attributes),
        )
        return _by_rule(base, rule, name, visible) if rule else self._by_form(base, kind, visible)

    def _rule(self, name: str, scope: str, kind: int, attributes: Attributes) -> SpanRule | None:
        rules = self._dialects.rules
        return next((r for r in rules if r.condition.holds(name, scope, kind, attributes)), None)

    def _by_form(self, base: Classification, kind: int, attributes: Attributes) -> Classification:
        others = self._dialects.wanted.others
        if others is None or not others.is_open(base.scope):
            return base
        shape = shape_of(base.span_name, kind, attributes)
        return base if shape is None else _by_shape(base, shape)

    def _outcome(self, name: str, scope: str, kind: int, attributes: Attributes) -> dict[str, Any]:
        stop = self._stop(name, scope, kind, attributes)
        return {
            "fails": False if stop else self._fails(name, scope, kind, attributes),
            "stop": stop,
            "succeeded": self._succeeded(name, scope, kind, attributes),
        }

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

    def _stop(self, name: str, scope: str, kind: int, attributes: Attributes) -> Stop:
        every = self._dialects.stops
        return next((by for c, by in every if c.holds(name, scope, kind, attributes)), Stop.NONE)

    def _succeeded(self, name: str, scope: str, kind: int, attributes: Attributes) -> bool:
        return any(c.holds(name, scope, kind, attributes) for c in self._dialects.successes)


def _by_rule(
    base: Classification, rule: SpanRule, name: str, attributes: Attributes
) -> Classification:
    spelling, source = _first_name(rule.name, name, attributes)
    own = model_name(spelling) if rule.role is Role.MODEL else clean(spelling)
    found = replace(
        base,
        role=rule.role,
        name=own_name(own) if rule.role is Role.AGENT else own,
        spelling=spelling,
        explicit=source is not None and source.attribute is not None,
        by=own_name(clean(_first(attributes, _CALLING_AGENTS))),
        requested=_requested(rule, name, attributes),
        rule=rule.label,
        dialect=rule.dialect,
    )
    names: dict[str, Any] = {
        key: clean(_first_name(getattr(rule, key), name, attributes)[0]) for key in _NAMES
    }
    found = replace(found, **names, **{key: getattr(rule, key) for key in FLAGS})
    return replace(found, name=without_prefix(found.name, found.server))


def _by_shape(base: Classification, shape: Shape) -> Classification:
    own = model_name(shape.name) if shape.role is Role.MODEL else clean(shape.name)
    return replace(
        base,
        role=shape.role,
        name=own_name(own) if shape.role is Role.AGENT else own,
        spelling=shape.name,
        lends=own if shape.role is Role.TOOL else None,
        hosts=clean(shape.hosts),
        rule=f"{DIALECT}#{shape.evidence}",
        dialect=DIALECT,
        weak=True,
    )


def _requested(rule: SpanRule, name: str, attributes: Attributes) -> tuple[str, ...]:
    text = _first_name(rule.requested, name, attributes)[0] or ""
    return tuple(filter(None, map(clean, text.splitlines())))


def _first_name(
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
    """Return a code per row of the columns, and the first row of each code."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        size = int(column.max(initial=0)) + 1
        codes, first = factorize((codes * size + column).view(np.uint64))
    return codes, first
