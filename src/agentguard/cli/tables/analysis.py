"""Single points of failure, cycles, risk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, bar, count, faint, height, name, percent, section, trace
from agentguard.cli.tables.rows import MAX_ROWS, Column, Rows, dispensable, names, number, text

_SPOFS = (names("Component"), text("Kind"), names("Workflow"), number("Runs lost"), number("Share"), dispensable(text("")), text("Trace"))
_EXPLAINED = 3
"""Components whose factors are spelled out below the ranking."""
_CYCLES_SHOWN = 20


def analysis_parts(analysis: Document, called: Mapping[str, str]) -> list[RenderableType]:
    """Return the findings' parts; `called` says what to call each component and workflow."""
    return [spofs_part(analysis["spofs"], called), cycles_part(analysis, called), risks_part(analysis, called)]


def spofs_part(spofs: Sequence[Document], called: Mapping[str, str]) -> RenderableType:
    """Return the components whose failure alone brings a workflow down."""
    if not spofs:
        return section("Single points of failure", Text("None: no component's failure alone brings a workflow down."))
    rows = [_spof_row(s, w, called) for s in spofs for w in s["workflows"]]
    return section(f"Single points of failure: {len(spofs):,}", Rows(_SPOFS, rows))


def _spof_row(spof: Document, workflow: Document, called: Mapping[str, str]) -> list[str | Text]:
    lost, share = workflow["runs_lost"], workflow["share_lost"]
    return [
        name(called.get(spof["id"], spof["name"]), style="bold"),
        spof["kind"],
        name(workflow["name"] + (" (starts here)" if workflow["is_entry"] else "")),
        "–" if lost is None else f"{count(lost)} of {count(workflow['runs_seen'])}",
        percent(share),
        bar(share or 0),
        trace(spof["evidence"]),
    ]


def cycles_part(analysis: Document, called: Mapping[str, str]) -> RenderableType:
    """Return one shortest cycle of each group of components that depend on each other."""
    cycles = analysis["cycles"]
    if not cycles:
        return section("Cycles", Text("None."))
    lines = [_cycle_line(c, called) for c in cycles[:_CYCLES_SHOWN]]
    if len(cycles) > _CYCLES_SHOWN:
        lines.append(faint(f"… and {len(cycles) - _CYCLES_SHOWN:,} more; --format json has all of them."))
    return section(f"Cycles: {len(cycles):,}", *lines)


def _cycle_line(cycle: Document, called: Mapping[str, str]) -> Text:
    witness = [*cycle["witness"], cycle["witness"][0]]
    line = Text("↺ ").append_text(Text(" → ").join(name(called.get(c, c), style="bold", width=32) for c in witness))
    more = len(cycle["components"]) - len(cycle["witness"])
    if more > 0:
        line.append(f"  ({more:,} more components in it)", style="dim")
    line.append("  seen in ", style="dim").append_text(trace(cycle["evidence"]))
    line.no_wrap = False
    return line


def risks_part(analysis: Document, called: Mapping[str, str]) -> RenderableType:
    """Return the ranking by risk, every factor's contribution beside the score, the first ones explained."""
    risks = analysis["risks"]
    if not risks:
        return section("Risk", Text("Nothing to rank."))
    factors = _factor_names(risks[:MAX_ROWS])
    shares = [number(factor.capitalize()) for factor in factors]
    columns: list[Column] = [names("Component"), text("Kind"), number("Risk"), dispensable(text("")), *shares]
    ranking = Rows(columns, [_risk_row(r, factors, called) for r in risks])
    notes = [faint(n) for n in (_scale(analysis), analysis.get("risk_note")) if n]
    return section(f"Risk: {analysis['overall_risk']:.1f} of 10", ranking, *notes, Text(""), _explained(risks[:_EXPLAINED], called))


def _scale(analysis: Document) -> str:
    version = analysis["risk_version"]
    return f"0 to 10, version {version}: the sum of the factors. The blocks show how much of a factor's weight is used up."


def _factor_names(risks: Iterable[Document]) -> list[str]:
    weights = {f["name"]: f["weight"] for r in risks for f in r["factors"]}
    return sorted(weights, key=lambda factor: (-weights[factor], factor))


def _risk_row(risk: Document, factors: Sequence[str], called: Mapping[str, str]) -> list[str | Text]:
    by_name = {f["name"]: f for f in risk["factors"]}
    return [
        name(called.get(risk["id"], risk["name"]), style="bold"),
        risk["kind"],
        f"{risk['score']:.1f}",
        bar(risk["score"] / 10, style=_risk_style(risk["score"])),
        *(_factor_cell(by_name.get(factor)) for factor in factors),
    ]


def _factor_cell(factor: Document | None) -> Text:
    if factor is None:
        return Text("–", style="dim")
    return Text.assemble(f"{factor['contribution']:.1f} ", (height(factor["value"]), _risk_style(10 * factor["value"])))


def _risk_style(score: float) -> str:
    if score >= 6:
        return "red"
    return "yellow" if score >= 3 else "green"


def _explained(risks: Iterable[Document], called: Mapping[str, str]) -> Group:
    lines: list[RenderableType] = []
    for r in risks:
        lines.append(Text.assemble(name(called.get(r["id"], r["name"]), style="bold"), f"  {r['score']:.1f}, because"))
        lines += [Text(f"  {f['contribution']:.1f}  {f['name']}: {f['reason']}") for f in r["factors"] if f["contribution"]]
    return Group(*lines)
