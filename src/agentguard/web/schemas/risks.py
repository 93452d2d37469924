"""The findings on one component, and the history of its risk."""

from __future__ import annotations

from pydantic import Field

from agentguard.web.schemas.analysis import (
    CycleDocument,
    FalseRedundancyDocument,
    RiskDocument,
    RunLoopDocument,
    SharedFateDocument,
    SPOFDocument,
)
from agentguard.web.schemas.common import Document, Origin, WindowDocument


class ComponentRiskDocument(Origin):
    """The risk of one component with its factors, and the findings that name it."""

    id: str
    risk: RiskDocument | None
    spof: SPOFDocument | None
    cycles: list[CycleDocument]
    shared_fates: list[SharedFateDocument]
    false_redundancies: list[FalseRedundancyDocument]
    run_loops: list[RunLoopDocument]
    risk_version: str
    risk_note: str | None
    share_of: str


class DependencyEndsDocument(Document):
    """A dependency."""

    source: str
    target: str


class DependencyChangesDocument(Document):
    """Dependencies of the component that differ from the version before."""

    total: int
    first: list[DependencyEndsDocument]


class RiskPointDocument(Document):
    """The risk in one version."""

    graph_version: str | None
    created_at: str | None
    window: WindowDocument
    present: bool = Field(description="Whether the version has the component.")
    score: float | None = Field(description="From 0 to 10; null: no risk of its own.")
    score_low: float | None
    score_high: float | None
    risk_version: str
    appeared: DependencyChangesDocument
    gone: DependencyChangesDocument


class RiskHistoryDocument(Document):
    """The risk of one component in the kept versions of a dataset, oldest first."""

    dataset: str
    id: str
    name: str
    points: list[RiskPointDocument]
