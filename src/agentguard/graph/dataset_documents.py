"""The JSON document about datasets."""

from __future__ import annotations

from collections.abc import Iterable

from agentguard.graph.documents import Document
from agentguard.graph.storage.store import Dataset
from agentguard.kernel.clock import timestamp


def datasets_document(datasets: Iterable[Dataset]) -> Document:
    """Return the datasets, each with its newest version."""
    return {
        "datasets": [
            {
                "name": dataset.name,
                "graph_version": dataset.newest_version,
                "created_at": timestamp(dataset.created_at),
                "total_components": dataset.components,
                "total_dependencies": dataset.dependencies,
                "versions": dataset.versions,
                "bytes": dataset.bytes,
            }
            for dataset in datasets
        ]
    }
