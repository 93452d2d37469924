"""Holds every response of a test's client strictly against the OpenAPI document.

Published schemas allow further members, so that documents can grow. Here none may be undeclared and
none may be missing.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import httpx
import orjson
from fastapi.routing import iter_route_contexts
from jsonschema import Draft202012Validator

from agentguard.web.app import new_api

JSON_TYPES = ("application/json", "application/problem+json")
EVENTS = {
    "graph": "GraphEvent",
    "incidents": "IncidentsEvent",
    "progress": "JobSummary",
    "end": "JobSummary",
}
"""Name of an event → schema of its data."""


@cache
def document() -> dict[str, Any]:
    """Return the published document."""
    return new_api().openapi()


async def check_response(response: httpx.Response) -> None:
    """Fail if a response of the API is not exactly as the document describes it."""
    operation = operation_of(response.request.method, response.request.url.path)
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if operation is None:
        assert not _undeclared(response), f"{response.request.url.path} is not declared"
        return
    if media_type not in JSON_TYPES:
        return
    responses = operation["responses"]
    described = responses.get(str(response.status_code)) or responses.get("default")
    assert described is not None, f"{response.status_code} is not declared"
    assert media_type in described["content"], f"{media_type} is not declared"
    body = orjson.loads(await response.aread())
    check(body, described["content"][media_type]["schema"])


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in document()["paths"].items():
        if _patterns()[template].fullmatch(path) and method.lower() in operations:
            return operations[method.lower()]
    return None


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Return which paths each template of the document stands for, as the router has it."""
    return {
        context.path_format: context.path_regex
        for context in iter_route_contexts(new_api().routes)
        if context.path_format
    }


def _undeclared(response: httpx.Response) -> bool:
    """Return whether the API served something that its document does not describe."""
    below_api = response.request.url.path.startswith("/api/")
    return below_api and response.request.method != "OPTIONS" and response.status_code < 400


def check_event(name: str, data: Any) -> None:
    """Fail if an event of a stream is not exactly as the document describes it."""
    assert name in EVENTS, f"event {name!r} is not declared"
    check(data, {"$ref": f"#/components/schemas/{EVENTS[name]}"})


def check(value: Any, schema: dict[str, Any]) -> None:
    """Fail with every place at which a value breaks the strict form of a schema."""
    faults = [
        f"{error.json_path}: {error.message[:300]}"
        for error in _validator(orjson.dumps(schema)).iter_errors(value)
    ]
    assert not faults, faults[:10]


@cache
def _validator(schema: bytes) -> Draft202012Validator:
    components = _closed(document()["components"])
    return Draft202012Validator({**_closed(orjson.loads(schema)), "components": components})


def _closed(schema: Any) -> Any:
    """Return the schema with objects that allow no undeclared member."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
