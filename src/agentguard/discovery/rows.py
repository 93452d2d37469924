"""Selection of the spans that become rows of calls, and rows for components without spans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.ownership import Owners
from agentguard.discovery.partial import I64, Mask
from agentguard.discovery.services import SERVING_ROLES, has_peer_name, has_service_name
from agentguard.discovery.span_state import SpanState
from agentguard.discovery.usage import RULE as USAGE_RULE

COMPONENT = {
    Role.AGENT: ComponentKind.AGENT,
    Role.SETUP: ComponentKind.AGENT,
    Role.TOOL: ComponentKind.TOOL,
    Role.MODEL: ComponentKind.MODEL,
    Role.MCP_CLIENT: ComponentKind.TOOL,
    Role.MCP_SERVER: ComponentKind.TOOL,
    Role.DATASTORE: ComponentKind.DATASTORE,
    Role.CLIENT: ComponentKind.EXTERNAL,
    Role.SERVER: ComponentKind.SERVICE,
    Role.CONSUMER: ComponentKind.SERVICE,
    Role.PRODUCER: ComponentKind.QUEUE,
    Role.WORKFLOW: ComponentKind.WORKFLOW,
}
"""The component kind of each role; spans of other roles are not components."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Spans in row order: peers, primary, mcp, inferred, and the calls of the peers."""

    peers: I64
    """Servers without a known caller, and consumers, that name their peer. No span shows the peer:
    it gets the first of two rows; the second is its call of the server or its delivery to the
    consumer.
    """
    primary: I64
    mcp: I64
    """MCP servers of calls."""
    inferred: I64
    """Spans that are evidence of calls whose callees have no span."""
    inferred_callers: I64
    """The agent runs that made these calls."""
    with_usage: Mask
    """(inferred,) whether the span holds the usage of the call."""
    row_of: I64
    """(spans,) → primary row; -1: none."""
    known_costs: NDArray[np.float64]
    """(spans,) US dollars; NaN: unknown."""

    @property
    def spans(self) -> I64:
        return np.concatenate([self.peers, self.primary, self.mcp, self.inferred, self.peers])

    @property
    def primary_rows(self) -> slice:
        """Return the slice of the primary rows."""
        return slice(len(self.peers), len(self.peers) + len(self.primary))

    @property
    def peer_calls(self) -> slice:
        """Return the slice of the calls made by peers."""
        return slice(len(self.spans) - len(self.peers), len(self.spans))

    @property
    def inferred_rows(self) -> slice:
        """Return the slice of the inferred calls."""
        return slice(self.primary_rows.stop + len(self.mcp), self.peer_calls.start)

    @property
    def recorded(self) -> Mask:
        """Return whether the row's span records the call itself."""
        recorded = np.ones(len(self.spans), np.bool_)
        recorded[: len(self.peers)] = False
        recorded[self.inferred_rows] = False
        return recorded

    def answered(self, models: Mask) -> Mask:
        """Return whether the row's span holds the usage of a model call."""
        answered = models & self.recorded
        answered[self.inferred_rows] = self.with_usage
        return answered

    @property
    def no_callers(self) -> I64:
        """Return -1 (no caller) for each peer."""
        return np.full(len(self.peers), -1, np.int64)

    @property
    def ran(self) -> Mask:
        """Return whether rows are invocations: those of spans and of their MCP servers."""
        ran = np.zeros(len(self.spans), np.bool_)
        ran[self.primary_rows.start : self.primary_rows.stop + len(self.mcp)] = True
        return ran

    @property
    def costs(self) -> NDArray[np.float64]:
        return self.known_costs[self.spans]


def unnamed_model_calls(s: SpanState, ownership: Owners) -> Mask:
    """Return the model calls with neither a model name nor a known caller.

    They are counted, but are not components.
    """
    has_name = np.array([r.name is not None for r in s.classifications.by_shape], np.bool_)[
        s.classifications.shape
    ]
    has_name[list(s.assigned)] = True
    found: Mask = (s.role == Role.MODEL) & ~has_name & (ownership.source < 0)
    return found


def model_calls_without_usage(s: SpanState, ownership: Owners) -> Mask:
    """Return the model calls that succeeded, but give no number of tokens."""
    usage = np.maximum(s.tokens[0], s.tokens[1])
    found: Mask = (s.role == Role.MODEL) & ~ownership.relay & ~s.failed & (usage == 0)
    return found


def select_rows(s: SpanState, ownership: Owners) -> Rows:
    """Select the rows, callers before callees, then by time.

    A server span whose resource has no service name gets no row.
    """
    serving = np.isin(s.role, SERVING_ROLES)
    spans = np.flatnonzero(
        np.isin(s.role, list(COMPONENT))
        & ~ownership.relay
        & ~(serving & ~has_service_name(s))
        & ~unnamed_model_calls(s, ownership)
    )
    primary = spans[np.lexsort((spans, s.start[spans], ownership.depth[spans]))]
    with_peer = serving[primary] & has_peer_name(s)[primary]
    peers = primary[
        with_peer & ((s.role[primary] == Role.CONSUMER) | (ownership.source[primary] < 0))
    ]
    row_of = np.full(len(s.role), -1, np.int64)
    row_of[primary] = np.arange(len(peers), len(peers) + len(primary))
    mcp = _with_servers(s)
    inferred = np.array([(call.row, call.caller) for call in s.inferred_calls], np.int64).reshape(
        len(s.inferred_calls), 2
    )
    costs = s.tree.spans.column("cost_usd").to_numpy(zero_copy_only=False).astype(np.float64)
    costs = np.pad(costs, (0, len(s.role) - len(costs)), constant_values=np.nan)
    return Rows(peers, primary, mcp, inferred[:, 0], inferred[:, 1], _usage(s), row_of, costs)


def _with_servers(s: SpanState) -> I64:
    """Return the MCP calls whose server is known."""
    rows = s.rows(Role.MCP_CLIENT, Role.MCP_SERVER).tolist()
    return np.array([row for row in rows if s.server.get(row)], np.int64)


def _usage(s: SpanState) -> Mask:
    """Return for each inferred call whether its span holds the usage of the call."""
    return np.array([call.rule == USAGE_RULE for call in s.inferred_calls], np.bool_)
