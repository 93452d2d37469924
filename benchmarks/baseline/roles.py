"""Roles of the spans in one trace, found by loops.

Every rule of discovery, implemented again over objects.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from itertools import pairwise
from typing import TypeAlias

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import clean, is_agent_name, normalized
from agentguard.discovery.partial import Proof
from benchmarks.baseline.origins import find_origins
from benchmarks.baseline.trace import PLAIN, Given, Node, Trace, by_time

LEAVES = (Role.MODEL, Role.DATASTORE, Role.CLIENT, Role.PRODUCER, Role.MCP_CLIENT)
DOUBLED = (Role.AGENT, Role.TOOL, Role.MODEL)
Label: TypeAlias = tuple[int, str] | None
Pairs: TypeAlias = list[tuple[Node, Node]]


def settle(trace: Trace, hosts: frozenset[str]) -> None:
    """Decide every role. `hosts`: services known to run agents that have their own spans."""
    _adopt_bodies(trace)
    _act(trace)
    _agents_by_service(trace, hosts)
    _enter_services(trace)
    _pair_mcp(trace)
    halves = _pair_halves(trace)
    _drop_transport(trace)
    _set_unresolved_aside(trace)
    find_origins(trace, halves)
    _settle_workflows(trace)
    _unwrap_tools(trace)
    _drop_doubles(trace)
    _settle_delegations(trace)
    _tell_unnamed_apart(trace)
    _settle_handoffs(trace)


def _adopt_bodies(trace: Trace) -> None:
    waiting: dict[tuple[Node | None, str], list[Node]] = defaultdict(list)
    for node in by_time(n for n in trace.nodes if n.classification.body and n.parent):
        waiting[node.parent, normalized(node.classification.body or "")].append(node)
    if not waiting:
        return
    parents = {node.parent for node in trace.nodes}
    for agent in by_time(n for n in trace.of(Role.AGENT) if n not in parents):
        beside = waiting.get((agent.parent, normalized(agent.classification.name or "")), [])
        body = next((n for n in beside if agent.start <= n.start <= agent.end), None)
        if body is not None:
            beside.remove(body)
            body.parent = agent


def _act(trace: Trace) -> None:
    beside: dict[Node | None, list[Node]] = defaultdict(list)
    for node in by_time(
        n
        for n in trace.nodes
        if (n.classification.acting or n.classification.acting_follows) and n.parent
    ):
        beside[node.parent].append(node)
    for steps in beside.values():
        leader: Node | None = None
        for node in steps:
            acting = node.classification.acting
            if acting and (
                leader is None
                or leader.given is None
                or normalized(acting) != normalized(leader.given.name or "")
            ):
                leader = node
                node.role = Role.AGENT
                node.given = Given(acting, f"{node.classification.rule} (acting)", Proof.TEXT)
            elif leader is not None:
                node.parent = leader
                leader.end = max(leader.end, node.end)
                leader.failed |= node.failed


def _agents_by_service(trace: Trace, hosts: frozenset[str]) -> None:
    for node in trace.of(Role.NONE, Role.STEP, Role.SERVER, Role.WORKFLOW):
        service = node.classification.service
        enters = node.parent is None or node.parent.classification.service != service
        if enters and is_agent_name(service) and service not in hosts:
            node.role = Role.AGENT
            node.given = Given(clean(service), "service-name", Proof.SERVICE_NAME)


def _enter_services(trace: Trace) -> None:
    silent = [node for node in trace.of(Role.NONE) if node.classification.service]
    for node in silent:
        above = node.parent.classification.service if node.parent else ""
        if above and above != node.classification.service:
            node.role = Role.SERVER
            top = list(node.above())[-1]
            if top in silent:
                top.role = Role.SERVER


def _pair_mcp(trace: Trace) -> None:
    for node in trace.of(Role.MCP_SERVER):
        between: list[Node] = []
        above = node.parent
        while above is not None and above.role in (*PLAIN, Role.CLIENT, Role.SERVER):
            between.append(above)
            above = above.parent
        if above is not None and above.role is Role.MCP_CLIENT and above.server is None:
            for step in (*between, node):
                step.role = Role.STEP
            above.failed |= node.failed
            above.server = node.classification.service
            above.given = Given(node.name or above.name, node.classification.rule, Proof.ATTRIBUTE)
        else:
            node.server = node.classification.service
    for node in trace.of(Role.MCP_CLIENT):
        if node.server is None and node.classification.server:
            node.server = node.classification.server


def _pair_halves(trace: Trace) -> list[Node]:
    paired = []
    for node in trace.of(Role.SERVER, Role.AGENT):
        above = node.parent
        other = above is not None and above.classification.service != node.classification.service
        if above is not None and above.role is Role.CLIENT and (node.role is Role.SERVER or other):
            node.failed |= above.failed
            paired.append(above)
    for client in paired:
        client.role = Role.STEP
    return paired


def _set_unresolved_aside(trace: Trace) -> None:
    for node in trace.of(Role.CLIENT, Role.PRODUCER):
        if not node.name:
            node.role = Role.STEP


def _settle_workflows(trace: Trace) -> None:
    tops = trace.tops()
    for node in [n for n in trace.of(Role.WORKFLOW) if tops[n] is not None]:
        wrapper = tops[node]
        if (
            wrapper
            and wrapper.role is Role.AGENT
            and wrapper.parent is None
            and normalized(wrapper.name or "") == normalized(node.name or "-")
        ):
            wrapper.role = Role.WORKFLOW
        node.role = Role.STEP
    with_nodes = {
        root for node in trace.nodes if node.stands for root in deque(node.above(), maxlen=1)
    }
    for node in trace.of(Role.NONE, Role.STEP):
        if node.parent is None and not node.orphan and node in with_nodes:
            node.role = Role.WORKFLOW
            if not node.classification.name:
                node.given = Given(
                    clean(node.classification.span_name), "trace-root", Proof.STRUCTURE
                )


def _drop_transport(trace: Trace) -> None:
    while True:
        tops = trace.tops()
        carried = [
            n
            for n in trace.of(Role.CLIENT, Role.DATASTORE)
            if (top := tops[n]) and top.role in LEAVES
        ]
        if not carried:
            return
        for node in carried:
            node.role = Role.STEP


def _unwrap_tools(trace: Trace) -> None:
    tops = trace.tops()
    for node in trace.of(Role.MCP_CLIENT, Role.MCP_SERVER):
        wrapper = tops[node]
        if (
            wrapper
            and wrapper.role is Role.TOOL
            and normalized(wrapper.name or "") == normalized(node.name or "-")
        ):
            wrapper.role = Role.STEP
            node.failed |= wrapper.failed


def _label(node: Node) -> Label:
    return (
        (int(node.role if node.given else node.classification.role), normalized(node.name))
        if node.name
        else None
    )


def _drop_doubles(trace: Trace) -> None:
    labels = {node: _label(node) for node in trace.nodes}
    tops = trace.tops()
    same: Pairs = [
        (n, top) for n in trace.of(*DOUBLED) if (top := tops[n]) and _is_double(n, top, labels)
    ]
    tries = Counter(outer for _, outer in same)
    attempts = {outer for _, outer in same if tries[outer] > 1 and outer.role is Role.MODEL}
    for outer in attempts:
        outer.role = Role.STEP
    _fold([(inner, outer) for inner, outer in same if outer not in attempts])
    _fold(_beside(trace, labels))


def _is_double(inner: Node, outer: Node, labels: dict[Node, Label]) -> bool:
    if inner.role is not outer.role:
        return False
    unnamed = labels[inner] is None or labels[outer] is None
    return inner.role is Role.MODEL if unnamed else labels[inner] == labels[outer]


def _fold(pairs: Pairs) -> None:
    """Ignore the inner spans; their failures and tokens count for the outermost."""
    outer_of = dict(pairs)
    named = [
        (inner, outer) for inner, outer in pairs if outer.name is None and inner.name is not None
    ]
    for inner in outer_of:
        top = inner
        while top in outer_of:
            top = outer_of[top]
        top.failed |= inner.failed
        top.input_tokens = max(top.input_tokens, inner.input_tokens)
        top.output_tokens = max(top.output_tokens, inner.output_tokens)
    for inner, outer in named:
        outer.given = Given(inner.name, inner.classification.rule, Proof.ATTRIBUTE)
    for inner in outer_of:
        inner.role = Role.STEP


def _beside(trace: Trace, labels: dict[Node, Label]) -> Pairs:
    groups: dict[tuple[Node | None, Label], list[Node]] = defaultdict(list)
    tops = trace.tops()
    for node in by_time(trace.of(Role.TOOL, Role.MODEL)):
        if labels[node] is not None and node.parent:
            groups[tops[node], labels[node]].append(node)
    return [
        (second, first)
        for group in groups.values()
        for first, second in pairwise(group)
        if first.classification.scope != second.classification.scope
        and second.start < first.end
        and first.parent is second.parent
    ]


def _settle_delegations(trace: Trace) -> None:
    rows = trace.of(Role.DELEGATION)
    tops = trace.tops() if rows else {}
    agents = trace.of(Role.AGENT)
    for node in rows:
        target = node.classification.target
        behind = [a for a in agents if tops[a] is node]
        behind += [
            a
            for a in agents
            if tops[a] and tops[a] is tops[node] and a.start >= node.start and a.end <= node.end
        ]
        if not target or _named(behind, target):
            node.role = Role.TOOL
        else:
            node.role = Role.AGENT
            node.given = Given(target, node.classification.rule, Proof.TEXT)


def _named(nodes: Iterable[Node], name: str) -> bool:
    return any(normalized(node.name or "") == normalized(name) for node in nodes)


def _tell_unnamed_apart(trace: Trace) -> None:
    for node in trace.of(Role.AGENT):
        if not node.name:
            node.level = sum(above.role is Role.AGENT and not above.name for above in node.above())


def _settle_handoffs(trace: Trace) -> None:
    markers = trace.of(Role.HANDOFF)
    giver_of = {marker: marker.nearest(Role.AGENT) for marker in markers}
    waiting: dict[str, list[Node]] = defaultdict(list)
    for node in by_time(trace.of(Role.AGENT)):
        waiting[normalized(node.name or "")].append(node)
    for marker in by_time(markers):
        giver, target = giver_of[marker], marker.classification.target
        marker.role = Role.STEP
        if giver is None or not target:
            continue
        receivers = waiting[normalized(target)]
        receiver = next((n for n in receivers if n.start >= marker.start and n is not giver), None)
        if receiver is None:
            trace.unmet.append((marker, giver))
        else:
            receivers.remove(receiver)
            trace.handoffs[receiver] = (giver, marker.classification.name, Proof.SIBLING)
