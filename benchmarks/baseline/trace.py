"""One trace as Python objects, with parents, without duplicates and without cycles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import Proof
from agentguard.ingest.spans import KIND_CONSUMER, KIND_SERVER
from benchmarks.baseline.spans import NO_PARENT, Span

PLAIN = (Role.NONE, Role.STEP, Role.SETUP)


@dataclass(slots=True)
class Given:
    """A role that a span has because of its position in the trace."""

    name: str | None
    rule: str
    proof: Proof


@dataclass(eq=False, slots=True)
class Node:
    """A span in its trace, while its role is being decided."""

    span: Span
    classification: Classification
    role: Role
    row: int
    failed: bool
    start: int
    end: int
    input_tokens: int
    output_tokens: int
    parent: Node | None = None
    orphan: bool = False
    """Its parent is missing."""
    is_root: bool = False
    """It names no parent."""
    given: Given | None = None
    server: str | None = None
    stands_in: bool = False
    """It represents its service, which has no own span here."""
    level: int = 0
    """For unnamed agents: the number of enclosing runs of unnamed agents."""

    @property
    def name(self) -> str | None:
        return self.given.name if self.given else self.classification.name

    @property
    def stands(self) -> bool:
        """Whether it has an own role."""
        return self.role not in PLAIN

    def above(self) -> Iterator[Node]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def nearest(self, *roles: Role) -> Node | None:
        """Return the nearest ancestor with one of the roles."""
        node = self.parent
        while node is not None and node.role not in roles:
            node = node.parent
        return node

    def top(self) -> Node | None:
        """Return the nearest ancestor with an own role."""
        node = self.parent
        while node is not None and node.role in PLAIN:
            node = node.parent
        return node


@dataclass(slots=True)
class Trace:
    """The spans of a trace, ordered by id, and what discovery found out about them."""

    id: bytes
    nodes: list[Node]
    duplicates: int
    handoffs: dict[Node, tuple[Node, str | None, Proof]] = field(default_factory=dict)
    """Receiver's run → (sender's run, via, proof)."""
    unmet: list[tuple[Node, Node]] = field(default_factory=list)
    """Handoffs whose receiver never ran: (marker, sender's run)."""

    def of(self, *roles: Role) -> list[Node]:
        return [node for node in self.nodes if node.role in roles]

    def tops(self) -> dict[Node, Node | None]:
        """Return each node's nearest ancestor that currently has an own role."""
        return {node: node.top() for node in self.nodes}


def by_time(nodes: Iterable[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: (node.start, node.row))


def half(span: Span) -> int:
    """Return 0 or 1: a client span and a server span may share an id."""
    return int(span.kind in (KIND_SERVER, KIND_CONSUMER))


def joined(trace_id: bytes, spans: Iterable[Span]) -> Trace:
    distinct: dict[tuple[int, int], Span] = {}
    count = 0
    for span in spans:
        count += 1
        distinct.setdefault((int.from_bytes(span.span_id, "little"), half(span)), span)
    nodes = [_node(span, row) for row, (_, span) in enumerate(sorted(distinct.items()))]
    _find_parents(nodes)
    _cut_cycles(nodes)
    return Trace(trace_id, nodes, count - len(nodes))


def _node(span: Span, row: int) -> Node:
    classification = span.classification
    failed = span.failed if classification.fails is None else classification.fails
    return Node(
        span,
        classification,
        classification.role,
        row,
        failed,
        span.start,
        span.end,
        span.input_tokens,
        span.output_tokens,
    )


def _find_parents(nodes: list[Node]) -> None:
    first: dict[bytes, Node] = {}
    twins = [
        (twin, node)
        for node in nodes
        if (twin := first.setdefault(node.span.span_id, node)) is not node
    ]
    for node in nodes:
        node.parent = first.get(node.span.parent_id)
    for client, server in twins:
        for child in nodes:
            same = child.span.resource == server.span.resource != client.span.resource
            if child.parent is client and same:
                child.parent = server
        server.parent = client
    for node in nodes:
        node.orphan = node.parent is None and node.span.parent_id != NO_PARENT
        node.is_root = node.parent is None and not node.orphan


def _cut_cycles(nodes: list[Node]) -> None:
    settled: set[Node] = set()
    for node in nodes:
        path: list[Node] = []
        at: Node | None = node
        while at is not None and at not in settled and at not in path:
            path.append(at)
            at = at.parent
        if at is not None and at in path:
            cut = min(path[path.index(at) :], key=lambda n: n.row)
            cut.parent, cut.orphan = None, True
        settled.update(path)
