"""Documents about the catalog."""

from __future__ import annotations

from pydantic import Field

from agentguard.catalog.drift import Aspect
from agentguard.catalog.matching import Standing
from agentguard.catalog.model import Criticality, EntryKind
from agentguard.catalog.presence import PresenceState
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.web.schemas.common import Document, EvidenceDocument, Origin, Time


class CatalogSummary(Document):
    """The catalog that was compared."""

    origin: str
    entries: int
    currency: str | None
    notes: list[str]


class PlaceDocument(Document):
    """A line of a catalog file."""

    origin: str
    line: int | None


class CatalogEntryDocument(PlaceDocument):
    """An entry of the catalog."""

    declares: EntryKind
    id: str | None
    name: str | None
    aliases: list[str]
    environment: str | None
    owner: str | None
    criticality: Criticality | None
    value_per_run: float | None
    also: list[PlaceDocument] = Field(description="Other places that declare the same.")


class EntryPresenceDocument(CatalogEntryDocument):
    """Whether an entry was seen."""

    state: PresenceState
    reason: str
    components: list[str]
    first_seen: Time | None
    last_seen: Time | None


class CatalogMatchDocument(Document):
    """The catalog entry of a component, if it has one."""

    id: str
    name: str
    kind: ComponentKind
    standing: Standing
    reason: str
    entry: CatalogEntryDocument | None
    first_seen: Time | None
    last_seen: Time | None
    evidence: list[EvidenceDocument]


class WorkflowEntryDocument(Document):
    """The catalog entry of a workflow."""

    id: str
    entry: CatalogEntryDocument


class ExtraDependencyDocument(Document):
    """A dependency that was seen but not declared."""

    id: str
    name: str
    kind: ComponentKind
    used_by: str
    type: DependencyType
    calls: int
    first_seen: Time | None
    last_seen: Time | None
    evidence: list[EvidenceDocument]


class OwnerDocument(Document):
    """An owner and where it is declared."""

    owner: str
    place: str


class DriftDocument(Document):
    """A difference between what an entry declares and what was seen."""

    entry: CatalogEntryDocument
    aspect: Aspect
    reason: str
    components: list[str]
    missing: list[str]
    extra: list[ExtraDependencyDocument]
    owners: list[OwnerDocument]


class CatalogDocument(Origin):
    """What is declared compared with what was seen."""

    catalog: CatalogSummary | None
    note: str | None
    components: list[CatalogMatchDocument]
    workflows: list[WorkflowEntryDocument]
    shadow_agents: list[str]
    unidentified_agents: list[str]
    ambiguous: list[str]
    entries: list[EntryPresenceDocument]
    not_seen: list[EntryPresenceDocument]
    ghosts: list[EntryPresenceDocument]
    drift: list[DriftDocument]
    days_observed: int
    ghost_days: int
