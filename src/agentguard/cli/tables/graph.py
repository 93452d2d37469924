"""Components, shadow agents, dependencies, fallbacks, workflows and coverage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    bar,
    count,
    failures,
    faint,
    hanging,
    labels,
    milliseconds,
    name,
    percent,
    plural,
    section,
    trace,
)
from agentguard.cli.tables.rows import Rows, dispensable, names, number, text

_WEAK = 0.2
"""Less than one observation of explicit evidence gives."""
_WEAK_SHOWN = 5
_LARGEST_SHOWN = 5
_LEGEND = (
    "p95 is right to within 12.5 %. Sure: how strong the evidence is that the one depends on the"
    " other, not how often it works."
)
_KINDS = (
    "agent",
    "model",
    "tool",
    "mcp_server",
    "datastore",
    "queue",
    "service",
    "external",
    "workflow",
)
_COMPONENTS = (
    names("Component"),
    text("Kind"),
    number("Runs"),
    number("Failed"),
    number("p95"),
    dispensable(number("Tokens")),
    names("Notes"),
)
_DEPENDENCIES = (
    names("Caller"),
    names("depends on"),
    text("Type"),
    number("Calls"),
    number("Failed"),
    number("p95"),
    dispensable(number("Sure"), 2),
    dispensable(text("Trace"), 1),
)
_FALLBACKS = (
    names("Caller"),
    names("after a failure of"),
    names("tried"),
    number("Times"),
    number("Rescued"),
    dispensable(text("Trace")),
)
_WORKFLOWS = (
    names("Workflow"),
    names("starts in"),
    number("Runs"),
    number("Failed"),
    dispensable(text("")),
)


def graph_parts(document: Document) -> list[RenderableType]:
    """Return all parts of a scan's or a graph's document."""
    components = document["components"] if "components" in document else document["nodes"]
    dependencies = document["dependencies"] if "dependencies" in document else document["edges"]
    by_id = names_by_id(document)
    parts = [
        components_part(components),
        shadows_part(components, document.get("shadow_note")),
        dependencies_part(dependencies, by_id),
        fallbacks_part(document["fallbacks"], by_id),
        workflows_part(document["workflows"], by_id),
        coverage_part(document["coverage"]),
    ]
    return [part for part in parts if part is not None]


def names_by_id(document: Document) -> dict[str, str]:
    """Return what to call each component and workflow of a scan's or a graph's document."""
    components = document["components"] if "components" in document else document["nodes"]
    return {w["id"]: w["name"] for w in document["workflows"]} | labels(components)


def components_part(components: Sequence[Document]) -> RenderableType:
    """Return what runs: agents first, then the other kinds."""
    if not components:
        return section("What runs", Text("Nothing was recognised as a component."))
    agents = sum(c["kind"] == "agent" for c in components)
    ordered = sorted(
        components, key=lambda c: (_KINDS.index(c["kind"]), c["name"].casefold(), c["id"])
    )
    shown_as = labels(components)
    several = len({c["environment"] for c in components}) > 1
    rows = [
        _component_row(c, shown_as[c["id"]], c["environment"] if several else None) for c in ordered
    ]
    title = (
        f"What runs: {plural(agents, 'agent')},"
        f" {plural(len(components) - agents, 'other component')}"
    )
    return section(title, Rows(_COMPONENTS, rows), *_weak_lines(ordered, shown_as))


def _weak_lines(components: Iterable[Document], shown_as: Mapping[str, str]) -> list[Text]:
    """Return on what those components rest that are hardly more than a guess."""
    weak = [c for c in components if c["confidence"] < _WEAK]
    lines = [
        Text.assemble(
            "Weak evidence: ",
            name(shown_as[c["id"]]),
            f" is only {percent(c['confidence'])} sure. {c['basis']['convention']}.",
        )
        for c in weak[:_WEAK_SHOWN]
    ]
    return (
        lines
        if len(weak) <= _WEAK_SHOWN
        else [*lines, faint(f"… and {len(weak) - _WEAK_SHOWN:,} more on weak evidence.")]
    )


def _component_row(c: Document, label: str, environment: str | None) -> list[str | Text]:
    tokens = c["input_tokens"] + c["output_tokens"]
    p95 = (c["latency_ms"] or {}).get("p95")
    return [
        name(label, style=_component_style(c)),
        c["kind"],
        count(c["invocations"]),
        failures(c["errors"], c["invocations"]),
        milliseconds(p95),
        count(tokens) if tokens else Text("–", style="dim"),
        name(_notes(c, environment), style="dim", width=60),
    ]


def _component_style(c: Document) -> str:
    if c["shadow"]:
        return "bold yellow"
    return "bold" if c["kind"] == "agent" else ""


def _notes(c: Document, environment: str | None) -> str:
    declared = c.get("declared") or {}
    notes = [
        "shadow" if c["shadow"] else "",
        "" if c["identified"] else "unidentified",
        f"owner {declared['owner']}" if declared.get("owner") else "",
        f"on {c['server']}" if c["server"] else "",
        ", ".join(c["providers"]),
        environment or "",
    ]
    return "; ".join(note for note in notes if note) or " "


def shadows_part(components: Iterable[Document], note: str | None) -> RenderableType:
    """Return the agents that nobody declared, each with the reason.

    Or why nobody can be called one.
    """
    if note:
        return section("Shadow agents", faint(note))
    shadows = [c for c in components if c["shadow"]]
    if not shadows:
        return section("Shadow agents", Text("None: every agent seen is in the catalogue."))
    lines = [
        hanging("●", Text.assemble(name(c["name"], style="bold yellow"), f"  {c['shadow_reason']}"))
        for c in shadows
    ]
    return section(f"Shadow agents: {len(shadows):,}", *lines)


def dependencies_part(
    dependencies: Sequence[Document], called: Mapping[str, str]
) -> RenderableType:
    """Return who depends on what, by caller."""
    if not dependencies:
        return section("Dependencies", Text("None was seen."))
    ordered = sorted(
        dependencies,
        key=lambda d: (called.get(d["source"], d["source"]).casefold(), -d["calls"], d["target"]),
    )
    rows: list[list[str | Text]] = []
    for before, d in zip([None, *ordered], ordered, strict=False):
        repeated = before is not None and before["source"] == d["source"]
        rows.append(_dependency_row(d, called, repeated=repeated))
    return section(
        f"Dependencies: {len(dependencies):,}", Rows(_DEPENDENCIES, rows), faint(_LEGEND)
    )


def _dependency_row(d: Document, called: Mapping[str, str], *, repeated: bool) -> list[str | Text]:
    return [
        name(called.get(d["source"], d["source"]), style="dim" if repeated else "bold", width=32),
        name(called.get(d["target"], d["target"]), width=32),
        d["type"],
        count(d["calls"]),
        failures(d["errors"], d["calls"]),
        milliseconds((d["latency_ms"] or {}).get("p95")),
        percent(d["confidence"]),
        trace(d["evidence"]),
    ]


def fallbacks_part(
    fallbacks: Sequence[Document], called: Mapping[str, str]
) -> RenderableType | None:
    """Return what was tried after a failure, or None where nothing was."""
    if not fallbacks:
        return None
    rows: list[list[str | Text]] = [
        [
            *(
                name(called.get(f[key], f[key]), width=32)
                for key in ("owner", "primary", "secondary")
            ),
            count(f["count"]),
            count(f["rescued"]),
            trace(f["evidence"]),
        ]
        for f in fallbacks
    ]
    return section(f"Fallbacks seen: {len(fallbacks):,}", Rows(_FALLBACKS, rows))


def workflows_part(workflows: Sequence[Document], called: Mapping[str, str]) -> RenderableType:
    """Return what starts runs, and how often these failed."""
    if not workflows:
        return section("Workflows", faint("None: no trace has a beginning that could be named."))
    rows: list[list[str | Text]] = [
        [
            name(w["name"]),
            name(called.get(w["entry"], w["entry"]), width=32),
            count(w["runs"]),
            failures(w["failed"], w["runs"]),
            bar(w["failed"] / w["runs"] if w["runs"] else 0),
        ]
        for w in workflows
    ]
    return section(f"Workflows: {len(workflows):,}", Rows(_WORKFLOWS, rows))


def coverage_part(coverage: Document) -> RenderableType:
    """Return what was read and what could not be used."""
    unattributed = sum(coverage["unattributed"].values())
    lines = [
        Text(
            f"{plural(coverage['spans'], 'span')} in"
            f" {plural(coverage['traces'], 'trace')}{_seen_between(coverage)}."
        )
    ]
    gaps = [
        (coverage["duplicates"], "duplicates left out"),
        (
            unattributed,
            (
                "spans without a role in any known convention, from"
                f" {_largest(coverage['unattributed'])}"
            ),
        ),
        (coverage["orphans"], "spans whose parent never came"),
        (coverage["unresolved_peers"], "calls to a peer that nothing names"),
        (coverage["unnamed_model_calls"], "calls of a model that nothing names, by nobody known"),
        (
            sum(coverage["housekeeping"].values()),
            f"health checks and polls, no runs of a workflow: {_largest(coverage['housekeeping'])}",
        ),
        (
            sum(coverage["cardinality_limited"].values()),
            f'names counted together as "other" ({", ".join(coverage["cardinality_limited"])})',
        ),
        (sum(coverage["refused"].values()), f"refused ({_reasons(coverage['refused'])})"),
    ]
    lines += (
        [faint(f"  Read by {_largest(coverage['attributed'])}.")] if coverage["attributed"] else []
    )
    lines += [faint(f"  {number:,} {what}") for number, what in gaps if number]
    lines += [
        faint(f"  {number:,} sampled: {what}; counts are of what was kept")
        for what, number in coverage["sampling"].items()
    ]
    return section("What was read", Group(*lines))


def _seen_between(coverage: Document) -> str:
    if not coverage["first_seen"]:
        return ""
    return f", {coverage['first_seen'][:19]}Z to {coverage['last_seen'][:19]}Z"


def _largest(counts: Mapping[str, int]) -> str:
    """Name the largest, with their counts, and say how many more there are."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {number:,}" for name, number in ordered[:_LARGEST_SHOWN])
    return shown + (
        f" and {len(ordered) - _LARGEST_SHOWN} more" if len(ordered) > _LARGEST_SHOWN else ""
    )


def _reasons(refused: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in refused.items())
