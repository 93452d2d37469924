"""Components, shadow agents, dependencies, fallbacks, workflows and coverage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    answer,
    count,
    counted,
    failures,
    faint,
    first_names,
    hanging,
    labels,
    milliseconds,
    name,
    percent,
    plural,
    section,
    trace,
)
from agentguard.cli.tables.levels import agent_level
from agentguard.cli.tables.origin import origin_part
from agentguard.cli.tables.propagation import broken_part
from agentguard.cli.tables.rows import ROWS, Rows, dispensable, left_out, names, number, text
from agentguard.cli.tables.workflows import stopped, workflows_part

_WEAK = 0.2
"""Confidence below what one observation of explicit evidence gives."""
_WEAK_SHOWN = 5
_LARGEST_SHOWN = 5
_LEGEND = (
    "p95 is accurate to 12.5 %. Conf.: confidence that the caller depends on the callee, from the"
    " kind and amount of evidence."
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
    number("Calls"),
    number("Failed"),
    number("p95"),
    dispensable(number("Tokens")),
    names("Notes"),
)
_DEPENDENCIES = (
    names("Caller"),
    names("Callee"),
    text("Type"),
    number("Calls"),
    number("Failed"),
    number("p95"),
    dispensable(number("Conf."), 2),
    dispensable(text("Trace"), 1),
)
_FALLBACKS = (
    names("Caller"),
    names("Failed callee"),
    names("Fallback"),
    number("Used"),
    number("Succeeded"),
    dispensable(text("Trace")),
)


def graph_parts(
    document: Document, *, full: bool = False, ordered: bool = False
) -> list[RenderableType]:
    """Return the parts of a scan's or a graph's document.

    `full` shows every row, `ordered` keeps the order of the document's lists.
    """
    top = None if full else ROWS
    by_id = names_by_id(document)
    shown = agent_level(components_of(document), dependencies_of(document), document["runs_in"])
    parts = [
        summary_part(document),
        shadows_part(shown.components, document.get("shadow_note"), top=top),
        components_part(shown.components, top=top, ordered=ordered),
        shown.note(),
        workflows_part(document["workflows"], by_id, top=top),
        fallbacks_part(document["fallbacks"], by_id, top=top),
        dependencies_part(shown.dependencies, by_id, top=top, ordered=ordered),
        broken_part(document["broken_propagation"], by_id, full=full),
        coverage_part(document["coverage"]),
    ]
    return [part for part in parts if part is not None]


def components_of(document: Document) -> Sequence[Document]:
    """Return the components of a scan's or a graph's document."""
    components: Sequence[Document] = document.get("components") or document.get("nodes", ())
    return components


def dependencies_of(document: Document) -> Sequence[Document]:
    """Return the dependencies of a scan's or a graph's document."""
    dependencies: Sequence[Document] = document.get("dependencies") or document.get("edges", ())
    return dependencies


def names_by_id(document: Document) -> dict[str, str]:
    """Return the label of each component and workflow of a scan's or a graph's document."""
    ends = {
        d[end]: d[f"{end}_name"] or d[end]
        for d in dependencies_of(document)
        for end in ("source", "target")
    }
    workflows = {w["id"]: w["name"] for w in document["workflows"]}
    return ends | workflows | labels(components_of(document))


def summary_part(document: Document) -> RenderableType:
    """Return the heading and the one-line summary of a scan's or a graph's document."""
    return Group(origin_part(document), answer(_summary(document)))


def _summary(document: Document) -> str:
    components, workflows = components_of(document), document["workflows"]
    agents = sum(c["kind"] == "agent" for c in components)
    shadows = [c["name"] for c in components if c["shadow"]]
    found = [
        (agents, "agent"),
        (len(components) - agents, "other component"),
        (len(dependencies_of(document)), "dependency"),
        (len(workflows), "workflow"),
    ]
    failed, runs = sum(w["failed"] for w in workflows), sum(w["runs"] for w in workflows)
    sentences = [
        counted(found) or "No components",
        f"{failed:,} of {plural(runs, 'run')} failed" if runs else "",
        ", ".join(stopped(workflows)),
        f"{plural(len(shadows), 'shadow agent')}: {first_names(shadows)}" if shadows else "",
    ]
    return "; ".join(sentence for sentence in sentences if sentence) + "."


def components_part(
    components: Sequence[Document], *, top: int | None = None, ordered: bool = False
) -> RenderableType:
    """Return the components: in their order, or agents first."""
    if not components:
        return section("Components", Text("No components were recognized."))
    agents = sum(c["kind"] == "agent" for c in components)
    listed = list(components) if ordered else sorted(components, key=_by_kind)
    shown_as = labels(components)
    several = len({c["environment"] for c in components}) > 1
    rows = [
        _component_row(c, shown_as[c["id"]], c["environment"] if several else None) for c in listed
    ]
    title = f"Components: {len(components):,} ({plural(agents, 'agent')})"
    return section(title, Rows(_COMPONENTS, rows, top=top), *_weak_lines(listed, shown_as))


def _by_kind(c: Document) -> tuple[int, str, str]:
    return _KINDS.index(c["kind"]), c["name"].casefold(), c["id"]


def _weak_lines(components: Iterable[Document], shown_as: Mapping[str, str]) -> list[Text]:
    """Return the evidence of the components with very low confidence."""
    weak = [c for c in components if c["confidence"] < _WEAK]
    lines = [
        Text.assemble(
            "Weak evidence: ",
            name(shown_as[c["id"]]),
            f" has a confidence of {percent(c['confidence'])}. {c['basis']['convention']}.",
        )
        for c in weak[:_WEAK_SHOWN]
    ]
    return (
        lines
        if len(weak) <= _WEAK_SHOWN
        else [*lines, faint(f"… and {len(weak) - _WEAK_SHOWN:,} more with weak evidence.")]
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


def shadows_part(
    components: Iterable[Document], note: str | None, *, top: int | None = None
) -> RenderableType:
    """Return the undeclared agents with the reasons, or the note why none can be told."""
    if note:
        return section("Shadow agents", faint(note))
    shadows = [c for c in components if c["shadow"]]
    if not shadows:
        return section("Shadow agents", Text("None: every observed agent is in the catalog."))
    lines: list[RenderableType] = [
        hanging("●", Text.assemble(name(c["name"], style="bold yellow"), f"  {c['shadow_reason']}"))
        for c in shadows[:top]
    ]
    lines += [faint(left_out(len(shadows) - len(lines)))] if len(lines) < len(shadows) else []
    return section(f"Shadow agents: {len(shadows):,}", *lines)


def dependencies_part(
    dependencies: Sequence[Document],
    called: Mapping[str, str],
    *,
    top: int | None = None,
    ordered: bool = False,
) -> RenderableType:
    """Return the dependencies: in their order, or by caller.

    By caller and with `top`, those with the most failed calls.
    """
    if not dependencies:
        return section("Dependencies", Text("None was observed."))
    if ordered:
        rows = [_dependency_row(d, called, repeated=False) for d in dependencies]
        return section(
            f"Dependencies: {len(dependencies):,}",
            Rows(_DEPENDENCIES, rows, top=top),
            faint(_LEGEND),
        )
    worst = sorted(dependencies, key=lambda d: (-d["errors"], -d["calls"], d["source"]))[:top]
    rows = list(_dependency_rows(worst, called))
    title, rest = f"Dependencies: {len(dependencies):,}", len(dependencies) - len(worst)
    if not rest:
        return section(title, Rows(_DEPENDENCIES, rows), faint(_LEGEND))
    return section(
        f"{title}, the {len(worst)} with the most failed calls",
        Rows(_DEPENDENCIES, rows),
        faint(left_out(rest)),
        faint(_LEGEND),
    )


def _dependency_rows(
    dependencies: Iterable[Document], called: Mapping[str, str]
) -> Iterator[list[str | Text]]:
    """Yield the rows by caller, busiest callee first; a repeated caller is dim."""
    ordered = sorted(
        dependencies,
        key=lambda d: (called.get(d["source"], d["source"]).casefold(), -d["calls"], d["target"]),
    )
    for before, d in zip([None, *ordered], ordered, strict=False):
        repeated = before is not None and before["source"] == d["source"]
        yield _dependency_row(d, called, repeated=repeated)


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
    fallbacks: Sequence[Document], called: Mapping[str, str], *, top: int | None = None
) -> RenderableType | None:
    """Return the fallbacks, or None where there are none."""
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
    return section(f"Observed fallbacks: {len(fallbacks):,}", Rows(_FALLBACKS, rows, top=top))


def coverage_part(coverage: Document) -> RenderableType:
    """Return what was read and what could not be used."""
    read = f"{plural(coverage['spans'], 'span')} in {plural(coverage['traces'], 'trace')}"
    lines = [Text(f"{read}{_seen_between(coverage)}.")]
    if coverage["attributed"]:
        lines.append(faint(f"  Conventions: {_largest(coverage['attributed'])}."))
    lines += [faint(f"  {what}: {number:,}") for number, what in _gaps(coverage) if number]
    lines += [
        faint(f"  Sampled spans ({what}): {number:,}; counts cover the spans that were kept")
        for what, number in coverage["sampling"].items()
    ]
    return section("Coverage", Group(*lines))


def _gaps(coverage: Document) -> list[tuple[int, str]]:
    roleless, polls = coverage["unattributed"], coverage["housekeeping"]
    merged, refused = coverage["cardinality_limited"], coverage["refused"]
    return [
        (coverage["duplicates"], "Duplicate spans ignored"),
        (sum(roleless.values()), f"Spans without a known convention ({_largest(roleless)})"),
        (coverage["orphans"], "Spans whose parent is missing"),
        (coverage["unresolved_peers"], "Calls to an unnamed peer"),
        (coverage["unnamed_model_calls"], "Model calls without a model name or caller"),
        (coverage["model_calls_without_usage"], "Model calls without a number of tokens"),
        (
            sum(polls.values()),
            f"Health checks and polls, not counted as workflow runs ({_largest(polls)})",
        ),
        (sum(merged.values()), f'Names merged into "other" by the limit ({", ".join(merged)})'),
        (sum(refused.values()), f"Spans refused ({_largest(refused)})"),
    ]


def _seen_between(coverage: Document) -> str:
    if not coverage["first_seen"]:
        return ""
    return f", {coverage['first_seen'][:19]}Z to {coverage['last_seen'][:19]}Z"


def _largest(counts: Mapping[str, int]) -> str:
    """Return the largest counts with their names, and how many more there are."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {number:,}" for name, number in ordered[:_LARGEST_SHOWN])
    rest = len(ordered) - _LARGEST_SHOWN
    return f"{shown} and {rest:,} more" if rest > 0 else shown
