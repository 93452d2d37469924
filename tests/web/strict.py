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
from jsonschema import Draft202012Validator

from agentguard.web.app import new_api

JSON_TYPES = ("application/json", "application/problem+json")


@cache
def document() -> dict[str, Any]:
    """Return the published document."""
    return new_api().openapi()


async def check_response(response: httpx.Response) -> None:
    """Fail if a response of the API is not exactly as the document describes it."""
    operation = operation_of(response.request.method, response.request.url.path)
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if operation is None or media_type not in JSON_TYPES:
        return
    responses = operation["responses"]
    described = responses.get(str(response.status_code)) or responses.get("default")
    assert described is not None, f"{response.status_code} is not declared"
    assert media_type in described["content"], f"{media_type} is not declared"
    body = orjson.loads(await response.aread())
    check(body, described["content"][media_type]["schema"])


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in document()["paths"].items():
        pattern = re.sub(r"\\{(\w+)\\}", _parameter, re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            return operations[method.lower()]
    return None


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


def _parameter(found: re.Match[str]) -> str:
    return ".+" if found[1] == "agent_id" else "[^/]+"
