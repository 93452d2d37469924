"""The document of one trace."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agentguard.discovery.failing_path import TraceOutcome
from agentguard.discovery.kinds import ComponentKind
from agentguard.web.schemas.common import Document, Time


class SpanComponentDocument(Document):
    """The component that a span stands for."""

    id: str
    kind: ComponentKind
    name: str
    identified: bool = Field(description="False where spans show that it exists, but not its name.")


class SpanOwnerDocument(Document):
    """The component that made the call, and why."""

    span_id: str | None = Field(description="Its run; null where that is in another trace.")
    component: SpanComponentDocument
    type: str | None = Field(description="The type of the dependency.")
    via: str | None
    why: str


class SpanDocument(Document):
    """One span of a trace."""

    span_id: str
    parent_id: str | None
    parent: Literal["stored", "none", "missing", "cut"] = Field(
        description="`missing`: the parent is not stored. `cut`: the parents formed a cycle."
    )
    depth: int = Field(description="Stored spans above it.")
    name: str
    kind: str | None = Field(description="The span's kind; null where only the call is known.")
    service: str | None
    start: Time | None
    duration_ms: float | None
    failed: bool = Field(description="By its status, or as discovery infers it.")
    role: str | None = Field(description="What discovery took it for; null: nothing.")
    component: SpanComponentDocument | None
    owner: SpanOwnerDocument | None = Field(description="Null: nothing called it, or unknown.")
    url: str | None = Field(
        description="The span in a trace viewer, if AGENTGUARD_TRACE_URL is set."
    )


class TreeSpanDocument(SpanDocument):
    """A span in the tree."""

    on_failing_path: bool


class TraceDocument(Document):
    """A stored trace as a tree, and where it failed."""

    trace_id: str
    url: str | None
    source: Literal["spans", "runs"] = Field(
        description="`spans`: all of its stored spans. `runs`: the calls among the recorded runs of"
        " the graph version, because its spans are not stored."
    )
    dataset: str
    graph_version: str | None
    outcome: TraceOutcome = Field(
        description="`absorbed`: a call failed, the entry succeeded. `partly_failed`: a part that"
        " is not below the entry failed."
    )
    started_at: Time | None
    duration_ms: float | None
    entry: SpanDocument | None = Field(description="The root that started first.")
    entry_is_root: bool = Field(description="False where no root is stored.")
    failed_spans: int
    first_cause: SpanDocument | None = Field(description="The end of the failing path.")
    absorbed_by: SpanDocument | None = Field(
        description="What succeeded although a call below it failed."
    )
    failing_path: list[SpanDocument] = Field(
        description="From the top to the first cause; of a long path the first and last spans."
    )
    failing_path_length: int
    spans_total: int
    spans_shown: int
    duplicates: int = Field(description="Copies of spans with the same id, which count once.")
    missing_parents: int
    parent_cycles: int
    notes: list[str] = Field(description="What is missing, cut or left out, in sentences.")
    spans: list[TreeSpanDocument] = Field(
        description="In tree order: each parent before its children, siblings by start time."
    )
