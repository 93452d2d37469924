"""The demonstration's report: five findings, then an overview or everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.analysis import analysis_parts, cycles_part, risks_part, spofs_part
from agentguard.cli.tables.cells import (
    NAME_WIDTH,
    Document,
    count,
    first_names,
    percent,
    plural,
)
from agentguard.cli.tables.graph import (
    components_of,
    components_part,
    fallbacks_part,
    graph_parts,
    names_by_id,
    summary_part,
)
from agentguard.cli.tables.playbook import outline_part, playbook_parts
from agentguard.cli.tables.simulation import (
    answer_part,
    simulation_parts,
    value_lost,
)
from agentguard.cli.tables.simulation import (
    workflows_part as lost_part,
)
from agentguard.cli.tables.workflows import workflows_part
from agentguard.graph.export.sanitizing import shorten

_COMPONENTS = 10
_FINDINGS = 6
_FEW = 4
"""Rows of the overview's tables; --full shows all."""


def highlights(
    graph: Document, simulation: Document, called: Mapping[str, str], command: str
) -> list[Text]:
    """Return the five findings, one line each, every number from the documents."""
    labelled = [
        ("Shadow agent", _shadow(graph)),
        ("Single point of failure", _spof(graph["analysis"], simulation, called)),
        ("Fallback", _fallback(graph["fallbacks"], called)),
        ("Money at risk", _money(simulation, called)),
        ("Next", command),
    ]
    return [Text.assemble((f"{label}: ", "bold cyan"), finding) for label, finding in labelled]


def overview_parts(
    graph: Document, simulation: Document, playbook: Document
) -> Iterator[RenderableType]:
    """Yield the report without --full: the first rows of each table."""
    called, analysis = names_by_id(graph), graph["analysis"]
    yield summary_part(graph)
    yield components_part(components_of(graph), top=_COMPONENTS)
    yield workflows_part(graph["workflows"], called, top=_FEW)
    yield from filter(None, [fallbacks_part(graph["fallbacks"], called, top=_FEW)])
    yield spofs_part(analysis["spofs"], called, top=_FINDINGS)
    yield cycles_part(analysis, called, top=_FEW)
    yield risks_part(analysis, called, top=_FEW, explained=0)
    yield answer_part(simulation)
    yield lost_part(simulation["impacted_workflows"], top=_FEW)
    yield outline_part(playbook)


def full_parts(
    graph: Document, simulation: Document, playbook: Document
) -> Iterator[RenderableType]:
    """Yield the report with --full: what each command prints with --full."""
    called = names_by_id(graph)
    yield from graph_parts(graph, full=True)
    yield from analysis_parts(graph["analysis"], called, full=True)
    yield from simulation_parts(simulation, called, full=True)
    yield from playbook_parts(playbook, full=True)


def _shadow(graph: Document) -> str:
    if graph.get("shadow_note"):
        return f"unknown. {graph['shadow_note']}"
    shadows = [c for c in components_of(graph) if c["shadow"]]
    if not shadows:
        return "none found; every observed agent is in the catalog."
    first, rest = shadows[0], [_short(c["name"]) for c in shadows[1:]]
    others = f" Also undeclared: {first_names(rest)}." if rest else ""
    return (
        f"{_short(first['name'])} runs ({first['invocations']:,} invocations, {first['errors']:,}"
        f" failed), but the catalog does not declare it.{others}"
    )


def _spof(analysis: Document, simulation: Document, called: Mapping[str, str]) -> str:
    failed, radius = simulation["failed_components"][0], simulation["blast_radius"]
    if failed not in {s["id"] for s in analysis["spofs"]}:
        return "none found; no single failure makes a workflow fail."
    label = _label(failed, called)
    if not radius["runs_seen"]:
        return f"{label}; the share of runs lost is unknown: no run was recorded."
    return (
        f"{label}; its failure loses {count(radius['runs_lost'])} of {radius['runs_seen']:,}"
        f" recorded runs ({percent(radius['runs_share'])})."
    )


def _fallback(fallbacks: Sequence[Document], called: Mapping[str, str]) -> str:
    if not fallbacks:
        return "none observed."
    best = max(fallbacks, key=lambda f: f["rescued"])
    if not best["rescued"]:
        return "none that saved a run: every observed attempt failed."
    owner, primary, secondary = (_label(best[m], called) for m in ("owner", "primary", "secondary"))
    return (
        f"{owner} switched from {primary} to {secondary}; {best['rescued']:,} of"
        f" {plural(best['count'], 'attempt')} succeeded."
    )


def _money(simulation: Document, called: Mapping[str, str]) -> str:
    estimate = simulation["impact_estimate"]
    if estimate["revenue_risk"] is None:
        return "unknown: no value per run is declared."
    lost = [w for w in simulation["impacted_workflows"] if w["runs_lost"]]
    unpriced = [w["name"] for w in lost if w["value_lost"] is None]
    rest = f" (no value declared for {first_names(unpriced)})" if unpriced else ""
    label = _label(simulation["failed_components"][0], called)
    return f"{value_lost(estimate)} if {label} fails{rest}."


def _label(id_: str, called: Mapping[str, str]) -> str:
    return _short(called.get(id_, id_))


def _short(text: str) -> str:
    return shorten(text, NAME_WIDTH)
