"""The dependency graph: components, dependencies, fallbacks, workflows, coverage.

An edge source → target says that the source depends on the target: failure travels from target to
source. All sequences are sorted, so equal graphs are equal values and give byte-identical JSON.
Times are nanoseconds since the Unix epoch (0 = unknown); durations are nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.traces.window import TimeWindow


class EvidenceReason(StrEnum):
    """Why this span was kept out of many."""

    SAMPLE = "sample"
    NEWEST = "newest"
    SLOWEST = "slowest"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One span behind a claim; ids as hex (or as written, where the source's ids are not hex)."""

    trace_id: str
    span_id: str
    time: int
    reason: EvidenceReason = EvidenceReason.SAMPLE


@dataclass(frozen=True, slots=True)
class Basis:
    """Why something is believed.

    The rule, the convention it rests on, and how sure that makes us (0 to 1).
    """

    rule: str
    convention: str
    confidence: float
    observations: int = 0
    """How many spans or calls agree."""


@dataclass(frozen=True, slots=True)
class Component:
    """A node.

    The id is a function of environment, kind and name (and, for an MCP tool, its server) alone.
    """

    id: str
    kind: ComponentKind
    name: str
    basis: Basis
    evidence: tuple[Evidence, ...]
    environment: str | None = None
    server: str | None = None
    identified: bool = True
    """False where spans show that it exists but nothing in them names it."""
    services: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    """Other names seen for it: case variants, dated model names."""
    response_models: tuple[str, ...] = ()
    """The names under which a model's server answered."""
    invocations: int = 0
    """How often it ran or was called, each attempt counted once."""
    errors: int = 0
    self_calls: int = 0
    self_latency: tuple[tuple[int, int], ...] = ()
    """Histogram of the durations of these, on the side that was called; see graph.latency."""
    input_tokens: int = 0
    output_tokens: int = 0
    duration: int = 0
    """Sum over the invocations whose duration is known."""
    timed: int = 0
    """How many these are."""
    latency: tuple[tuple[int, int], ...] = ()
    """Mergeable histogram of these durations; see graph.latency."""
    first_seen: int = 0
    last_seen: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    """Identifying attributes of a sample span, content excluded."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """An edge: source depends on target."""

    source: str
    target: str
    type: DependencyType
    basis: Basis
    evidence: tuple[Evidence, ...]
    via: str | None = None
    """The tool, MCP server, queue or protocol between the two, where there is one."""
    calls: int = 0
    """Attempts, failed ones included."""
    errors: int = 0
    """Attempts that failed from the caller's view."""
    absorbed: int = 0
    """Failed attempts after which the caller's run still succeeded."""
    propagated: int = 0
    """Failed attempts after which the caller's run failed too."""
    retries: int = 0
    """Attempts that repeat a failed one of the same caller's run."""
    source_runs: int = 0
    """Distinct runs of the source in which it made this call (compare with the source's
    invocations).
    """
    latency: tuple[tuple[int, int], ...] = ()
    """Mergeable histogram: (bucket, count); see graph.latency. Of the callee's own spans, else of
    the caller's.
    """
    client_latency: tuple[tuple[int, int], ...] = ()
    """The same calls by the caller's clock, where both halves are there: with the network and the
    queues between.
    """
    queue_delay: tuple[tuple[int, int], ...] = ()
    """From the end of sending a message to the start of its receipt; not told where clocks put the
    receipt first.
    """
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    first_seen: int = 0
    last_seen: int = 0


class FallbackMode(StrEnum):
    """Where the secondary was tried after the primary had failed."""

    SAME_RUN = "same_run"
    """In the owner's same run."""
    NEXT_RUN = "next_run"
    """In the owner's next run: the failed one was lost, and its work done again."""
    PASSED_ON = "passed_on"
    """By a message or handoff of the failing primary itself, to the owner's benefit."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Primary failed, and secondary, of the same sort, was then tried in its place."""

    owner: str
    primary: str
    secondary: str
    count: int
    rescued: int
    """How often the secondary succeeded."""
    evidence: tuple[Evidence, ...] = ()
    fallback_mode: FallbackMode = FallbackMode.SAME_RUN


@dataclass(frozen=True, slots=True)
class Workflow:
    """What starts runs: the unit in which users feel failure."""

    id: str
    name: str
    root_component: str
    """Id of the component that a run starts in: the workflow's own (kind workflow) where a span of
    its own starts the runs.
    """
    entry: str
    """Id of the first component that is neither a workflow nor a service: the entry itself, or what
    the entry calls first.
    """
    runs: int
    """Every start, also those inside another workflow's runs."""
    failed: int
    first_seen: int
    last_seen: int
    evidence: tuple[Evidence, ...] = ()
    nested: int = 0
    """Of the runs, how many were started inside another workflow's."""
    root: str = ""
    """The commonest name of its runs' root spans; empty where none was seen."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was read, and what could be made of it.

    The only part of a graph that depends on deliveries.
    """

    spans_read: int = 0
    spans: int = 0
    """Distinct spans after duplicates were dropped."""
    traces: int = 0
    duplicates: int = 0
    attributed: dict[str, int] = field(default_factory=dict)
    """Dialect → spans to which it gave a role."""
    unattributed: dict[str, int] = field(default_factory=dict)
    """Scope name → spans without any role."""
    orphans: int = 0
    """Spans whose parent never came, or would close a circle."""
    sampling: dict[str, int] = field(default_factory=dict)
    """What spans say of how they were sampled → spans; counts in a graph of sampled spans are
    counts of what was kept.
    """
    cardinality_limited: dict[str, int] = field(default_factory=dict)
    """Kind → names that were counted together as one component, "other", since there were too many.
    """
    late: int | None = None
    """Spans that came more than five minutes behind newer ones; None where the order of arrival is
    not known.
    """
    housekeeping: dict[str, int] = field(default_factory=dict)
    """Entry points taken for health checks and pollers, not workflows → how often they were
    entered.
    """
    parent_cycles: int = 0
    """Places at which parents that led round in a circle were cut."""
    unresolved_peers: int = 0
    unnamed_model_calls: int = 0
    """Calls of a model that nothing names, made by nobody known."""
    outside_window: int = 0
    """Spans read of traces that start outside the window asked for, duplicates included."""
    refused: dict[str, int] = field(default_factory=dict)
    """Reason → spans or records that could not be used."""
    first_seen: int = 0
    last_seen: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """What discovery found in a window of spans."""

    components: tuple[Component, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    asked: TimeWindow | None = None
    """The window of event time that was asked for; None: all that was read."""

    def component(self, component_id: str) -> Component | None:
        """The component with exactly this id, or None."""
        return next((c for c in self.components if c.id == component_id), None)
