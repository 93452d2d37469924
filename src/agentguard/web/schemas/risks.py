"""The findings on one component."""

from __future__ import annotations

from agentguard.web.schemas.analysis import (
    CycleDocument,
    FalseRedundancyDocument,
    RiskDocument,
    RunLoopDocument,
    SharedFateDocument,
    SPOFDocument,
)
from agentguard.web.schemas.common import Origin


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
