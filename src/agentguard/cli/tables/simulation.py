"""What breaks if this fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    bar,
    count,
    hanging,
    name,
    percent,
    plural,
    section,
    severity,
    trace_lines,
)
from agentguard.cli.tables.rows import Rows, dispensable, names, number, sentences, text

_WORKFLOWS = (
    names("Workflow"),
    number("Runs"),
    number("Lost"),
    number("Share"),
    text(""),
    dispensable(text("95 % range"), 1),
)
_COMPONENTS = (
    names("Hit"),
    text("Kind"),
    dispensable(number("Runs hit")),
    sentences("The failure travels"),
)


def simulation_parts(document: Document, called: Mapping[str, str]) -> list[RenderableType]:
    """Return the answer's parts.

    The verdict, workflows, components with paths, evidence, and what is not known.
    """
    return [
        _verdict(document, called),
        _workflows(document["impacted_workflows"]),
        _components(document["impacted_components"], called),
        *_degraded(document["degraded"], called),
        *_evidence(document),
        _unknown(document),
    ]


def _verdict(document: Document, called: Mapping[str, str]) -> RenderableType:
    failed = ", ".join(called.get(c, c) for c in document["failed_components"])
    estimate, radius = document["impact_estimate"], document["blast_radius"]
    return section(
        (
            f"If {failed} fails"
            if len(document["failed_components"]) == 1
            else f"If {failed} fail together"
        ),
        _line(
            "Severity",
            Text.assemble(severity(estimate["severity"]), f"  {estimate['severity_reason']}"),
        ),
        _line(
            "Blast radius",
            Text.assemble(
                bar(radius["score"] / 10), f"  {radius['score']:.1f} of 10 = {_formula(radius)}"
            ),
        ),
        _line(
            "Runs lost", Text(f"{count(radius['runs_lost'])} of {count(radius['runs_seen'])} seen")
        ),
        _line(
            "Hit",
            Text(
                f"{count(radius['components_hit'])} of {count(radius['components'])} other"
                " components"
            ),
        ),
        _line("Worst case", Text(_worst_case(document["structural"]))),
        _line("Method", Text(_method(document))),
    )


def _worst_case(structural: Document) -> str:
    hit = (
        f"{plural(len(structural['components']), 'component')} and"
        f" {plural(len(structural['workflows']), 'workflow')}"
    )
    return f"{hit} fail, by the graph alone"


def _method(document: Document) -> str:
    return (
        f"{document['method']}, seed {document['inputs']['seed']}, graph"
        f" {document['inputs']['graph_version'] or '–'}"
    )


def _line(label: str, value: Text) -> RenderableType:
    return hanging(label, value, width=12, style="dim")


def _formula(radius: Document) -> str:
    components = f"{percent(radius['components_share'])} of components"
    if radius["runs_share"] is None:
        return f"10 × {components}"
    return f"10 × (0.6 × {percent(radius['runs_share'])} of runs + 0.4 × {components})"


def _workflows(workflows: Sequence[Document]) -> RenderableType:
    if not workflows:
        return section("Workflows", Text("None loses a run."))
    rows: list[list[str | Text]] = [
        [
            name(w["name"], style="bold"),
            count(w["runs_seen"]),
            count(w["runs_lost"]),
            percent(w["share_lost"]),
            bar(w["share_lost"]),
            _range(w["range"]),
        ]
        for w in workflows
    ]
    return section("Workflows that lose runs", Rows(_WORKFLOWS, rows))


def _range(interval: Document | None) -> str:
    return "–" if interval is None else f"{percent(interval['low'])} to {percent(interval['high'])}"


def _components(components: Sequence[Document], called: Mapping[str, str]) -> RenderableType:
    if not components:
        return section("Who is hit", Text("No other component."))
    rows: list[list[str | Text]] = [
        [
            name(called.get(c["id"], c["name"]), style="bold"),
            c["kind"],
            _hit(c),
            travelled(c["path"], called),
        ]
        for c in components
    ]
    return section("Who is hit, and by which path", Rows(_COMPONENTS, rows))


def _degraded(degraded: Sequence[Document], called: Mapping[str, str]) -> list[RenderableType]:
    if not degraded:
        return []
    lost = [", ".join(called.get(c, c) for c in d["lost"]) for d in degraded]
    lines = [
        hanging("●", f"{called.get(d['id'], d['id'])} goes on without {what}")
        for d, what in zip(degraded, lost, strict=True)
    ]
    return [section("Degraded", *lines)]


def _hit(c: Document) -> str:
    return (
        "–"
        if c["invocations_hit"] is None
        else f"{count(c['invocations_hit'])} of {count(c['invocations'])}"
    )


def travelled(path: Sequence[Document], called: Mapping[str, str]) -> Text:
    """Return the way of a failure, from what failed first to whom it reached."""
    ids = [path[0]["target"], *(step["source"] for step in path)] if path else []
    line = Text(" → ").join(name(called.get(i, i), width=32) for i in ids)
    line.no_wrap = False
    return line


def _evidence(document: Document) -> list[RenderableType]:
    lines = trace_lines(
        _path_evidence([*document["impacted_workflows"], *document["impacted_components"]])
    )
    if not lines:
        return []
    return [
        section(
            "Evidence: traces in which these dependencies were seen",
            *(hanging("●", line) for line in lines),
        )
    ]


def _path_evidence(hit: Iterable[Document]) -> Iterator[Document]:
    for item in hit:
        for step in item["path"]:
            yield from step["evidence"]


def _unknown(document: Document) -> RenderableType:
    estimate = document["impact_estimate"]
    money = estimate["revenue_risk"]
    lines = [f"Value at risk: {_amount(money, estimate['currency'])}"] if money is not None else []
    reasons = (
        estimate["revenue_risk_reason"],
        estimate["estimated_recovery_time_reason"],
        (document["assumptions"] or {}).get("note"),
    )
    return section(
        "What that rests on", *(hanging("●", line) for line in [*lines, *(r for r in reasons if r)])
    )


def _amount(amount: float, currency: str | None) -> str:
    return f"{amount:,.2f} {currency or ''}".strip()
