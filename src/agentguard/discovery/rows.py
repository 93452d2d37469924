"""Which spans become rows of calls, and which rows stand for what no span shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.ownership import Owners
from agentguard.discovery.partial import I64, Mask
from agentguard.discovery.services import DOORS, named, tells_peer
from agentguard.discovery.span_state import SpanState

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
"""What the spans of each role are; those of others are no components."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Spans in the order of their rows: unseen, primary, mcp, told only, and unseen again."""

    unseen: I64
    """Servers without a known caller and consumers that name who is at the other end. No span shows
    that component: it has the first of the two rows, the second is its call of this server, or its
    delivery to this consumer.
    """
    primary: I64
    mcp: I64
    """MCP servers of calls."""
    told_only: I64
    """Spans that tell of calls whose callees have no span."""
    tellers: I64
    """The agents' runs that made these calls."""
    row_of: I64
    """(spans,) → primary row; -1: none"""
    known_costs: NDArray[np.float64]
    """(spans,)"""

    @property
    def spans(self) -> I64:
        return np.concatenate([self.unseen, self.primary, self.mcp, self.told_only, self.unseen])

    @property
    def main(self) -> slice:
        """Where the primary rows stand."""
        return slice(len(self.unseen), len(self.unseen) + len(self.primary))

    @property
    def told(self) -> slice:
        """Where the calls by unseen components stand."""
        return slice(len(self.spans) - len(self.unseen), len(self.spans))

    @property
    def shown(self) -> Mask:
        """Whether the row's own span shows the call itself."""
        shown = np.ones(len(self.spans), np.bool_)
        shown[: len(self.unseen)] = False
        shown[self.main.stop + len(self.mcp) : self.told.start] = False
        return shown

    @property
    def nobody(self) -> I64:
        """No caller for each unseen component."""
        return np.full(len(self.unseen), -1, np.int64)

    @property
    def ran(self) -> Mask:
        """Whether rows are invocations: those of spans and of their MCP servers."""
        ran = np.zeros(len(self.spans), np.bool_)
        ran[self.main.start : self.main.stop + len(self.mcp)] = True
        return ran

    @property
    def costs(self) -> NDArray[np.float64]:
        return self.known_costs[self.spans]


def nameless(s: SpanState, who: Owners) -> Mask:
    """Calls of a model that nothing names, made by nobody known.

    They are counted, but no component.
    """
    told = np.array([r.name is not None for r in s.readings.readings], np.bool_)[s.readings.shape]
    told[list(s.given)] = True
    found: Mask = (s.role == Role.MODEL) & ~told & (who.source < 0)
    return found


def chosen_rows(s: SpanState, who: Owners) -> Rows:
    """Choose the rows: callers before callees, then by time.

    A server whose resource names no service has none.
    """
    doors = np.isin(s.role, DOORS)
    spans = np.flatnonzero(
        np.isin(s.role, list(COMPONENT)) & ~who.passage & ~(doors & ~named(s)) & ~nameless(s, who)
    )
    primary = spans[np.lexsort((spans, s.start[spans], who.depth[spans]))]
    telling = doors[primary] & tells_peer(s)[primary]
    unseen = primary[telling & ((s.role[primary] == Role.CONSUMER) | (who.source[primary] < 0))]
    row_of = np.full(len(s.role), -1, np.int64)
    row_of[primary] = np.arange(len(unseen), len(unseen) + len(primary))
    mcp = np.array(
        [row for row in s.rows(Role.MCP_CLIENT, Role.MCP_SERVER).tolist() if s.server.get(row)],
        np.int64,
    )
    told_only = np.array([(call.row, call.caller) for call in s.unseen], np.int64).reshape(
        len(s.unseen), 2
    )
    costs = s.tree.spans.column("cost_usd").to_numpy(zero_copy_only=False).astype(np.float64)
    costs = np.pad(costs, (0, len(s.role) - len(costs)), constant_values=np.nan)
    return Rows(unseen, primary, mcp, told_only[:, 0], told_only[:, 1], row_of, costs)
