"""The published OpenAPI document: committed, complete and open for additions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from agentguard.web.schemas.common import Document
from scripts.reference import OPENAPI, openapi_text
from tests.web.strict import check_response, document

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


def members(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        yield from properties.items()
        for each in schema.values():
            yield from members(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from members(each)


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


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_member_has_a_type(name: str):
    untyped = [
        member
        for member, schema in members(SCHEMAS[name])
        if not schema.keys() & {"type", "$ref", "anyOf", "enum", "const"}
        or (schema.get("type") == "object" and not schema.keys() & {"additionalProperties"})
    ]

    assert untyped == []


ROOT_DOCUMENT = {"message": "m", "version": "1", "docs": "/docs"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body", [ROOT_DOCUMENT | {"undeclared": 1}, {"message": "m", "version": "1"}]
)
async def test_an_undeclared_or_missing_member_fails_a_test(body):
    response = httpx.Response(200, json=body, request=httpx.Request("GET", "http://x/"))

    with pytest.raises(AssertionError):
        await check_response(response)
