"""Tables of calls between services that lost their trace context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from agentguard.cli.tables.cells import (
    NAME_WIDTH,
    Document,
    faint,
    first_names,
    hanging,
    name,
    percent,
    plural,
    section,
    trace,
)
from agentguard.graph.export.sanitizing import shorten

_LABEL_WIDTH = 8


def broken_part(
    hops: Sequence[Document], called: Mapping[str, str], *, full: bool
) -> RenderableType | None:
    """Return one line about lost context, and with `full` each hop; None where nothing is lost."""
    if not hops:
        return None
    if not full:
        told = f"Broken propagation: {_summary(hops)} --full shows causes and repairs."
        return Text(told, style="yellow")
    details = [Group(*_hop(hop, called)) for hop in hops]
    return section(f"Broken propagation: {plural(len(hops), 'finding')}", *details)


def _summary(hops: Sequence[Document]) -> str:
    between = [hop for hop in hops if hop["caller"] is not None]
    lost, inferred = (sum(hop[key] for hop in between) for key in ("lost_calls", "inferred_calls"))
    orphans = [hop for hop in hops if hop["caller"] is None]
    sentences = []
    if between:
        joined = f"; {inferred:,} joined as inferred" if inferred else ""
        sentences.append(
            f"{plural(lost, 'call')} on {plural(len(between), 'hop')} between services lost the"
            f" trace context, most on {_ends(between[0])}{joined}."
        )
    if orphans:
        spans = sum(hop["lost_calls"] for hop in orphans)
        services = first_names([hop["callee"] for hop in orphans])
        sentences.append(f"{plural(spans, 'span')} of {services} with a missing parent.")
    return " ".join(sentences)


def _ends(hop: Document) -> str:
    return " → ".join(shorten(hop[end], NAME_WIDTH) for end in ("caller", "callee"))


def _hop(hop: Document, called: Mapping[str, str]) -> Iterator[RenderableType]:
    head = name(hop["callee"], style="bold")
    if hop["caller"] is not None:
        head = Text.assemble(name(hop["caller"], style="bold"), " → ", head)
    yield Text.assemble(head, f"  {_counts(hop)}")
    for label, sentence in _facts(hop, called):
        yield hanging(faint(label), sentence, indent=2, width=_LABEL_WIDTH)
    for call in hop["calls"][:1]:
        caller = [] if call["caller"] is None else [call["caller"]]
        line = Text("trace ", style="dim").append_text(trace([*caller, call["callee"]]))
        if caller:
            line.append(" and ", style="dim").append_text(trace([call["callee"]]))
        yield Padding(line, (0, 0, 0, 2), expand=False)


def _counts(hop: Document) -> str:
    if hop["caller"] is None:
        return f"{plural(hop['lost_calls'], 'span')} with a missing parent"
    total = hop["lost_calls"] + hop["intact_calls"]
    protocol = f" {hop['protocol']}" if hop["protocol"] else ""
    inferred = f", {hop['inferred_calls']:,} joined as inferred" if hop["inferred_calls"] else ""
    return f"{hop['lost_calls']:,} of {total:,}{protocol} calls lost the trace context{inferred}"


def _facts(hop: Document, called: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if hop["agreed"]:
        agreed = ", ".join(hop["agreed"])
        yield "Because", f"both sides agree in {agreed} (confidence {percent(hop['confidence'])})."
    if hop["agents"]:
        agents = first_names([called.get(agent, agent) for agent in hop["agents"]])
        yield "Agents", f"{agents} at the root of a trace."
    yield "Cause", hop["cause"]
    yield "Repair", hop["repair"]
