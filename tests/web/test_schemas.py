"""The published OpenAPI document: committed, complete and open for additions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from agentguard.web.schemas.common import Document
from scripts.reference import OPENAPI, openapi_text
from tests.web.strict import check_event, check_response, document

SCHEMAS = document()["components"]["schemas"]


def models(parent: type[Document]) -> Iterator[str]:
    for model in parent.__subclasses__():
        yield model.__name__
        yield from models(model)


DOCUMENTS = sorted(name for name in set(models(Document)) if name in SCHEMAS)


def operation_ids() -> list[str]:
    return [
        operation["operationId"]
        for operations in document()["paths"].values()
        for operation in operations.values()
    ]


def test_the_committed_document_is_current():
    assert OPENAPI.read_text() == openapi_text(), "run `make docs`"


def test_operation_ids_are_unique_and_chosen():
    ids = operation_ids()

    assert len(ids) == len(set(ids))
    assert all("_api_" not in each and "_v1_" not in each for each in ids)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_have_all_members_and_stay_open(name: str):
    schema = SCHEMAS[name]

    assert set(schema["required"]) == set(schema["properties"])
    assert schema.get("additionalProperties", True) is True


def untyped(name: str, schema: Any) -> Iterator[str]:
    """Yield where a schema, or one inside it, says nothing about its values."""
    if not schema.keys() & {"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"}:
        yield name
    if schema.get("type") == "object" and not schema.keys() & {"properties", "$ref"}:
        yield from untyped(f"{name}.*", _schema(schema.get("additionalProperties")))
    if schema.get("type") == "array":
        for n, each in enumerate(schema.get("prefixItems", ())):
            yield from untyped(f"{name}[{n}]", each)
        if "prefixItems" not in schema:
            yield from untyped(f"{name}[]", _schema(schema.get("items")))
    for each in schema.get("anyOf", ()):
        yield from untyped(name, each)
    for member, each in schema.get("properties", {}).items():
        yield from untyped(f"{name}.{member}", each)


def _schema(value: Any) -> dict[str, Any]:
    """Return a schema as an object: true and none at all allow anything, as {} does."""
    return value if isinstance(value, dict) else {}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_member_has_a_type(name: str):
    assert list(untyped(name, SCHEMAS[name])) == []


ANYTHING: list[dict[str, Any]] = [
    {},
    {"type": "object"},
    {"type": "object", "additionalProperties": True},
    {"type": "object", "additionalProperties": {}},
    {"type": "array"},
    {"type": "array", "items": {}},
    {"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]},
]


@pytest.mark.parametrize("schema", ANYTHING, ids=str)
def test_a_member_that_may_be_anything_is_found(schema):
    found = untyped("D", {"type": "object", "properties": {"a": schema}})

    assert len(list(found)) == 1


ROOT_DOCUMENT = {"message": "m", "version": "1", "docs": "/docs"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body", [ROOT_DOCUMENT | {"undeclared": 1}, {"message": "m", "version": "1"}]
)
async def test_an_undeclared_or_missing_member_fails_a_test(body):
    response = httpx.Response(200, json=body, request=httpx.Request("GET", "http://x/"))

    with pytest.raises(AssertionError):
        await check_response(response)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "path", ["/api/components/demo/agent:x", "/api/agents/demo/agent:x", "/api/undeclared"]
)
async def test_no_path_of_the_api_escapes_the_check(path):
    response = httpx.Response(200, json={}, request=httpx.Request("GET", f"http://x{path}"))

    with pytest.raises(AssertionError):
        await check_response(response)


@pytest.mark.parametrize("event", [("graph", {"dataset": "live"}), ("other", {})])
def test_an_undeclared_event_fails_a_test(event):
    with pytest.raises(AssertionError):
        check_event(*event)
