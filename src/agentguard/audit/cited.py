"""Compares the graphs and results that entries cite by their hash with those that are stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

import orjson

from agentguard.audit.entries import Entry
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.store import CitingStores, StoredEntry

GRAPH_HASH = "graph_sha256"
RESULT_HASH = "result_sha256"
"""Members of payloads."""


@dataclass(frozen=True, slots=True)
class _Citation:
    index: int
    name: str
    """Of the payload's member."""
    document_id: str
    sha256: str


async def changed_documents(
    entries: Iterable[StoredEntry], stores: CitingStores
) -> AsyncIterator[tuple[int, str]]:
    """Yield the entries whose cited documents are kept, and are others: index and problem.

    Documents that were deleted since, and payloads that were removed, cannot be compared.
    """
    known: dict[tuple[str, str], str | None] = {}
    for cited in (each for entry in entries for each in _citations(entry)):
        key = cited.name, cited.document_id
        if key not in known:
            known[key] = await _stored_hash(cited, stores)
        if known[key] not in (None, cited.sha256):
            what = "graph" if cited.name == GRAPH_HASH else "result"
            yield cited.index, f"the stored {what} {cited.document_id!r} is not the one it cites"


async def _stored_hash(cited: _Citation, stores: CitingStores) -> str | None:
    """Return the hash of the cited graph, simulation or job's result; None: it is not kept."""
    if cited.name == GRAPH_HASH:
        return await stores.graphs.sha256(cited.document_id)
    simulated = await stores.simulations.sha256(cited.document_id)
    return simulated or await stores.jobs.sha256(cited.document_id)


def _citations(entry: StoredEntry) -> Iterator[_Citation]:
    payload = None if entry.payload is None else _object(entry.payload)
    if payload is None or entry.index is None:
        return
    try:
        told = Entry.parse(entry.leaf)
    except AuditFormatError:
        return
    for name, document_id in ((GRAPH_HASH, told.graph_version), (RESULT_HASH, told.object_id)):
        digest = payload.get(name)
        if document_id is not None and isinstance(digest, str):
            yield _Citation(entry.index, name, document_id, digest)


def _object(payload: bytes) -> dict[str, object] | None:
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
