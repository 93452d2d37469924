"""What supports a claim: its statement, its count and its spans, from graphs and documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentguard.evidence.claims import Claim, ClaimKind
from agentguard.graph.assembly.evidence import SAMPLES
from agentguard.graph.documents import Document, evidence_document
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.model import Dependency, Evidence, Graph
from agentguard.graph.resolve import resolve
from agentguard.kernel.errors import NotFoundError

CHOSEN = (
    "One failed span, the slowest and the newest, where there are such, and a sample of at most"
    f" {SAMPLES} by a hash of their ids; each span once."
)
CITED = "Those that the document cites, each once."


class UnknownClaimError(NotFoundError):
    """Nothing that is stored makes this claim."""

    code = "unknown-claim"

    def __init__(self, claim: Claim, where: str) -> None:
        super().__init__(f"{where} does not make the claim {str(claim)!r}.")


@dataclass(frozen=True, slots=True)
class Supported:
    """A claim and what supports it."""

    statement: str
    total: int | None
    """How many spans, calls or runs support it in all; None where that is not counted."""
    counted: str | None
    """What `total` counts; see Statement in web.schemas.evidence."""
    chosen: str
    spans: Sequence[Document]
    """Evidence documents, one per span."""
    notes: tuple[str, ...] = ()
    """What is missing, in sentences."""


def supported_by_graph(graph: Graph, claim: Claim, links: TraceLinks) -> Supported:
    """Return what supports a claim about the graph, but for single points of failure.

    Raises UnknownClaimError, UnknownComponentError, AmbiguousComponentError.
    """
    match claim.kind:
        case ClaimKind.COMPONENT:
            return _component(graph, claim, links)
        case ClaimKind.DEPENDENCY:
            return _dependency(graph, claim, links)
        case ClaimKind.FALLBACK:
            return _fallback(graph, claim, links)
        case _:
            return _workflow(graph, claim, links)


def supported_by_document(statement: str, document: object) -> Supported:
    """Return the spans cited in a document, or in a part of one."""
    spans = {(e["trace_id"], e["span_id"]): dict(e) for e in _cited(document)}
    return Supported(statement, None, None, CITED, list(spans.values()))


def _component(graph: Graph, claim: Claim, links: TraceLinks) -> Supported:
    found = resolve(graph, claim.parts[0])
    statement = f"The {found.kind.value.replace('_', ' ')} {found.name or found.id} exists."
    total = found.basis.observations or found.invocations
    return _of(statement, total, "spans", found.evidence, links)


def _dependency(graph: Graph, claim: Claim, links: TraceLinks) -> Supported:
    source, target = (resolve(graph, part).id for part in claim.parts[:2])
    wanted = claim.parts[2:]
    found = [
        d
        for d in graph.dependencies
        if (d.source, d.target) == (source, target) and (not wanted or wanted == (d.type.value,))
    ]
    if not found:
        raise UnknownClaimError(claim, "The graph")
    evidence = [e for d in found for e in d.evidence]
    return _of(_called(graph, found), sum(d.calls for d in found), "calls", evidence, links)


def _called(graph: Graph, found: Sequence[Dependency]) -> str:
    names = {c.id: c.name or c.id for c in graph.components}
    calls, errors = sum(d.calls for d in found), sum(d.errors for d in found)
    first = found[0]
    return (
        f"{names.get(first.source, first.source)} depends on"
        f" {names.get(first.target, first.target)}: {calls:,} calls, {errors:,} failed."
    )


def _fallback(graph: Graph, claim: Claim, links: TraceLinks) -> Supported:
    wanted = tuple(resolve(graph, part).id for part in claim.parts)
    found = [f for f in graph.fallbacks if (f.owner, f.primary, f.secondary) == wanted]
    if not found:
        raise UnknownClaimError(claim, "The graph")
    statement = (
        f"{wanted[0]} tried {wanted[2]} after {wanted[1]} had failed;"
        f" {found[0].rescued:,} of {found[0].count:,} times it succeeded."
    )
    return _of(statement, found[0].count, "calls", found[0].evidence, links)


def _workflow(graph: Graph, claim: Claim, links: TraceLinks) -> Supported:
    found = next((w for w in graph.workflows if w.id == claim.parts[0]), None)
    if found is None:
        raise UnknownClaimError(claim, "The graph")
    statement = f"{found.name or found.id} ran {found.runs:,} times; {found.failed:,} runs failed."
    return _of(statement, found.runs, "runs", found.evidence, links)


def _of(
    statement: str, total: int, counted: str, evidence: Sequence[Evidence], links: TraceLinks
) -> Supported:
    unique = {(e.trace_id, e.span_id): evidence_document(e, links) for e in evidence}
    return Supported(statement, total, counted, CHOSEN, list(unique.values()))


def _cited(document: object) -> Iterator[Mapping[str, Any]]:
    """Return every span in a list `evidence` of the document, at any depth."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            if key == "evidence" and isinstance(value, Sequence):
                yield from value
            else:
                yield from _cited(value)
    elif isinstance(document, Sequence) and not isinstance(document, str):
        for item in document:
            yield from _cited(item)
