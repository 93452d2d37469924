"""Documents about stored simulations."""

from __future__ import annotations

from pydantic import Field

from agentguard.discovery.kinds import ComponentKind
from agentguard.simulation.model import Method
from agentguard.simulation.severities import Severity
from agentguard.simulation.storage.documents import RepeatState
from agentguard.web.schemas.common import Document, Time
from agentguard.web.schemas.simulation import SimulationDocument, ThresholdsDocument


class SimulationRecordDocument(Document):
    """A stored simulation, without its result."""

    id: str
    created_at: Time | None = Field(description="When it was stored.")
    created_by: str = Field(description="Id of the principal who made it first.")
    agentguard_version: str
    dataset: str
    graph_version: str
    failed_components: list[str]
    method: Method
    seed: int
    severity: Severity
    runs_lost: float
    runs_seen: int
    blast_radius_score: float


class SimulationsDocument(Document):
    """A page of stored simulations, newest first."""

    simulations: list[SimulationRecordDocument]
    next: str | None = Field(description="`before` of the next page; null after the last.")


class StoredRequestDocument(Document):
    """What fails and how, bound to the graph version."""

    wanted: list[str]
    groups: list[str]
    method: Method | None
    seed: int
    modes: list[str]
    dataset: str | None
    version: str | None
    window: list[int | None] | None


class StoredInputsDocument(Document):
    """When and from what a simulation was made."""

    created_at: Time | None
    created_by: str
    agentguard_version: str
    request: StoredRequestDocument = Field(
        description="`inputs` has the thresholds and the catalog's hash beside it."
    )


class RepeatDocument(Document):
    """What repeating a stored simulation gave."""

    state: RepeatState = Field(
        description="`identical`: the same document, bit for bit. `different`: another one."
        " `expired`: the graph version or its runs are no longer kept."
    )
    reason: str | None = Field(description="Why it is not identical; else null.")


class StoredSimulationDocument(SimulationDocument):
    """A stored simulation, repeated."""

    stored: StoredInputsDocument
    repeat: RepeatDocument


class ChangedInputDocument(Document):
    """An input that differs."""

    name: str
    a: str | float | list[str] | ThresholdsDocument | dict[str, str] | None
    b: str | float | list[str] | ThresholdsDocument | dict[str, str] | None


class ChangeDocument(Document):
    """A number in both simulations; null where it is unknown."""

    a: float | None
    b: float | None
    change: float | None = Field(description="b minus a.")


class SeverityChangeDocument(Document):
    """The severity in both simulations."""

    a: Severity
    b: Severity


class WorkflowChangeDocument(Document):
    """A workflow that loses runs in at least one of the simulations."""

    id: str
    name: str
    runs_seen: ChangeDocument
    runs_lost: ChangeDocument
    share_lost: ChangeDocument


class HitComponentDocument(Document):
    """A component that only one of the simulations hits."""

    id: str
    name: str
    kind: ComponentKind


class ComponentsChangeDocument(Document):
    """The components that the simulations hit."""

    only_in_a: list[HitComponentDocument]
    only_in_b: list[HitComponentDocument]
    in_both: int


class MoneyChangeDocument(ChangeDocument):
    """The value lost in both simulations."""

    currency_a: str | None
    currency_b: str | None
    reason: str | None = Field(description="Why there is no change; else null.")


class ComparisonDocument(Document):
    """What differs between two stored simulations."""

    a: SimulationRecordDocument
    b: SimulationRecordDocument
    inputs: list[ChangedInputDocument] = Field(description="Only those that differ.")
    severity: SeverityChangeDocument
    runs_lost: ChangeDocument
    runs_seen: ChangeDocument
    blast_radius_score: ChangeDocument
    workflows: list[WorkflowChangeDocument] = Field(description="The greatest change first.")
    components: ComponentsChangeDocument
    money: MoneyChangeDocument
