"""Sides of calls between services, as partial results hold them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a call between services, as its span describes it; shared by many spans."""

    outgoing: bool
    """Whether it is the caller's side."""
    serving: bool
    """Whether the span is a server's or a consumer's."""
    service: str
    environment: str | None
    protocol: str
    """http, rpc, mcp, messaging; empty: unknown."""
    peers: tuple[str, ...]
    """The caller's names of the callee, or the names under which the callee was reached."""
    operation: str
    """Method, tool or procedure; empty: unknown."""
    path: str
    """Empty: unknown."""
    status: str
    """HTTP status; empty: unknown."""
    name: str
    """Name of the span, without ids."""


@dataclass(slots=True)
class OpenSides:
    """Sides of calls whose other side is not in their trace; arrays over n spans."""

    side: I64
    """(n,) code of the Side."""
    trace: U64
    """(n, 2) words of the trace id."""
    span: U64
    parent: U64
    """(n,) word of the recorded parent's id; 0: a root."""
    start: I64
    end: I64
    """(n,) equals the start where it is unknown."""
    failed: Mask
    correlation: U64
    """(n,) hash of the id that both sides record: of a message or a JSON-RPC request; 0: none."""
    row: I64
    """(n,) row of the span itself; -1: none."""
    holder: I64
    """(n,) callers: row of what made the call; -1: none."""
    server: I64
    """(n,) callers: row of the server or consumer above the call; -1: none."""
    started: I64
    """(k, 2) callees: span of these arrays, and the row of what the call started."""

    def __len__(self) -> int:
        return len(self.span)

    def moved(self, place: I64) -> OpenSides:
        """Return the sides after rows were moved: place[row], and place[-1] for -1."""
        started = np.stack([self.started[:, 0], place[self.started[:, 1]]], axis=1)
        rows = {name: place[getattr(self, name)] for name in ("row", "holder", "server")}
        return replace(self, started=started, **rows)

    def in_order(self) -> OpenSides:
        """Return the sides in an order that depends on the spans alone."""
        order = np.lexsort((self.parent, self.start, self.span, *self.trace.T))
        place = np.argsort(order)
        columns = {f.name: getattr(self, f.name)[order] for f in fields(self)[:-1]}
        started = np.stack([place[self.started[:, 0]], self.started[:, 1]], axis=1)
        by_place = np.lexsort((started[:, 1], started[:, 0]))
        return OpenSides(**columns, started=started[by_place])


def no_open_sides() -> OpenSides:
    """Return no sides of calls."""
    words, numbers = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    return OpenSides(
        side=numbers,
        trace=np.zeros((0, 2), np.uint64),
        span=words,
        parent=words,
        start=numbers,
        end=numbers,
        failed=np.zeros(0, np.bool_),
        correlation=words,
        row=numbers,
        holder=numbers,
        server=numbers,
        started=np.zeros((0, 2), np.int64),
    )


@dataclass(frozen=True, slots=True)
class WholeHop:
    """Calls from one service to another whose sides share a trace."""

    calls: int
    lead: int
    """Least start of the callee's span minus start of the caller's, ns."""
    lag: int
    """Greatest end of the callee's span minus end of the caller's, ns."""

    def __add__(self, other: WholeHop) -> WholeHop:
        return WholeHop(
            self.calls + other.calls, min(self.lead, other.lead), max(self.lag, other.lag)
        )
