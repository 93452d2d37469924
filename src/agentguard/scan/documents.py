"""The document of a scan: what it found, or that it found nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.documents import View, scan_document
from agentguard.graph.model import Graph
from agentguard.graph.storage.store import GraphVersion
from agentguard.ingest.payloads import Payload, Refusal
from agentguard.kernel.errors import InvalidInputError
from agentguard.scan.pipeline import Scan, scan
from agentguard.traces.window import TimeWindow

_REASONS_NAMED = 3


class NoUsableSpansError(InvalidInputError):
    """A scan found no usable span."""

    code = "no-usable-spans"

    def __init__(self, document: Mapping[str, Any]) -> None:
        reasons = " ".join(each["message"] for each in document["refusals"][:_REASONS_NAMED])
        outside = document["coverage"]["outside_window"]
        why = (
            f"All {outside:,} spans read belong to traces outside the window."
            if outside
            else "No span could be used."
        )
        super().__init__(f"{why} {reasons}".strip())
        self.document = document
        """What the scan read."""

    @property
    def extensions(self) -> dict[str, object]:
        return {"refusals": self.document["refusals"]}


@dataclass(frozen=True, slots=True)
class ScanDocuments:
    """Writes the documents of scans."""

    view_of: Callable[[Graph], View]
    """What the catalog adds to a graph's documents. CPU-bound."""

    def document(self, version: GraphVersion, found: Scan) -> dict[str, Any]:
        """Return the document of a stored scan; raise NoUsableSpansError. CPU-bound."""
        return self._document(version.dataset, version.id, found)

    def unstored(self, found: Scan) -> dict[str, Any]:
        """Return the document of an unstored scan; raise NoUsableSpansError. CPU-bound."""
        return self._document(None, None, found)

    def _document(self, dataset: str | None, version: str | None, found: Scan) -> dict[str, Any]:
        view = self.view_of(found.graph)
        document = scan_document(
            found.graph, view, refusals=found.refusals, refusals_total=found.refusals_total
        )
        if not found.graph.coverage.spans:
            raise NoUsableSpansError(document)
        return {"dataset": dataset, "graph_version": version} | document


@dataclass(frozen=True, slots=True)
class UnstoredScans:
    """Scans that leave nothing behind: they need neither database nor data directory."""

    dialects: Dialects
    documents: ScanDocuments

    def scan(
        self, payloads: Iterable[Payload | Refusal], *, window: TimeWindow | None = None
    ) -> dict[str, Any]:
        """Return the document of these payloads; raise NoUsableSpansError. CPU-bound."""
        return self.documents.unstored(scan(payloads, self.dialects, window=window))
