"""Documents about playbooks."""

from __future__ import annotations

from pydantic import Field

from agentguard.playbooks.model import Phase
from agentguard.simulation.model import Severity
from agentguard.web.schemas.common import Document, EvidenceDocument, Origin


class PlaybookIncidentDocument(Document):
    """The failure that a playbook is for."""

    title: str
    summary: str
    failed_components: list[str]
    severity: Severity
    blast_radius_score: float
    impacted_components: list[str]
    impacted_workflows: list[str]
    graph_version: str | None


class PlaybookStepDocument(Document):
    """One step of a playbook."""

    id: str
    title: str
    phase: Phase
    timeframe: str
    actions: list[str]
    verifications: list[str]
    rollback: list[str]
    owner: str | None
    components: list[str]
    evidence: list[EvidenceDocument]


class PlaybookDocument(Origin):
    """What to do about a failure, step by step."""

    incident: PlaybookIncidentDocument
    estimated_recovery_time: float | None = Field(description="Seconds.")
    estimated_recovery_time_reason: str | None
    steps: list[PlaybookStepDocument]
    generator: str
