"""Finds the spans in the groups of an OTLP/JSON document; accepts Tempo's old names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import orjson

from agentguard.ingest.attribute_selection import AttributeSelection
from agentguard.ingest.formats.kinds import MalformedError
from agentguard.ingest.formats.otlp_values import as_text, attributes_of, items, members
from agentguard.ingest.values import kept

Span: TypeAlias = tuple[str, str, Any]
"""The stored resource attributes (JSON), the scope's name, and the span."""


def resource_text(attributes: Mapping[str, Any], wanted: AttributeSelection) -> str:
    """Return the JSON of the resource attributes to store."""
    keep = {key: kept(attributes[key]) for key in sorted(wanted.resource & attributes.keys())}
    return orjson.dumps({k: v for k, v in keep.items() if v is not None}).decode()


def spans(
    document: Mapping[str, Any], wanted: AttributeSelection
) -> Iterator[Span | MalformedError]:
    """Yield each span; instead of a malformed list or group, and of the spans in it, an error."""
    for group in _groups(document.get("resourceSpans", document.get("batches")), "resourceSpans"):
        if isinstance(group, MalformedError):
            yield group
        else:
            resource = _resource_of(group, wanted)
            scoped = group.get("scopeSpans", group.get("instrumentationLibrarySpans"))
            for scope in _groups(scoped, "scopeSpans"):
                yield from _spans_of(resource, scope)


def _groups(value: Any, name: str) -> Iterator[Mapping[str, Any] | MalformedError]:
    try:
        found = items(value, name)
    except MalformedError as error:
        yield error
        return
    for item in found:
        yield (
            item
            if isinstance(item, dict)
            else MalformedError(f"Each item of `{name}` must be an object.")
        )


def _resource_of(group: Mapping[str, Any], wanted: AttributeSelection) -> str | MalformedError:
    try:
        resource = members(group.get("resource"), "resource")
        return resource_text(attributes_of(resource.get("attributes"), wanted.resource), wanted)
    except MalformedError as error:
        return error


def _scope_of(scoped: Mapping[str, Any]) -> str | MalformedError:
    try:
        scope = members(scoped.get("scope", scoped.get("instrumentationLibrary")), "scope")
        return str(kept(as_text(scope.get("name"))))
    except MalformedError as error:
        return error


def _spans_of(
    resource: str | MalformedError, scoped: Mapping[str, Any] | MalformedError
) -> Iterator[Span | MalformedError]:
    if isinstance(scoped, MalformedError):
        yield scoped
        return
    try:
        spans = items(scoped.get("spans"), "spans")
    except MalformedError as error:
        yield error
        return
    scope = _scope_of(scoped)
    for span in spans:
        if isinstance(resource, MalformedError):
            yield resource
        elif isinstance(scope, MalformedError):
            yield scope
        else:
            yield resource, scope, span
