"""Joins scans with their storage and workers."""

from __future__ import annotations

from collections.abc import Callable

from agentguard.bootstrap.storage import Storage
from agentguard.catalog.views import viewer
from agentguard.compute.pools import Pool
from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.evidence_links import trace_links
from agentguard.scan.documents import ScanDocuments
from agentguard.scan.service import ScanService
from agentguard.settings import Settings


def scans_of(
    settings: Settings,
    storage: Storage,
    small: Pool[Dialects],
    large: Pool[Dialects],
    dialects: Callable[[], Dialects],
) -> ScanService:
    """Return the service of scans; `large` runs those that would hold up small ones."""
    return ScanService(
        storage.graphs,
        storage.publisher,
        small,
        large,
        settings.job_bytes,
        storage.unit_of_work.clock,
        dialects,
        settings.max_upload_bytes,
        ScanDocuments(viewer(storage.catalog, trace_links(settings.trace_url))),
    )
