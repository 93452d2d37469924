"""The id of a simulation, and its document as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from agentguard.catalog.model import Catalog
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.kernel.stable_json import stable_json

_ID_LENGTH = 32
_NO_INPUTS = ("origin", "line", "notes", "runbook", "effects")
"""Members of a catalog that no simulation depends on."""
_LATER = "failing"
"""Not a member of older catalogs, whose digests stay what they were."""


def identify(document: Mapping[str, Any]) -> str:
    """Return the id of a simulation: 32 hex digits of the SHA-256 of its document as stable JSON.

    The document has neither an id nor links. Equal results of equal inputs have one id.
    """
    return digest(document)[:_ID_LENGTH]


def digest(value: object) -> str:
    """Return the SHA-256 of the value as stable JSON, in hex."""
    return sha256(stable_json(value)).hexdigest()


def catalog_digest(catalog: Catalog) -> str:
    """Return the SHA-256 of what simulations use of the catalog, wherever its files lie."""
    return digest(_declared(orjson.loads(stable_json(catalog))))


def _declared(value: Any) -> Any:
    if isinstance(value, list):
        return [_declared(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _declared(each)
        for name, each in value.items()
        if name not in _NO_INPUTS and (name != _LATER or each is not None)
    }


def linked(document: Mapping[str, Any], links: TraceLinks) -> dict[str, Any]:
    """Return the document with the `url` of every span that it names."""
    return {name: _linked(value, links) for name, value in document.items()}


def storable(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document without what is no part of the result: its id, and links."""
    return linked({k: v for k, v in document.items() if k != "id"}, NO_LINKS)


def _linked(value: Any, links: TraceLinks) -> Any:
    if isinstance(value, list):
        return [_linked(each, links) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _linked(each, links) for name, each in value.items()}
    if "url" in found and "trace_id" in found:
        found["url"] = links.url(found["trace_id"], found.get("span_id") or "")
    return found
