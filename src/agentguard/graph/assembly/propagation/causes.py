"""Why the context of a call is lost, and how to repair it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from agentguard.discovery.call_sides import Side, WholeHop
from agentguard.discovery.sides import HTTP, MCP, MESSAGING, RPC
from agentguard.graph.model import BreakKind


@dataclass(frozen=True, slots=True)
class WholeCalls:
    """Calls between services whose sides share a trace."""

    between: Mapping[tuple[str, str], Mapping[str, int]]
    """(Caller, callee) → protocol → calls."""
    senders: frozenset[tuple[str, str]]
    """(Caller, protocol)."""
    readers: frozenset[tuple[str, str]]
    """(Callee, protocol)."""

    @classmethod
    def of(cls, hops: Mapping[tuple[Side, Side], WholeHop]) -> WholeCalls:
        between = defaultdict[tuple[str, str], Counter[str]](Counter)
        for (caller, callee), hop in hops.items():
            between[caller.service, callee.service][caller.protocol] += hop.calls
        return cls(
            between,
            frozenset((caller.service, caller.protocol) for caller, _ in hops),
            frozenset((callee.service, callee.protocol) for _, callee in hops),
        )


@dataclass(frozen=True, slots=True)
class Loss:
    """Calls from one service to another whose context is lost."""

    kind: BreakKind
    caller: str
    callee: str
    protocol: str
    serving: bool
    """Whether the callee's spans are spans of a server or a consumer."""
    lost: int
    whole: WholeCalls
    component: str = ""
    """Name of the tool or agent that makes the calls, if known."""

    @property
    def intact(self) -> int:
        """Return how many calls of this hop kept their context."""
        calls = self.whole.between.get((self.caller, self.callee), {})
        return calls.get(self.protocol, 0) if self.protocol else sum(calls.values())

    @property
    def caller_sends(self) -> bool:
        """Return whether the caller's context reaches any other service."""
        return (self.caller, self.protocol) in self.whole.senders

    @property
    def callee_reads(self) -> bool:
        """Return whether the callee continues the trace of any other caller."""
        return (self.callee, self.protocol) in self.whole.readers


@dataclass(frozen=True, slots=True)
class _Advice:
    """Texts with the names of `_Words`."""

    cause: str
    repair: str


@dataclass(frozen=True, slots=True)
class _Words:
    carrier: str = "the trace context (`traceparent`)"
    client: str = "client"
    server: str = "server"


_WORDS = {
    HTTP: _Words("the header `traceparent`", "HTTP client", "HTTP server"),
    RPC: _Words("`traceparent` in the call's metadata", "RPC client", "RPC server"),
    MCP: _Words("`traceparent` in the request's `_meta`", "MCP client", "MCP server"),
    MESSAGING: _Words(
        "`traceparent` in the message's headers or attributes",
        "library that sends its messages",
        "library that receives its messages",
    ),
}
_NO_SERVER_SPAN = _Advice(
    "The first spans of {callee} are not spans of a server or a consumer, so nothing in it reads"
    " the context of the caller.",
    "Instrument the {server} of {callee}, or extract {carrier} before its first span starts.",
)
_SOMETIMES = _Advice(
    "{intact:,} of {calls:,} calls of this hop keep their context, so both sides can pass it on."
    " The others come from a code path that does not send {carrier}, or reach an instance that does"
    " not read it.",
    "Compare the calls listed here with calls whose sides share a trace. In {caller}, look for a"
    " client created before instrumentation and for threads or tasks started without the current"
    " context; in {callee}, for instances of another version.",
)
_NOT_SENT = _Advice(
    "{callee} continues the traces of other callers, so {caller} does not send {carrier}.",
    "Instrument the {client} of {caller}, or inject the current context into {carrier}. Make sure"
    " that none of its own code replaces the headers.",
)
_NOT_READ = _Advice(
    "{caller} sends the context to other services, so {callee} does not read {carrier}, or"
    " something between the two removes it.",
    "Instrument the {server} of {callee} so that it extracts {carrier}; let proxies and brokers"
    " forward it. Set the same OTEL_PROPAGATORS on both sides.",
)
_EITHER = _Advice(
    "No other call shows which side is at fault: {caller} does not send {carrier}, {callee} does"
    " not read it, or something between the two removes it.",
    "Check whether {carrier} arrives at {callee}. If not, instrument the {client} of {caller}, or"
    " inject the context; if it does, instrument the {server} of {callee}. Set the same"
    " OTEL_PROPAGATORS on both sides.",
)
_CHANGED = _Advice(
    "The spans of {callee} name a span of {caller} as their parent, but have another trace id:"
    " something between the two starts a new trace and keeps the parent.",
    "Configure gateways and proxies between {caller} and {callee} to forward {carrier} unchanged.",
)
_MISSING_SPAN = _Advice(
    "The parent of the spans of {callee} was not received. Something between {caller} and {callee},"
    " such as a proxy, a gateway or a service mesh, starts spans but does not export them here, or"
    " its spans were dropped.",
    "Export the spans of what is in between to the same place, or turn off its tracing so that it"
    " forwards {carrier} unchanged.",
)
_NO_CLIENT_SPAN = _Advice(
    "{callee} is only entered while {component} of {caller} runs, which has no span of a call: its"
    " {client} is not instrumented, so it sends no trace context.",
    "Instrument the {client} of {caller}, or inject the current context into {carrier} of the calls"
    " that {component} makes.",
)
_NO_CALLER_SPANS = _Advice(
    "The spans of the caller were not received: the caller of {callee} exports them elsewhere or"
    " not at all, makes its own sampling decision, or had not ended its spans when these were"
    " read.",
    "Export the spans of the callers of {callee} to the same place, and use parent-based sampling"
    " in all services.",
)
_OWN_SPANS_MISSING = _Advice(
    "Spans of {callee} itself were not received: they had not ended when the window ended, the"
    " process exited before exporting them, or its exporter dropped them.",
    "Shut down the tracer provider of {callee} before its process exits, and check whether its"
    " exporter reports dropped spans (OTEL_BSP_MAX_QUEUE_SIZE).",
)


def cause_and_repair(loss: Loss) -> tuple[str, str]:
    """Return the likely cause, and what to do about it."""
    advice, words = _advice(loss), _WORDS.get(loss.protocol, _Words())
    names: dict[str, object] = {
        "caller": loss.caller,
        "callee": loss.callee,
        "component": loss.component,
        "carrier": words.carrier,
        "client": words.client,
        "server": words.server,
        "intact": loss.intact,
        "calls": loss.intact + loss.lost,
    }
    return advice.cause.format_map(names), advice.repair.format_map(names)


def _advice(loss: Loss) -> _Advice:
    match loss.kind:
        case BreakKind.CHANGED_TRACE_ID:
            return _CHANGED
        case BreakKind.MISSING_SPAN:
            return _MISSING_SPAN
        case BreakKind.NO_CLIENT_SPAN:
            return _NO_CLIENT_SPAN
        case BreakKind.MISSING_PARENT:
            return _NO_CALLER_SPANS if loss.serving else _OWN_SPANS_MISSING
        case BreakKind.SEPARATE_TRACES:
            return _separated(loss)
        case _ as never:
            assert_never(never)


def _separated(loss: Loss) -> _Advice:
    if not loss.serving:
        return _NO_SERVER_SPAN
    if loss.intact:
        return _SOMETIMES
    if loss.callee_reads:
        return _NOT_SENT
    return _NOT_READ if loss.caller_sends else _EITHER
