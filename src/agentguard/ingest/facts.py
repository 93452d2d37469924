"""Extracts facts from content before the content is dropped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from agentguard.ingest.attribute_selection import Fact
from agentguard.ingest.values import kept, plain

_LONGEST_TEXT = 1_000_000


def extract_fact(
    fact: Fact, content: Mapping[str, Any], events: Sequence[tuple[str, Mapping[str, Any]]]
) -> str | None:
    """Return the fact's value, or None if the content does not contain it."""
    for text in _texts(fact, content, events):
        value = _follow(text, fact.path) if fact.path else None
        if value is None and fact.pattern is not None:
            found = fact.pattern.groups(text[:_LONGEST_TEXT]) if isinstance(text, str) else []
            value = ("\n".join(found) if fact.every else found[-1]) if found else None
        if isinstance(value, str) and value.strip():
            return str(kept(value.strip()))
    return None


def _texts(
    fact: Fact, content: Mapping[str, Any], events: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[Any]:
    if not fact.source.startswith("event:"):
        return [_readable(content[fact.source])] if fact.source in content else []
    event, _, key = fact.source.removeprefix("event:").partition("/")
    return [attributes[key] for name, attributes in events if name == event and key in attributes]


def _follow(value: Any, path: tuple[str, ...]) -> Any:
    """Walk the path, parsing JSON text on the way; '*' takes the first item with a value."""
    if not path:
        return value
    if isinstance(value, str):
        try:
            value = json.loads(value[:_LONGEST_TEXT])
        except (ValueError, RecursionError):
            return None
    if path[0] == "*":
        items = value if isinstance(value, list) else []
        return next(
            (found for item in items if (found := _follow(item, path[1:])) is not None), None
        )
    return (
        _follow(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else None
    )


def _readable(value: Any) -> Any:
    """Parse a raw protobuf attribute (bytes), which is left unparsed until needed."""
    return plain(KeyValue.FromString(value).value) if isinstance(value, bytes) else value
