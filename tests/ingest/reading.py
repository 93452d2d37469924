"""What tests of reading share: the data, and spans taken out of documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from agentguard.ingest.payloads import DocumentPayload, Payload, ProtobufPayload, Refusal
from agentguard.ingest.sources import read_upload

FORMATS = Path(__file__).parent.parent / "data" / "formats"


def expected(folder: str) -> dict[str, Any]:
    return dict(json.loads((FORMATS / folder / "expected.json").read_bytes()))


def documents(items: Iterable[Payload | Refusal]) -> list[dict[str, Any]]:
    """The documents; fails on anything else."""
    found = list(items)
    assert all(isinstance(item, DocumentPayload) for item in found), found
    return [item.document for item in found if isinstance(item, DocumentPayload)]


def pieces_of(items: Iterable[Payload | Refusal]) -> Iterator[Payload]:
    """The payloads; fails on refusals."""
    for item in items:
        assert not isinstance(item, Refusal), item
        yield item


def spans(items: Iterable[Payload | Refusal]) -> Iterator[dict[str, Any]]:
    """Every span with its resource attributes and its scope's name beside."""
    for document in documents(items):
        for group in document["resourceSpans"]:
            for scoped in group.get("scopeSpans", group.get("instrumentationLibrarySpans", [])):
                scope = scoped.get("scope", scoped.get("instrumentationLibrary", {})).get(
                    "name", ""
                )
                resource = plain(group.get("resource", {}).get("attributes", []))
                yield from (
                    {**span, "resource": resource, "scope": scope} for span in scoped["spans"]
                )


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """KeyValues of scalars as a mapping."""
    return {a["key"]: next(iter(a["value"].values()), None) for a in attributes}


def upload(value: object, filename: str | None = None) -> list[Payload | Refusal]:
    """What is read from a value written as JSON."""
    return list(read_upload(json.dumps(value).encode(), filename))


def reasons(items: Iterable[Payload | Refusal]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Refusal)]


def bodies(items: Iterable[Payload | Refusal]) -> list[bytes]:
    return [item.body for item in items if isinstance(item, ProtobufPayload)]
