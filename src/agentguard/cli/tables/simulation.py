"""What a failure affects: workflows, components and the assumptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    answer,
    bar,
    count,
    faint,
    first_names,
    hanging,
    name,
    percent,
    plural,
    section,
    severity,
    trace_lines,
)
from agentguard.cli.tables.monte_carlo import monte_carlo_parts
from agentguard.cli.tables.origin import origin_part
from agentguard.cli.tables.rows import ROWS, Rows, dispensable, names, number, sentences, text

_WORKFLOWS = (
    names("Workflow"),
    number("Runs"),
    number("Lost"),
    number("Share"),
    text(""),
    dispensable(text("95% interval"), 1),
)
_COMPONENTS = (
    names("Component"),
    text("Kind"),
    dispensable(number("Calls affected")),
    sentences("Path of the failure"),
)

_REASONS = 3
"""Reasons that are shown without --full."""
_UNSEEN = (
    "Whether {} are survived is estimated from the kind of what is called: no failure of these"
    " dependencies was recorded."
)


def simulation_parts(
    document: Document, called: Mapping[str, str], *, full: bool = False
) -> list[RenderableType]:
    """Return the parts of a simulation; `full` shows every row.

    `called` maps ids of components and workflows to their labels.
    """
    top = None if full else ROWS
    workflows = document["impacted_workflows"]
    if not full:
        said = (origin_part(document), answer_part(document), *_affected(document, called))
        tables = [workflows_part(workflows, top=top)] if len(workflows) > 1 else []
        chances = monte_carlo_parts(document, called)
        return [Group(*said), *tables, *chances, faint(_more(document))]
    return [
        Group(origin_part(document), answer_part(document, every=True), _figures(document)),
        workflows_part(workflows, top=top),
        _components(document["impacted_components"], called, top=top),
        *monte_carlo_parts(document, called, full=full),
        *_degraded(document["degraded"], called),
        *_evidence(document),
        *_assumptions(document),
    ]


def answer_part(document: Document, *, every: bool = False) -> RenderableType:
    """Return what is lost, the first reasons or `every`, and what nobody knows."""
    unknown = [] if document["undecided"] is None else [document["undecided"]]
    reasons = document["decided_by"]
    lines = [*(reasons if every else reasons[:_REASONS]), *unknown]
    estimate = document["impact_estimate"]
    return Group(
        answer(document["answer"]),
        *(hanging("●", line) for line in lines),
        _line("Severity", Text.assemble(severity(estimate["severity"]), _because(estimate))),
    )


def _affected(document: Document, called: Mapping[str, str]) -> list[RenderableType]:
    """Return the components that fail too, in one line."""
    hit = document["impacted_components"]
    if not hit:
        return []
    named = first_names([called.get(c["id"], c["name"]) for c in hit])
    return [_line("Fail too", Text(named))]


def _more(document: Document) -> str:
    stored = f"Stored as {document['id']}. " if document["id"] else ""
    return f"{stored}Components, evidence and assumptions: --full"


def _figures(document: Document) -> RenderableType:
    estimate, radius = document["impact_estimate"], document["blast_radius"]
    score = f"  {radius['score']:.1f} of 10 = {_formula(radius)}"
    hit = f"{count(radius['components_hit'])} of {count(radius['components'])} others"
    return Group(
        _line("Components", Text(hit)),
        _line("Blast radius", Text.assemble(bar(radius["score"] / 10), score)),
        _line("Value lost", Text(value_lost(estimate))),
        _line("Worst case", Text(_worst_case(document))),
        _line("Recovery", Text(_recovery(estimate["estimated_recovery_time"]))),
        _line("Method", Text(_method(document))),
    )


def _recovery(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:,.0f} s"


def _because(estimate: Document) -> str:
    return f"  {estimate['severity_reason']}"


def value_lost(estimate: Document) -> str:
    """Return the money that the lost runs were worth, or why it is unknown."""
    if estimate["revenue_risk"] is None:
        return f"unknown. {estimate['revenue_risk_reason'] or ''}".strip()
    return _amount(estimate["revenue_risk"], estimate["currency"])


def _amount(amount: float, currency: str | None) -> str:
    return f"{amount:,.2f} {currency or ''}".strip()


def _worst_case(document: Document) -> str:
    """Return what fails if nothing absorbs the failure; never less than the result."""
    best, worst = document["cases"]["best"]["runs_lost"], document["cases"]["worst"]
    seen = document["blast_radius"]["runs_seen"]
    runs = ceil(round(worst["runs_lost"], 6))
    components = plural(worst["components"], "component")
    workflows = plural(worst["workflows"], "workflow")
    lost = f"{runs:,} of {plural(seen, 'run')} lost, " if seen else ""
    spared = (
        f" ({count(best)} runs if every failure never seen is absorbed)"
        if best < worst["runs_lost"]
        else ""
    )
    return f"{lost}{components} and {workflows} fail if nothing absorbs the failure{spared}"


def _method(document: Document) -> str:
    inputs = document["inputs"]
    stored = f", stored as {document['id']}" if document["id"] else ""
    return (
        f"{document['method']}, seed {inputs['seed']}, graph {inputs['graph_version'] or '–'}"
        f"{stored}"
    )


def _line(label: str, value: Text) -> RenderableType:
    return hanging(label, value, width=12, style="dim")


def _formula(radius: Document) -> str:
    components = f"{percent(radius['components_share'])} of components"
    if radius["runs_share"] is None:
        return f"10 × {components}"
    return f"10 × (0.6 × {percent(radius['runs_share'])} of runs + 0.4 × {components})"


def workflows_part(workflows: Sequence[Document], *, top: int | None = None) -> RenderableType:
    """Return the workflows that lose runs."""
    if not workflows:
        return section("Workflows that lose runs", Text("None."))
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
    return section("Workflows that lose runs", Rows(_WORKFLOWS, rows, top=top))


def _range(interval: Document | None) -> str:
    return "–" if interval is None else f"{percent(interval['low'])} to {percent(interval['high'])}"


def _components(
    components: Sequence[Document], called: Mapping[str, str], *, top: int | None
) -> RenderableType:
    if not components:
        return section("Components affected", Text("None."))
    rows: list[list[str | Text]] = [
        [
            name(called.get(c["id"], c["name"]), style="bold"),
            c["kind"],
            _hit(c),
            _path(c["path"], called),
        ]
        for c in components
    ]
    return section("Components affected", Rows(_COMPONENTS, rows, top=top))


def _degraded(degraded: Sequence[Document], called: Mapping[str, str]) -> list[RenderableType]:
    if not degraded:
        return []
    lost = [", ".join(called.get(c, c) for c in d["lost"]) for d in degraded]
    lines = [
        hanging("●", f"{called.get(d['id'], d['id'])} continues without {what}")
        for d, what in zip(degraded, lost, strict=True)
    ]
    return [section("Degraded, not failed", *lines)]


def _hit(c: Document) -> str:
    return (
        "–"
        if c["invocations_hit"] is None
        else f"{count(c['invocations_hit'])} of {count(c['invocations'])}"
    )


def _path(path: Sequence[Document], called: Mapping[str, str]) -> Text:
    """Return the path of a failure, from its origin to the affected component."""
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
            "Evidence: traces with these dependencies",
            *(hanging("" if line.plain.startswith("…") else "●", line) for line in lines),
        )
    ]


def _path_evidence(hit: Iterable[Document]) -> Iterator[Document]:
    for item in hit:
        for step in item["path"]:
            yield from step["evidence"]


def _assumptions(document: Document) -> list[RenderableType]:
    estimate = document["impact_estimate"]
    unseen = (document["assumptions"] or {}).get("absorption_unknown")
    found = (
        estimate["revenue_risk_reason"] if estimate["revenue_risk"] is not None else None,
        _UNSEEN.format(plural(unseen, "failing call")) if unseen else None,
    )
    reasons = [hanging("●", reason) for reason in found if reason]
    return [section("Assumptions and limits", *reasons)] if reasons else []
