"""The dependency graph: components, dependencies, fallbacks, workflows, coverage.

An edge source → target means that the source depends on the target: failure travels from target
to source. All sequences are sorted, so equal graphs are equal values and give byte-identical JSON.
Times are nanoseconds since the Unix epoch (0 = unknown); durations are nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.traces.window import TimeWindow


class EvidenceReason(StrEnum):
    """Why this span was chosen as evidence."""

    SAMPLE = "sample"
    NEWEST = "newest"
    SLOWEST = "slowest"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One span that supports a claim; ids are hex, or as written where the source's are not hex."""

    trace_id: str
    span_id: str
    time: int
    reason: EvidenceReason = EvidenceReason.SAMPLE


@dataclass(frozen=True, slots=True)
class Basis:
    """Why a claim is made: the rule, the convention behind it, and the confidence (0 to 1)."""

    rule: str
    convention: str
    confidence: float
    observations: int = 0
    """Number of spans or calls that support it."""


@dataclass(frozen=True, slots=True)
class Component:
    """A node; its id depends on environment, kind, name and (for an MCP tool) server alone."""

    id: str
    kind: ComponentKind
    name: str
    basis: Basis
    evidence: tuple[Evidence, ...]
    environment: str | None = None
    server: str | None = None
    identified: bool = True
    """False where spans show that it exists but do not name it."""
    services: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    """Other names seen for it: case variants, dated model names."""
    response_models: tuple[str, ...] = ()
    """The names under which a model's server answered."""
    invocations: int = 0
    """Number of times it ran or was called; each attempt counts once."""
    errors: int = 0
    self_calls: int = 0
    self_latency: tuple[tuple[int, int], ...] = ()
    """Histogram of the callee-side durations of the self calls; see graph.latency."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """Input tokens that the provider read from its cache. The conventions count them in
    `input_tokens` too; some instrumentations do not.
    """
    duration: int = 0
    """Sum over the invocations with a known duration."""
    timed: int = 0
    """Number of invocations with a known duration."""
    latency: tuple[tuple[int, int], ...] = ()
    """Mergeable histogram of the known durations; see graph.latency."""
    first_seen: int = 0
    last_seen: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    """Identifying attributes of a sample span, without content."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """An edge: source depends on target."""

    source: str
    target: str
    type: DependencyType
    basis: Basis
    evidence: tuple[Evidence, ...]
    via: str | None = None
    """The tool, MCP server, queue or protocol between source and target, if any."""
    calls: int = 0
    """Attempts, including failed ones."""
    errors: int = 0
    """Attempts that failed from the caller's view."""
    absorbed: int = 0
    """Failed attempts after which the caller's run still succeeded."""
    propagated: int = 0
    """Failed attempts after which the caller's run failed too."""
    waited_calls: int = 0
    """Calls that ended before the caller's run did."""
    passed_control_calls: int = 0
    """Calls that began after the caller's run had ended. Of the others, times tell neither."""
    retries: int = 0
    """Attempts that repeat a failed one of the same caller's run."""
    source_runs: int = 0
    """Distinct runs of the source with this call (compare with the source's invocations)."""
    latency: tuple[tuple[int, int], ...] = ()
    """Mergeable histogram of the callee's own spans, else of the caller's; see graph.latency."""
    client_latency: tuple[tuple[int, int], ...] = ()
    """The same calls as the caller measured them, network and queues included.

    Only calls with a client span and a server span.
    """
    queue_delay: tuple[tuple[int, int], ...] = ()
    """From the end of sending a message to the start of its receipt.

    Left out where the clocks put the receipt first.
    """
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """Input tokens that the provider read from its cache. The conventions count them in
    `input_tokens` too; some instrumentations do not.
    """
    cost_usd: float | None = None
    inferred: int = 0
    """Calls whose caller is in another trace, joined because ids, times and peer agree."""
    first_seen: int = 0
    last_seen: int = 0


@dataclass(frozen=True, slots=True)
class Hosting:
    """Where a component runs: an agent or tool in a service, a tool on an MCP server.

    No dependency: if the host fails, everything in it fails.
    """

    component: str
    host: str
    """Id. A service is a component only if it takes part in calls itself."""
    host_kind: ComponentKind
    host_name: str
    basis: Basis
    evidence: tuple[Evidence, ...]
    environment: str | None = None
    runs: int = 0
    """Invocations of the component there."""


class FallbackMode(StrEnum):
    """Where the secondary was tried after the primary failed."""

    SAME_RUN = "same_run"
    """In the owner's same run."""
    NEXT_RUN = "next_run"
    """In the owner's next run: the failed run was lost and its work repeated."""
    PASSED_ON = "passed_on"
    """By a message or handoff from the failing primary itself, on behalf of the owner."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """An observed fallback: the primary failed, and a secondary of the same kind was tried."""

    owner: str
    primary: str
    secondary: str
    count: int
    rescued: int
    """How often the secondary succeeded after the primary had failed."""
    evidence: tuple[Evidence, ...] = ()
    fallback_mode: FallbackMode = FallbackMode.SAME_RUN


@dataclass(frozen=True, slots=True)
class Workflow:
    """What starts a trace: the unit in which users experience failure."""

    id: str
    name: str
    root_component: str
    """Id of the component in which a run starts.

    It has kind workflow where a span of the workflow itself starts the runs.
    """
    entry: str
    """Id of the first component that does the work: neither a workflow nor a service.

    The root component itself, or the first component that it calls.
    """
    runs: int
    """All starts, including those inside another workflow's runs."""
    failed: int
    first_seen: int
    last_seen: int
    evidence: tuple[Evidence, ...] = ()
    stopped_by_guardrail: int = 0
    """Runs that did not fail, but ended at a guardrail or content filter."""
    waiting_for_person: int = 0
    """Runs that did not fail, but ended waiting for a person's answer or approval."""
    nested: int = 0
    """Number of the runs that started inside another workflow's runs."""
    root: str = ""
    """The commonest name of its runs' root spans; empty where none was seen."""


class BreakKind(StrEnum):
    """How the context of a call is lost."""

    SEPARATE_TRACES = "separate_traces"
    """The callee's span is the root of another trace."""
    CHANGED_TRACE_ID = "changed_trace_id"
    """The callee's span names the caller's as parent, but has another trace id."""
    MISSING_SPAN = "missing_span"
    """A span between both, in the trace of both, was never received."""
    NO_CLIENT_SPAN = "no_client_span"
    """A service is entered only while a component of another one runs, which records no call."""
    MISSING_PARENT = "missing_parent"
    """The parents of a service's spans were never received, and the caller is unknown."""


@dataclass(frozen=True, slots=True)
class BrokenCall:
    """One call whose context is lost: its two sides, as far as known."""

    caller: Evidence | None
    callee: Evidence
    inferred: bool
    """Whether the graph counts both sides as one call."""


@dataclass(frozen=True, slots=True)
class BrokenHop:
    """Calls from one service to another that should share a trace, but do not."""

    kind: BreakKind
    caller: str | None
    """Service; None: unknown."""
    callee: str
    protocol: str
    """http, rpc, mcp or messaging; empty: unknown."""
    operations: tuple[str, ...]
    """Names of the callee's spans, most frequent first."""
    agents: tuple[str, ...]
    """Ids of the agents that therefore appear at the root of a trace."""
    lost: int
    """Calls whose context is lost."""
    intact: int
    """Calls of the same hop with intact context: caller and callee share a trace."""
    inferred: int
    """Lost calls whose sides the graph joins."""
    agreed: tuple[str, ...]
    """What both sides of every lost call record alike: ids, operation, peer, times."""
    clock_offset: int
    """The callee's clock minus the caller's, ns, where it had to be estimated; else 0."""
    cause: str
    repair: str
    confidence: float
    """That the calls belong together."""
    calls: tuple[BrokenCall, ...]
    """The newest ones, at most a few."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was read and understood; the only part of a graph that depends on deliveries."""

    spans_read: int = 0
    spans: int = 0
    """Distinct spans, after deduplication."""
    traces: int = 0
    duplicates: int = 0
    attributed: dict[str, int] = field(default_factory=dict)
    """Dialect → spans that it gave a role."""
    unattributed: dict[str, int] = field(default_factory=dict)
    """Instrumentation scope → spans without a role."""
    orphans: int = 0
    """Spans whose parent is missing, or would close a cycle."""
    sampling: dict[str, int] = field(default_factory=dict)
    """How spans say they were sampled → spans; a graph of sampled spans counts sampled spans."""
    cardinality_limited: dict[str, int] = field(default_factory=dict)
    """Kind → names beyond the cardinality limit, counted together as one component "other"."""
    late: int | None = None
    """Spans that arrived over five minutes behind newer ones; None where the order is unknown."""
    housekeeping: dict[str, int] = field(default_factory=dict)
    """Entry points of health checks and pollers, which are no workflows → number of starts."""
    parent_cycles: int = 0
    """Cycles of parent links that were cut."""
    unresolved_peers: int = 0
    unnamed_model_calls: int = 0
    """Model calls that name neither the model nor a known caller."""
    model_calls_without_usage: int = 0
    """Model calls that succeeded, but give no number of tokens."""
    outside_window: int = 0
    """Spans read of traces outside the requested window, including duplicates. Of the live graph:
    spans of its window beyond AGENTGUARD_LIVE_MAX_SPANS.
    """
    refused: dict[str, int] = field(default_factory=dict)
    """Reason → spans or records that were rejected."""
    first_seen: int = 0
    last_seen: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """The dependency graph of a window of spans."""

    components: tuple[Component, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    broken_hops: tuple[BrokenHop, ...] = ()
    """Calls between services that should share a trace, but do not; most lost calls first."""
    runs_in: tuple[Hosting, ...] = ()
    asked: TimeWindow | None = None
    """The requested window of event time; None: everything that was read."""

    def component(self, component_id: str) -> Component | None:
        """Return the component with this exact id, or None."""
        return next((c for c in self.components if c.id == component_id), None)
