"""Calls of a trace with settled roles, found by following parents one object at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.discovery.naming import Identity, clean, identity, is_service_name, own_name
from benchmarks.baseline.trace import Node, Trace

HOLDERS = (
    Role.AGENT,
    Role.TOOL,
    Role.MCP_CLIENT,
    Role.MCP_SERVER,
    Role.SERVER,
    Role.CONSUMER,
    Role.WORKFLOW,
)
ENTRANCES = (Role.SERVER, Role.CONSUMER)
TOOLS = (Role.TOOL, Role.MCP_CLIENT, Role.MCP_SERVER)
ENTRIES = (Role.AGENT, Role.WORKFLOW, Role.SERVER, Role.CONSUMER, Role.TOOL, Role.MCP_SERVER)
KIND = {
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
USE = {
    Role.AGENT: DependencyType.DELEGATES,
    Role.TOOL: DependencyType.USES_TOOL,
    Role.MODEL: DependencyType.CALLS_MODEL,
    Role.MCP_CLIENT: DependencyType.USES_TOOL,
    Role.MCP_SERVER: DependencyType.USES_TOOL,
    Role.DATASTORE: DependencyType.USES_DATASTORE,
    Role.CLIENT: DependencyType.HTTP,
    Role.SERVER: DependencyType.HTTP,
    Role.CONSUMER: DependencyType.MESSAGING,
    Role.PRODUCER: DependencyType.MESSAGING,
}


@dataclass(eq=False, slots=True)
class Call:
    """One invocation, or an observation without a call."""

    trace_id: bytes
    span_id: bytes
    component: Identity
    failed: bool
    start: int
    duration: int
    input_tokens: int
    output_tokens: int
    ran: bool
    source: Call | None = None
    type: DependencyType | None = None
    entry: Identity | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A call started by a span of another trace, which is named here."""

    call: Call
    to: tuple[bytes, bytes]
    messaging: bool


@dataclass(slots=True)
class Caller:
    """Where following the parents of a node ended."""

    source: Node | None
    type: DependencyType | None = None
    pending: Node | None = None


def _holder(node: Node) -> Node | None:
    at = node.nearest(*HOLDERS)
    if node.role in (Role.MODEL, Role.TOOL):
        running = at
        while running is not None and _had_ended(running, node):
            running = _holder(running)
        at = running if running is not None and running.end >= node.start else at
    return at


def _had_ended(run: Node, node: Node) -> bool:
    """Return whether an agent run in the same service had ended when the node started."""
    here = run.role is Role.AGENT and run.classification.service == node.classification.service
    return here and node.start >= run.end > run.start


def calls_of(
    trace: Trace, dialects: Dialects
) -> tuple[list[Call], dict[tuple[bytes, bytes], Call], list[Link]]:
    """Return the calls, the targets of links with the calls that contain them, and linked calls."""
    passages = set(_passages(trace))
    callers = {node: _caller(node, trace, passages) for node in trace.nodes}
    chosen = [node for node in trace.nodes if node.role in KIND and node not in passages]
    primary = {node: _call(node, _who(node)) for node in chosen}
    for node, call in primary.items():
        call.source = primary.get(source) if (source := callers[node].source) else None
        call.type = (callers[node].type or USE.get(node.role)) if call.source else None
    _mark_entry(primary, dialects)
    others = [*_server_calls(trace, callers, primary), *_unmet_calls(trace, primary)]
    holders = {node: node if node.role in HOLDERS else _holder(node) for node in trace.nodes}
    ends = {
        (trace.id, node.span.span_id): primary[holder]
        for node, holder in holders.items()
        if holder in primary
    }
    return [*primary.values(), *others], ends, list(_links(trace, callers, primary))


def _passages(trace: Trace) -> Iterator[Node]:
    """Return the consumers that only pass messages on to agents."""
    held: dict[Node, set[bool]] = {}
    for node in trace.nodes:
        holder = _holder(node)
        if holder and node.stands and node.role is not Role.CONSUMER:
            held.setdefault(holder, set()).add(node.role is Role.AGENT)
    return (
        node for node, agents in held.items() if node.role is Role.CONSUMER and agents == {True}
    )


def _caller(node: Node, trace: Trace, passages: set[Node]) -> Caller:
    if node in trace.handoffs:
        return Caller(trace.handoffs[node][0], DependencyType.HANDOFF)
    if node.role is Role.AGENT:
        return _caller_of_agent(node, passages)
    if node.role in ENTRANCES:
        return Caller(node.nearest(*ENTRANCES) or _holder(node))
    return Caller(_holder(node))


def _caller_of_agent(node: Node, passages: set[Node]) -> Caller:
    """Follow parents through tools and at most one server span of another service."""
    at, crossed, kind = _holder(node), False, None
    while at is not None:
        door = at.role in ENTRANCES and not crossed and _holder(at) is not None
        if not (door or at.role in TOOLS):
            break
        if door and at.role is Role.CONSUMER:
            kind = DependencyType.MESSAGING
        crossed |= door
        at = _holder(at)
    pending = at if at is not None and at.role is Role.CONSUMER and not crossed else None
    if pending in passages:
        at = None
    if at is not None and at.role is Role.WORKFLOW:
        kind = DependencyType.STARTS
    return Caller(at, kind, pending)


def _call(node: Node, who: Identity, *, ran: bool = True) -> Call:
    is_model = node.role is Role.MODEL
    return Call(
        trace_id=node.span.trace_id,
        span_id=node.span.span_id,
        component=who,
        failed=node.failed,
        start=node.start,
        duration=node.end - node.start,
        input_tokens=node.input_tokens if is_model else 0,
        output_tokens=node.output_tokens if is_model else 0,
        ran=ran and node.role is not Role.SETUP,
    )


def _who(node: Node) -> Identity:
    placed = node.given is not None or node.server is not None
    if node.role in ENTRANCES and not placed:
        return _identity(node.role, clean(node.classification.service), None, node.classification)
    return _identity(
        node.role, node.name, clean(node.server), node.classification, level=node.level
    )


def _identity(
    role: Role,
    name: str | None,
    server: str | None,
    classification: Classification,
    *,
    level: int = 0,
) -> Identity:
    if name:
        return identity(
            KIND[role],
            name,
            environment=classification.environment,
            server=server,
            service=_service(classification) if role is Role.TOOL else None,
        )
    place = (
        f"{classification.service} {clean(classification.span_name) or ''}".strip()
        if role is not Role.MODEL
        else ""
    )
    place += f" (level {level + 1})" if level else ""
    return identity(
        KIND[role],
        place or "(unnamed)",
        environment=classification.environment,
        server=server,
        identified=False,
    )


def _service(classification: Classification) -> str | None:
    """Return the service as part of an id; None if nobody has named it."""
    name = clean(classification.service) if is_service_name(classification.service) else None
    return None if name is None else name.replace("/", "%2f")


def _server_calls(
    trace: Trace, callers: dict[Node, Caller], primary: dict[Node, Call]
) -> Iterator[Call]:
    for node in trace.of(Role.MCP_CLIENT, Role.MCP_SERVER):
        if node.server:
            name = clean(node.server) or "(unnamed)"
            call = _call(
                node,
                identity(
                    ComponentKind.MCP_SERVER, name, environment=node.classification.environment
                ),
            )
            call.source = primary.get(source) if (source := callers[node].source) else None
            call.type = DependencyType.CALLS_MCP if call.source else None
            yield call


def _unmet_calls(trace: Trace, primary: dict[Node, Call]) -> Iterator[Call]:
    for marker, giver in trace.unmet:
        call = _call(
            marker,
            _identity(Role.AGENT, marker.classification.target, None, marker.classification),
            ran=False,
        )
        call.source = primary.get(giver)
        call.type = DependencyType.HANDOFF if call.source else None
        yield call


def _mark_entry(primary: dict[Node, Call], dialects: Dialects) -> None:
    tops = [
        node
        for node, call in primary.items()
        if call.source is None and node.parent is None and node.role in ENTRIES
    ]
    free = [node for node in tops if not (node.stands_in and node.orphan)]
    if not free:
        return
    node = min(free, key=lambda n: (n.orphan, n.start, n.row))
    classification, serves = node.classification, node.role in ENTRANCES
    if serves and any(pattern.found(classification.span_name) for pattern in dialects.housekeeping):
        return
    name = clean(classification.span_name) if serves else node.name
    name = name or clean(classification.span_name) or "(unnamed)"
    primary[node].entry = identity(
        ComponentKind.WORKFLOW,
        name,
        environment=classification.environment,
        service=_service(classification) if serves or own_name(name) is None else None,
    )


def _links(trace: Trace, callers: dict[Node, Caller], primary: dict[Node, Call]) -> Iterable[Link]:
    for node in trace.nodes:
        if not (node.span.links and node.is_root):
            continue
        started = [node, *(n for n, caller in callers.items() if caller.pending is node)]
        target = node.span.links[0]
        for each in started:
            if each in primary:
                yield Link(primary[each], (target[:16], target[16:]), node.role is Role.CONSUMER)
