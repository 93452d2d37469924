"""The use case of evidence: the spans behind a claim."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from agentguard.analysis.service import AnalysisService
from agentguard.compute.pools import Pool
from agentguard.discovery.dialects.loading import Dialects
from agentguard.evidence.claims import ABOUT_GRAPHS, Claim, ClaimKind
from agentguard.evidence.of_incident import (
    simulation_of,
    supported_by_event,
    supported_by_incident,
)
from agentguard.evidence.stored_spans import SpanId, stored_spans
from agentguard.evidence.supported import (
    Supported,
    UnknownClaimError,
    supported_by_document,
    supported_by_graph,
)
from agentguard.graph.documents import Document
from agentguard.graph.errors import DamagedRunsError, NoGraphError
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.resolve import resolve
from agentguard.graph.selection import GraphSelection, GraphSelector, SelectedGraph
from agentguard.incidents.model import Event, Incident
from agentguard.jobs.model import Job
from agentguard.playbooks.written import written_playbook
from agentguard.simulation.storage.model import StoredSimulation, UnknownSimulationError
from agentguard.traces.damage import without_damaged
from agentguard.traces.store import SpanReader

_MOST_SPANS = 100
"""Spans of one answer."""
_MOST_TRACES = 20
"""Traces that are looked for in recorded runs."""
_UNKNOWN: Document = {"name": None, "service": None, "failed": None, "stored": None}


class Simulations(Protocol):
    """Stored simulations; see simulation.storage.service.StoredSimulations."""

    async def stored(self, simulation_id: str) -> StoredSimulation:
        """Return it as it was stored; raise UnknownSimulationError."""


class JobReader(Protocol):
    """Jobs with their results; see jobs.queue.Jobs."""

    async def get(self, job_id: str) -> Job:
        """Return the job; raise an AgentGuardError if it is not kept."""


class IncidentReader(Protocol):
    """Stored incidents; see incidents.viewing.IncidentViews."""

    async def incident(self, incident_id: str) -> Incident:
        """Return it; raise UnknownIncidentError."""

    async def event(self, incident_id: str, number: int) -> Event | None:
        """Return this line of its timeline; None: there is none. Raises UnknownIncidentError."""


class RunReader(Protocol):
    """Recorded runs; see graph.storage.versions.Graphs."""

    async def calls_of_trace(self, version_id: str, trace_id: str) -> pa.Table:
        """Return the calls of one trace behind this version; raise NoGraphError."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A claim with what supports it, and the graph that it is about."""

    supported: Supported
    dataset: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class EvidenceService:
    """Shows the spans behind claims."""

    selector: GraphSelector
    analysis: AnalysisService
    simulations: Simulations
    jobs: JobReader
    incidents: IncidentReader
    spans: SpanReader
    runs: RunReader
    workers: Pool[Dialects]
    links: TraceLinks

    async def evidence(self, text: str, selection: GraphSelection) -> Document:
        """Return the spans behind the claim with this id, with what is stored of them.

        The selection says which graph resolves a claim about a graph. Raises ClaimFormatError,
        UnknownClaimError, and the errors of what the claim names: UnknownComponentError,
        AmbiguousComponentError, NoGraphError, UnknownSimulationError, UnknownJobError,
        NoPlaybookError, PlaybookNotWrittenError, UnknownIncidentError.
        """
        claim = Claim.parse(text)
        found = await self._resolved(claim, selection)
        shown = found.supported.spans[:_MOST_SPANS]
        known = await self._known([(e["trace_id"], e["span_id"]) for e in shown], found.version)
        return _document(claim, found, shown, known, self.links)

    async def _resolved(self, claim: Claim, selection: GraphSelection) -> Resolved:
        if claim.kind in ABOUT_GRAPHS:
            selected = await self.selector.select(selection)
            supported = await self._of_graph(claim, selected)
            return Resolved(supported, selected.dataset, selected.version)
        if claim.kind is ClaimKind.SIMULATION:
            stored = await self.simulations.stored(claim.parts[0])
            supported = _of_simulation(claim, stored)
            return Resolved(supported, stored.record.dataset, stored.record.graph_version)
        if claim.kind is ClaimKind.INCIDENT:
            return await self._of_incident(claim)
        return _of_playbook(claim, await self.jobs.get(claim.parts[0]))

    async def _of_incident(self, claim: Claim) -> Resolved:
        incident = await self.incidents.incident(claim.parts[0])
        event = await self._event(claim) if claim.parts[1:] else None
        simulated = await self._simulated(simulation_of(incident, event))
        supported = (
            supported_by_incident(incident, simulated)
            if event is None
            else supported_by_event(incident, event, simulated)
        )
        return Resolved(supported, incident.links.dataset, incident.links.graph_version)

    async def _event(self, claim: Claim) -> Event:
        incident_id, number = claim.parts
        usable = number.isascii() and number.isdecimal() and len(number) < 10
        event = await self.incidents.event(incident_id, int(number)) if usable else None
        if event is None:
            raise UnknownClaimError(claim, "This incident")
        return event

    async def _simulated(self, simulation_id: str | None) -> Mapping[str, Any] | None:
        if simulation_id is None:
            return None
        try:
            return (await self.simulations.stored(simulation_id)).document
        except UnknownSimulationError:
            return None

    async def _of_graph(self, claim: Claim, selected: SelectedGraph) -> Supported:
        if claim.kind is not ClaimKind.SPOF:
            return await asyncio.to_thread(supported_by_graph, selected.graph, claim, self.links)
        component = resolve(selected.graph, claim.parts[0])
        findings = await self.analysis.findings(selected)
        spof = next((s for s in findings["spofs"] if s["id"] == component.id), None)
        if spof is None:
            raise UnknownClaimError(claim, "The analysis of this graph")
        workflows = ", ".join(w["name"] or w["id"] for w in spof["workflows"])
        statement = f"The outage of {component.name or component.id} fails {workflows}."
        return supported_by_document(statement, spof)

    async def _known(
        self, wanted: Sequence[SpanId], version: str | None
    ) -> Mapping[SpanId, Document]:
        """Return what the stored spans say, else what the recorded runs do."""

        async def read() -> dict[SpanId, Document]:
            async with self.spans.window(0) as stored:
                return await self.workers.run(stored_spans, stored.sources, wanted)

        found = await without_damaged(self.spans, read)
        traces = dict.fromkeys(trace for trace, span in wanted if (trace, span) not in found)
        for trace in list(traces)[:_MOST_TRACES] if version else ():
            found = await self._recorded(str(version), trace) | found
        return found

    async def _recorded(self, version: str, trace_id: str) -> dict[SpanId, Document]:
        try:
            calls = await self.runs.calls_of_trace(version, trace_id)
        except (NoGraphError, DamagedRunsError):
            return {}
        return {
            (trace_id, call["span_id"]): {
                "name": call["target"],
                "service": None,
                "failed": call["failed"],
                "stored": "runs",
            }
            for call in calls.select(["span_id", "target", "failed"]).to_pylist()
        }


def _of_simulation(claim: Claim, stored: StoredSimulation) -> Supported:
    document, (_, *rest) = stored.document, claim.parts
    if not rest:
        return supported_by_document(_answer(document), document)
    member, wanted = rest
    listed = document["impacted_workflows" if member == "workflow" else "impacted_components"]
    found = next((each for each in listed if each["id"] == wanted), None)
    if found is None:
        raise UnknownClaimError(claim, "This simulation")
    fate = f"loses {found['runs_lost']} runs" if member == "workflow" else "is hit"
    return supported_by_document(f"{found['name'] or wanted} {fate}.", found)


def _answer(document: Mapping[str, Any]) -> str:
    return str(document["answer"])


def _of_playbook(claim: Claim, job: Job) -> Resolved:
    document, steps = written_playbook(job), claim.parts[1:]
    cited, statement = document, document["incident"]["title"]
    if steps:
        step = next((s for s in document["steps"] if s["id"] == steps[0]), None)
        if step is None:
            raise UnknownClaimError(claim, "This playbook")
        cited, statement = step, step["title"]
    supported = supported_by_document(str(statement), cited)
    return Resolved(supported, document.get("dataset"), document.get("graph_version"))


def _document(
    claim: Claim,
    found: Resolved,
    shown: Sequence[Document],
    known: Mapping[SpanId, Document],
    links: TraceLinks,
) -> Document:
    supported = found.supported
    spans = [
        {
            **{key: e.get(key) for key in ("trace_id", "span_id", "timestamp", "reason")},
            "url": links.url(e["trace_id"], e["span_id"]),
            **known.get((e["trace_id"], e["span_id"]), _UNKNOWN),
        }
        for e in shown
    ]
    return {
        "claim": str(claim),
        "kind": claim.kind.value,
        "statement": supported.statement,
        "dataset": found.dataset,
        "graph_version": found.version,
        "total": supported.total,
        "counted": supported.counted,
        "chosen": supported.chosen,
        "spans": spans,
        "spans_cited": len(supported.spans),
        "notes": _notes(supported, spans),
    }


def _notes(supported: Supported, spans: Sequence[Document]) -> list[str]:
    notes = list(supported.notes)
    if not spans and not notes:
        notes.append("No span is cited: the statement rests on counts alone.")
    if len(spans) < len(supported.spans):
        notes.append(f"{len(spans):,} of {len(supported.spans):,} cited spans are shown.")
    if gone := sum(span["stored"] is None for span in spans):
        notes.append(
            f"{gone:,} of these spans {'is' if gone == 1 else 'are'} not stored: expired, or never"
            " kept. `agentguard trace TRACE_ID` says which, where that is known."
        )
    if of_runs := sum(span["stored"] == "runs" for span in spans):
        notes.append(
            f"Of {of_runs:,} span{'' if of_runs == 1 else 's'} only the call is stored, in the"
            " recorded runs; `name` is the component that was called."
        )
    return notes
