"""The JSON documents about stored simulations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from agentguard.graph.evidence_links import TraceLinks
from agentguard.kernel.clock import timestamp
from agentguard.simulation.identity import linked
from agentguard.simulation.storage.model import Cursor, SimulationRecord, StoredSimulation

Document: TypeAlias = dict[str, Any]


class RepeatState(StrEnum):
    """What repeating a stored simulation gave."""

    IDENTICAL = "identical"
    """The same document, bit for bit."""
    DIFFERENT = "different"
    EXPIRED = "expired"
    """The graph version or its runs are no longer kept."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What repeating a stored simulation gave, and why it is not the same."""

    state: RepeatState
    reason: str | None = None


def stored_document(stored: StoredSimulation, repeat: Repeat, links: TraceLinks) -> Document:
    """Return the simulation's document as it was stored, with what is known of it since."""
    record = stored.record
    about = {
        "created_at": timestamp(record.created_at),
        "created_by": record.created_by,
        "agentguard_version": record.agentguard_version,
        "request": {"modes": [], **stored.inputs.request},
    }
    return {
        "id": record.id,
        **linked(stored.document, links),
        "stored": about,
        "repeat": {"state": repeat.state.value, "reason": repeat.reason},
    }


def summary_of(document: Mapping[str, Any]) -> Document:
    """Return what lists show of a simulation's document."""
    radius = document["blast_radius"]
    return {
        "failed_components": document["failed_components"],
        "method": document["method"],
        "seed": document["inputs"]["seed"],
        "severity": document["impact_estimate"]["severity"],
        "runs_lost": radius["runs_lost"],
        "runs_seen": radius["runs_seen"],
        "blast_radius_score": document["blast_radius_score"],
    }


def record_document(record: SimulationRecord) -> Document:
    """Return one row of a list."""
    return {
        "id": record.id,
        "created_at": timestamp(record.created_at),
        "created_by": record.created_by,
        "agentguard_version": record.agentguard_version,
        "dataset": record.dataset,
        "graph_version": record.graph_version,
        **record.summary,
    }


def page_document(records: Sequence[SimulationRecord], limit: int) -> Document:
    """Return a page; `next` is the value of `before` for the next one, None after the last."""
    last = records[-1] if len(records) == limit else None
    return {
        "simulations": [record_document(record) for record in records],
        "next": None if last is None else str(Cursor(last.created_at, last.id)),
    }
