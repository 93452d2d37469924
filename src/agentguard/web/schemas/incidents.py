"""Documents and requests about incidents."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from agentguard.discovery.kinds import ComponentKind
from agentguard.incidents.model import EventKind, Helped, Source
from agentguard.incidents.states import State
from agentguard.incidents.texts import (
    LONGEST_ID,
    LONGEST_NOTE,
    LONGEST_OWNER,
    LONGEST_TITLE,
    MOST_NAMED,
)
from agentguard.simulation.severities import Severity
from agentguard.web.schemas.common import Document, Share, Time
from agentguard.web.schemas.playbooks import PlaybookDocument
from agentguard.web.schemas.requests import RequestBody


class AffectedDocument(Document):
    """A component or workflow that is hit."""

    id: str
    name: str
    kind: ComponentKind | None = Field(description="Null where no graph tells it.")


class PlacedDocument(AffectedDocument):
    """The same, with whether it still exists."""

    in_newest_graph: bool | None = Field(
        description="In the newest graph of the incident's dataset; null without any graph."
    )


class IncidentRecordDocument(Document):
    """An incident, as lists show it."""

    id: str
    version: int = Field(description="Each change adds 1; the ETag names it.")
    title: str
    kind: str = Field(description="`simulated`, `reported`, or that of a detected condition.")
    source: Source
    state: State
    severity: Severity
    owner: str | None
    affected_first: AffectedDocument
    components_affected: int
    workflows_affected: int
    blast_radius_score: float | None = Field(description="Null: no simulation is linked.")
    opened_by: str = Field(description="Id of a principal.")
    opened_at: Time | None
    acknowledged_at: Time | None
    mitigated_at: Time | None
    resolved_at: Time | None
    reviewed_at: Time | None
    changed_at: Time | None
    merged_into: str | None = Field(description="Id of the incident that it is a duplicate of.")


class IncidentsDocument(Document):
    """A page of incidents, the last opened first."""

    incidents: list[IncidentRecordDocument]
    next: str | None = Field(description="`before` of the next page; null after the last.")


class IncidentWorkflowImpactDocument(Document):
    """What the simulation predicts for a workflow."""

    id: str
    name: str
    runs_seen: int
    runs_lost: float
    share_lost: Share


class IncidentImpactDocument(Document):
    """What the linked simulation predicts; nothing of it was measured."""

    answer: str
    severity_reason: str
    blast_radius_score: float
    runs_seen: int
    runs_lost: float
    workflows: list[IncidentWorkflowImpactDocument]


class IncidentLinksDocument(Document):
    """What belongs to the incident elsewhere."""

    dataset: str | None
    graph_version: str | None
    graph_version_kept: bool | None = Field(description="False: it was deleted since.")
    simulation: str | None
    simulation_kept: bool | None = Field(description="False: it was deleted since.")
    playbook: str | None = Field(description="Id of the job that wrote it.")


class AnchoredEntryDocument(Document):
    """An audit entry that a blockchain holds."""

    index: int
    action: str
    data_hash: str = Field(description="The hash of its leaf in the audit log.")
    tx_hash: str
    block: int


class IncidentProofDocument(Document):
    """The newest anchor that covers entries of the incident, and each anchored entry."""

    chain: str
    chain_id: int
    tx_hash: str
    block: int
    timestamp: Time | None
    contract: str
    entries: list[AnchoredEntryDocument]


class StepFeedbackDocument(Document):
    """What a person said of a step of the linked playbook; the newest for each step."""

    step: str | None = Field(description="Id of the step; null: the playbook as a whole.")
    helped: Helped
    by: str
    at: Time | None


class CallsDocument(Document):
    """Calls of the failing components in a window of the live spans."""

    since: Time | None
    until: Time | None
    calls: int
    failed: int
    error_share: float | None = Field(description="Null: nothing was called.")


class MeasuredRecoveryDocument(Document):
    """Calls before and after something was done about an incident."""

    components: list[str] = Field(description="Ids of those whose calls were counted.")
    before: CallsDocument
    after: CallsDocument
    fell: bool | None = Field(
        description="Whether the error share fell; null if a window has no calls."
    )


class IncidentDocument(IncidentRecordDocument):
    """An incident with everything except its timeline."""

    summary: str = Field(
        description="Two or three sentences: what is lost, what is hit, its state."
    )
    summary_model: str | None = Field(
        description="The language model in whose words it says what is lost; null: no model's."
    )
    next_states: list[State] = Field(description="Those that it can be moved to.")
    components: list[PlacedDocument]
    workflows: list[PlacedDocument]
    impact: IncidentImpactDocument | None
    impact_reason: str | None = Field(description="Why there is no impact; else null.")
    conditions: list[str] = Field(description="Keys of detected conditions.")
    duplicates: list[str] = Field(description="Ids of the incidents that were merged into it.")
    links: IncidentLinksDocument
    playbook: PlaybookDocument | None = Field(
        description="The linked playbook, as it was when it was linked."
    )
    feedback: list[StepFeedbackDocument]
    effectiveness_score: float | None = Field(
        description="Share of the judged steps that helped; null: none is judged."
    )
    measured_recovery: MeasuredRecoveryDocument | None = Field(
        description="Null: not measured yet; see `measure`."
    )
    audit_entries: list[int] = Field(description="Indexes in the audit log.")
    audit_entries_waiting: int = Field(description="Entries that have no index yet.")
    blockchain_proof: IncidentProofDocument | None
    blockchain_proof_reason: str | None = Field(
        description="Why there is no proof, or not of all entries; else null."
    )


class IncidentActorDocument(Document):
    """Who did it."""

    id: str
    kind: str


Fact: TypeAlias = str | int | float | bool | None
Detail: TypeAlias = Fact | list[str] | dict[str, Fact]


class IncidentEventDocument(Document):
    """One line of a timeline."""

    number: int = Field(description="The version of the incident that it led to.")
    time: Time | None
    actor: IncidentActorDocument
    kind: EventKind
    note: str | None = Field(description="What a person wrote.")
    details: dict[str, Detail] = Field(description="Facts, which depend on the kind.")


class IncidentEventsDocument(Document):
    """A page of a timeline, the oldest events first."""

    incident: str
    version: int
    events: list[IncidentEventDocument]
    next: int | None = Field(description="`after` of the next page; null after the last.")


class PostMortemDocument(Document):
    """A draft of a post-mortem."""

    incident: str
    version: int
    markdown: str


Named = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
Note = Annotated[str | None, Field(max_length=LONGEST_NOTE, description="For the timeline.")]
Owner = Annotated[
    str | None,
    Field(max_length=LONGEST_OWNER, description="A person or team.", examples=["team-payments"]),
]


class OpenIncidentRequest(RequestBody):
    """An incident to open: from a stored simulation, or as somebody reports it."""

    simulation: Annotated[
        str | None,
        Field(
            max_length=100,
            description="Id of a stored simulation, from which severity, impact, components and"
            " workflows are taken.",
        ),
    ] = None
    title: Annotated[
        str | None,
        Field(max_length=LONGEST_TITLE, description="Default with a simulation: what fails."),
    ] = None
    severity: Severity | None = Field(
        default=None, description="Required without a simulation, not allowed with one."
    )
    components: list[Named] = Field(
        default=[], max_length=MOST_NAMED, description="Ids or unique names."
    )
    workflows: list[Named] = Field(
        default=[], max_length=MOST_NAMED, description="Ids or unique names."
    )
    dataset: str | None = Field(
        default=None,
        description="Where names are looked up. Default: `live` where it has a graph, else the"
        " dataset last written. Without any graph, a name stands for itself.",
    )
    owner: Owner = None
    note: Note = None

    @model_validator(mode="after")
    def _one_source(self) -> OpenIncidentRequest:
        told = self.severity or self.components or self.workflows or self.dataset
        if self.simulation is not None and told:
            raise ValueError(
                "must not have severity, components, workflows or dataset beside a simulation,"
                " which says them"
            )
        if self.simulation is None and (self.title is None or self.severity is None):
            raise ValueError("must have title and severity, or a simulation")
        return self


class TransitionRequest(RequestBody):
    """Where an incident is moved."""

    to: State = Field(description="`open` reopens it.")
    note: Note = None


class NoteRequest(RequestBody):
    """What a person adds to the timeline."""

    note: Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE)]


class FeedbackRequest(RequestBody):
    """Whether a step of the linked playbook helped."""

    helped: Helped
    step: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="Id or number of the step; null: the playbook as a whole."
    )
    note: Note = None


class AssignRequest(RequestBody):
    """Who is responsible."""

    owner: Owner


class SeverityRequest(RequestBody):
    """How severe it is."""

    severity: Severity
    note: Note = None


class MergeRequest(RequestBody):
    """The incident that remains."""

    into: Annotated[str, Field(max_length=100, description="Id of an active incident.")]


class LinkRequest(RequestBody):
    """What is linked: one of both."""

    simulation: Annotated[str | None, Field(max_length=100)] = None
    playbook: Annotated[
        str | None, Field(max_length=100, description="Id of the finished job that wrote it.")
    ] = None

    @model_validator(mode="after")
    def _one(self) -> LinkRequest:
        if (self.simulation is None) is (self.playbook is None):
            raise ValueError("must have either simulation or playbook")
        return self


class IncidentsEvent(Document):
    """Data of the event `incidents`: an incident was opened, changed or deleted."""

    incidents: int = Field(description="Stored ones, merged duplicates too.")
    changed_at: Time | None = Field(description="Of the last change; null without incidents.")
