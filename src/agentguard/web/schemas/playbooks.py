"""Documents about playbooks."""

from __future__ import annotations

from pydantic import Field

from agentguard.playbooks.model import Action, Phase
from agentguard.playbooks.refining import RefinementState
from agentguard.simulation.severities import Severity
from agentguard.web.schemas.common import Document, EvidenceDocument, Origin


class PlaybookIncidentDocument(Document):
    """The failure that a playbook is for."""

    title: str
    lost: str = Field(description="What is lost now, for whom, since when.")
    started_at: str | None
    summary: str
    failed_components: list[str]
    severity: Severity
    blast_radius_score: float
    impacted_components: list[str]
    impacted_workflows: list[str]
    graph_version: str | None


class PastUseDocument(Document):
    """What people said of this action in past incidents of the same failure."""

    helped: int = Field(description="Incidents in which it helped.")
    judged: int = Field(description="Incidents in which it helped or did not.")
    fell: int = Field(description="Of the judged incidents, those whose error share fell.")
    measured: int = Field(
        description="Of the judged incidents, those with an error share measured before and after."
    )
    incidents: list[str] = Field(description="Their ids, the newest first.")


class PlaybookStepDocument(Document):
    """One step of a playbook."""

    id: str
    action: Action
    title: str
    phase: Phase
    timeframe: str
    actions: list[str]
    verifications: list[str]
    rollback: list[str]
    details: list[str] = Field(description="Long lists behind the actions.")
    owner: str | None
    runbooks: list[str] = Field(description="URLs from the catalog.")
    components: list[str]
    evidence: list[EvidenceDocument]
    past: PastUseDocument | None = Field(description="Null: nobody has judged it.")


class RecoveryTimeDocument(Document):
    """How long past incidents took from opening to resolution.

    Those whose linked playbook has the same condition and the same failed components.
    """

    shortest_seconds: float
    longest_seconds: float
    recoveries: int
    incidents: list[str] = Field(description="Their ids, the newest first.")


class DeterministicVersionDocument(Document):
    """The playbook as it was before a language model phrased it."""

    generator: str
    summary: str
    steps: list[PlaybookStepDocument]


class RefinementDocument(Document):
    """How a language model was asked to phrase the playbook, and what came of it."""

    state: RefinementState
    reason: str | None = Field(description="Why the deterministic playbook stands.")
    problems: list[str] = Field(description="What was wrong with an answer.")
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None = Field(description="By the prices that are set; null without them.")
    latency_ms: float
    questions: int
    deterministic: DeterministicVersionDocument


class PlaybookDocument(Origin):
    """What to do about a failure, in at most seven steps."""

    incident: PlaybookIncidentDocument
    condition: str = Field(description="Name of the template.")
    estimated_recovery_time: RecoveryTimeDocument | None
    estimated_recovery_time_reason: str | None
    steps: list[PlaybookStepDocument]
    unknown: str | None = Field(description="All that is unknown, in one line.")
    generator: str
    refinement: RefinementDocument | None = Field(description="Null: no language model was asked.")
