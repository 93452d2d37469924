"""Roles of spans whose instrumentation is unknown, by the form of their attributes.

The evidence is weak and is stated: each role names the attribute that it rests on. Contradictory
evidence gives no role.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import camel_split
from agentguard.discovery.shape_keys import shape_table
from agentguard.ingest.conditions import Attributes
from agentguard.ingest.other_attributes import MODEL_IN_CONTENT
from agentguard.ingest.spans import KIND_CLIENT, KIND_INTERNAL, KIND_UNSPECIFIED
from agentguard.kernel.patterns import Pattern

_LONGEST_NAME = 100
_WORD = re.compile(r"[a-z]+|[0-9]+")
_KINDS = (KIND_UNSPECIFIED, KIND_INTERNAL, KIND_CLIENT)
_NAME_ENDS = {
    Role.AGENT: (("agent", "name"), ("assistant", "name"), ("agent",)),
    Role.TOOL: (
        ("tool", "name"),
        ("tool", "call", "name"),
        ("tool", "definition", "name"),
        ("function", "name"),
    ),
}
_OPERATION_ENDS = (("operation", "name"), ("entity", "name"))
_MODEL_ENDS = (("model",), ("model", "name"), ("model", "id"))


@dataclass(frozen=True, slots=True)
class Shape:
    """A role by form, and what it rests on."""

    role: Role
    name: str | None
    evidence: str
    stated: tuple[str, str] | None = None
    """The attribute that states the role, with its value."""
    name_key: str | None = None
    """The attribute with the name; None: the span's name."""
    hosts: str | None = None
    """The agent that this step is if it calls a model directly."""


@dataclass(frozen=True, slots=True)
class _Table:
    """The data of shapes.yaml."""

    kinds: Mapping[tuple[str, ...], Role]
    models: Pattern
    context: frozenset[str]
    operations: frozenset[str]
    model_words: frozenset[str]
    agent_words: frozenset[str]


def shape_of(name: str, kind: int, attributes: Attributes) -> Shape | None:
    """Return what the form of a span's attributes says; None: nothing, or contradictions."""
    if kind not in _KINDS:
        return None
    span = _Span(name, kind, attributes)
    shape = span.shape() if attributes else None
    hosts = span.hosts()
    if hosts is None or (shape is not None and shape.role is not Role.STEP):
        return shape
    if shape is None:
        return Shape(Role.STEP, None, "the span's name", hosts=hosts)
    return replace(shape, hosts=hosts)


@dataclass(frozen=True, slots=True)
class _Span:
    name: str
    kind: int
    attributes: Attributes

    def shape(self) -> Shape | None:
        stated = dict(self._stated())
        roles = [role for role in stated if role is not Role.STEP]
        if len(roles) > 1:
            return None
        if roles or stated:
            role = (*roles, Role.STEP)[0]
            return self._of_kind(role, stated[role])
        return self._tool() or self._model() or self._agent()

    def hosts(self) -> str | None:
        """Return the span's name if it is that of an agent, such as `pricingAgent`."""
        is_agent = words(self.name)[-1:] == ("agent",) and self.kind != KIND_CLIENT
        return self.name if is_agent and not is_operation(self.name) else None

    def _stated(self) -> Iterator[tuple[Role, str]]:
        """Yield each role that an attribute for the span's type states, with the attribute."""
        for key in sorted(self.attributes):
            value = self.attributes[key]
            if isinstance(value, str) and is_kind(key):
                role = _kind_of(value, suffix=not key.lower().endswith(("type", "kind")))
                if role is not None:
                    yield role, key

    def _of_kind(self, role: Role, key: str) -> Shape | None:
        value = str(self.attributes[key])
        name, by = self._name_of(role, key)
        if role is Role.MODEL and name is None:
            return None
        if role in (Role.AGENT, Role.TOOL) and name is None:
            role = Role.STEP
        evidence = f"{key}={value}" if by is None else f"{key}={value}, {by}"
        return Shape(role, name, evidence, (key, value), by)

    def _name_of(self, role: Role, key: str) -> tuple[str | None, str | None]:
        """Return the name of a component of this stated role, and its attribute."""
        match role:
            case Role.STEP:
                return None, None
            case Role.MODEL:
                name, by = self._model_name()
                as_span = self.name if _table().models.found(self.name) else None
                return (as_span, None) if name is None else (name, by)
            case Role.AGENT | Role.TOOL:
                found = self._own_name(role, key)
                return (target_of(self.name), None) if found is None else found
        return target_of(self.name), None

    def _own_name(self, role: Role, key: str) -> tuple[str, str] | None:
        """Return the name of an agent or tool in an attribute, and that attribute."""
        named = self._named(_NAME_ENDS[role])
        sibling = key[: len(key) - len(_last_part(key))] + "name"
        for candidate in (*named, sibling, *self._named(_OPERATION_ENDS)):
            text = _short(self.attributes.get(candidate))
            beside = candidate == sibling or (text or "") in self.name
            if text and (candidate in named or (beside and not is_operation(text))):
                return text, candidate
        return None

    def _tool(self) -> Shape | None:
        for key in self._named(_NAME_ENDS[Role.TOOL]):
            text = _short(self.attributes[key])
            if text and not self._calls_model():
                return Shape(Role.TOOL, text, key, None, key)
        return None

    def _model(self) -> Shape | None:
        name, key = self._model_name()
        if name is None or not _table().models.found(name) or not self._calls_model():
            return None
        return Shape(Role.MODEL, name, str(key), None, key)

    def _agent(self) -> Shape | None:
        for key in self._named(_NAME_ENDS[Role.AGENT]):
            text = _short(self.attributes[key])
            if text and self.kind != KIND_CLIENT and self._acts(text):
                return Shape(Role.AGENT, text, key, None, key)
        return None

    def _acts(self, agent: str) -> bool:
        """Return whether the span's name says that it is the agent's run."""
        return agent.casefold() in self.name.casefold() or bool(
            _table().agent_words & set(words(self.name))
        )

    def _calls_model(self) -> bool:
        name, _ = self._model_name()
        if name is None:
            return False
        said = self.kind == KIND_CLIENT or name.casefold() in self.name.casefold()
        return said or bool(_table().model_words & set(words(self.name)))

    def _model_name(self) -> tuple[str | None, str | None]:
        for key in self._named(_MODEL_ENDS):
            text = _short(self.attributes[key])
            if text and "agent" not in words(key):
                return text, key
        text = _short(self.attributes.get(MODEL_IN_CONTENT))
        return (text, MODEL_IN_CONTENT) if text else (None, None)

    def _named(self, ends: Iterable[tuple[str, ...]]) -> list[str]:
        """Return the attributes whose keys end with these words, in their order."""
        keys = sorted(self.attributes)
        return [key for end in ends for key in keys if _ends_with(key, end)]


@lru_cache(maxsize=16384)
def words(text: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: of `acme.toolCall_id` acme, tool, call and id."""
    return tuple(_WORD.findall(camel_split(text).lower()))


@lru_cache(maxsize=16384)
def is_operation(name: str) -> bool:
    """Return whether a span's name is that of an operation, such as `acme.tool.call`."""
    parts, operations = words(name), _table().operations
    return set(parts) <= operations or ("." in name and bool(set(parts[-2:]) & operations))


def target_of(name: str) -> str | None:
    """Return what a span's name says that its operation is applied to; None: nothing."""
    operation, _, target = name.partition(" ")
    if target and is_operation(operation):
        name = target
    return None if is_operation(name) else name


@lru_cache(maxsize=16384)
def _ends_with(key: str, end: tuple[str, ...]) -> bool:
    parts = words(key)
    return parts[-len(end) :] == end and not _table().context & set(parts)


@lru_cache(maxsize=16384)
def is_kind(key: str) -> bool:
    """Return whether an attribute is for the type of its span."""
    parts = words(key)
    if {"parent", "caller"} & set(parts):
        return False
    return parts[-1:] in (("type",), ("kind",), ("subtype",)) or parts[-2:] in (
        ("operation", "id"),
        ("operation", "name"),
    )


@lru_cache(maxsize=16384)
def _kind_of(value: str, *, suffix: bool) -> Role | None:
    """Return the role that a value states; with `suffix`, its last two words may state it."""
    kinds, parts = _table().kinds, words(value)
    if parts in kinds:
        return kinds[parts]
    return kinds.get(parts[-2:]) if suffix and len(parts) > 1 else None


def _last_part(key: str) -> str:
    return key[max(map(key.rfind, "._:-")) + 1 :]


def _short(value: Any) -> str | None:
    """Return the text of a name; None for anything longer, or of several lines."""
    text = value.strip().strip('"') if isinstance(value, str) else ""
    return text if 0 < len(text) <= _LONGEST_NAME and "\n" not in text else None


@cache
def _table() -> _Table:
    raw = shape_table()
    return _Table(
        {
            tuple(phrase.split()): Role[role.upper()]
            for role, phrases in raw["kinds"].items()
            for phrase in phrases
        },
        Pattern(raw["models"]),
        *(frozenset(raw[key]) for key in ("context", "operations", "model_words", "agent_words")),
    )
