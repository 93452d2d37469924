"""Single points of failure, cycles, risk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    NAME_WIDTH,
    Document,
    answer,
    bar,
    count,
    faint,
    hanging,
    height,
    name,
    plural,
    section,
    trace,
)
from agentguard.cli.tables.findings import (
    first_risks_part,
    headline,
    redundancy_part,
    series_part,
)
from agentguard.cli.tables.origin import origin_part
from agentguard.cli.tables.rows import (
    ROWS,
    Column,
    Rows,
    dispensable,
    left_out,
    names,
    number,
    sentences,
    text,
)
from agentguard.graph.export.sanitizing import shorten

_SPOFS = (
    names("Component"),
    text("Kind"),
    dispensable(text(""), 2),
    sentences("Runs lost of each workflow"),
    dispensable(text("Trace"), 1),
)
_FACTORS = {
    "redundancy": "A spare saves",
}
_LOOPS = {
    "ping_pong": ("⇄", "transfer"),
    "retry_storm": ("→", "failed attempt"),
    "growing_context": ("→", "growing model call"),
}
_IN_CYCLE = 8
"""Names of a long cycle that a short report shows after the first."""
_EXPLAINED = 3
"""Components whose factors are explained below the ranking."""


def analysis_parts(
    analysis: Document, called: Mapping[str, str], *, full: bool = False
) -> list[RenderableType]:
    """Return the parts of an analysis; `full` shows every row.

    `called` maps ids of components and workflows to their labels.
    """
    head = Group(origin_part(analysis), answer(headline(analysis, called)))
    decides = [
        series_part(analysis["series"], called, full=full),
        *redundancy_part(analysis, called, full=full),
    ]
    if not full:
        cycles = cycles_part(analysis, called, top=ROWS)
        loops = run_loops_part(analysis["run_loops"], called, top=ROWS)
        return [head, *decides, cycles, *loops, first_risks_part(analysis, called)]
    return [
        head,
        *decides,
        spofs_part(analysis["spofs"], called),
        cycles_part(analysis, called),
        *run_loops_part(analysis["run_loops"], called),
        risks_part(analysis, called, explained=None),
    ]


def spofs_part(
    spofs: Sequence[Document], called: Mapping[str, str], *, top: int | None = None
) -> RenderableType:
    """Return the components whose failure alone makes a workflow fail."""
    if not spofs:
        return section(
            "Single points of failure",
            Text("None: no single failure makes a workflow fail."),
        )
    rows = [_spof_row(s, called) for s in spofs]
    return section(f"Single points of failure: {len(spofs):,}", Rows(_SPOFS, rows, top=top))


def _spof_row(spof: Document, called: Mapping[str, str]) -> list[str | Text]:
    workflows = sorted(spof["workflows"], key=lambda w: -(w["share_lost"] or 0))
    return [
        name(called.get(spof["id"], spof["name"]), style="bold"),
        spof["kind"],
        bar(workflows[0]["share_lost"] or 0 if workflows else 0),
        Text(_losses(workflows)),
        trace(spof["evidence"]),
    ]


def _losses(workflows: Sequence[Document]) -> str:
    losing = [_loss(w) for w in workflows if w["runs_lost"]]
    if not losing:
        return f"{'; '.join(shorten(w['name'], NAME_WIDTH) for w in workflows)} (worst case)"
    rest = len(workflows) - len(losing)
    return "; ".join([*losing, f"{rest:,} more in the worst case"] if rest else losing)


def _loss(w: Document) -> str:
    name_, lost = shorten(w["name"], NAME_WIDTH), count(w["runs_lost"])
    return f"{name_} {lost} of {count(w['runs_seen'])}"


def cycles_part(
    analysis: Document, called: Mapping[str, str], *, top: int | None = None
) -> RenderableType:
    """Return one shortest cycle of each strongly connected group."""
    cycles = analysis["cycles"]
    if not cycles:
        return section("Cycles", Text("None."))
    most = None if top is None else _IN_CYCLE
    lines = [_cycle_line(c, called, most) for c in cycles[:top]]
    if len(lines) < len(cycles):
        lines.append(faint(left_out(len(cycles) - len(lines))))
    return section(f"Cycles: {len(cycles):,}", *lines)


def _cycle_line(cycle: Document, called: Mapping[str, str], most: int | None) -> Text:
    first, *others = (name(called.get(c, c), style="bold", width=32) for c in cycle["witness"])
    shown = others[:most]
    if len(shown) < len(others):
        shown.append(faint(f"… {len(others) - len(shown):,} more"))
    line = Text("↺ ").append_text(Text(" → ").join([first, *shown, first]))
    more = len(cycle["components"]) - len(cycle["witness"])
    if more > 0:
        line.append(f"  ({plural(more, 'more component')} in the group)", style="dim")
    line.append("  trace ", style="dim").append_text(trace(cycle["evidence"]))
    line.no_wrap = False
    return line


def run_loops_part(
    loops: Sequence[Document], called: Mapping[str, str], *, top: int | None = None
) -> list[RenderableType]:
    """Return the loops seen within runs, as one section; none where no run has one."""
    if not loops:
        return []
    lines = [_run_loop_line(loop, called) for loop in loops[:top]]
    if len(lines) < len(loops):
        lines.append(faint(left_out(len(loops) - len(lines))))
    return [section(f"Loops within runs: {len(loops):,}", *lines)]


def _run_loop_line(loop: Document, called: Mapping[str, str]) -> Text:
    first, second = (name(called.get(c, c), style="bold", width=32) for c in loop["components"])
    link, what = _LOOPS[loop["kind"]]
    line = first.append(f" {link} ").append_text(second)
    line.append(
        f"  {plural(loop['times'], what)} in one run, seen in {plural(loop['runs'], 'run')}"
    )
    if loop["input_tokens"]:
        start, end = loop["input_tokens"]
        line.append(f"; input grows from {start:,} to {end:,} tokens")
    line.append("  trace ", style="dim").append_text(trace(loop["evidence"]))
    line.no_wrap = False
    return line


def risks_part(
    analysis: Document,
    called: Mapping[str, str],
    *,
    top: int | None = None,
    explained: int | None = _EXPLAINED,
) -> RenderableType:
    """Return the ranking by risk with each factor's contribution, the first ones explained."""
    risks = analysis["risks"]
    if not risks:
        return section("Risk", Text("Nothing to rank."))
    factors = _factor_names(risks[:top])
    shares = [number(_FACTORS.get(factor, factor.capitalize())) for factor in factors]
    columns: list[Column] = [
        names("Component"),
        dispensable(text("Kind"), 1),
        number("Risk"),
        dispensable(text(""), 2),
        *shares,
    ]
    ranking = Rows(columns, [_risk_row(r, factors, called) for r in risks], top=top)
    notes = [faint(n) for n in (_scale(analysis), analysis.get("risk_note")) if n]
    parts: list[RenderableType] = [ranking, *notes]
    if explained != 0:
        parts += [Text(""), _explained(risks[:explained], called)]
    return section("Risk, 0 to 10", *parts)


def _scale(analysis: Document) -> str:
    return (
        f"Risk is the sum of its factors (version {analysis['risk_version']}); a block shows a"
        f" factor's share of its weight. Overall risk, the highest: {analysis['overall_risk']:.1f}."
    )


def _factor_names(risks: Iterable[Document]) -> list[str]:
    weights = {f["name"]: f["weight"] for r in risks for f in r["factors"]}
    return sorted(weights, key=lambda factor: (-weights[factor], factor))


def _risk_row(
    risk: Document, factors: Sequence[str], called: Mapping[str, str]
) -> list[str | Text]:
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
    return Text.assemble(
        f"{factor['contribution']:.1f} ",
        (height(factor["value"]), _risk_style(10 * factor["value"])),
    )


def _risk_style(score: float) -> str:
    if score >= 6:
        return "red"
    return "yellow" if score >= 3 else "green"


def _explained(risks: Iterable[Document], called: Mapping[str, str]) -> Group:
    lines: list[RenderableType] = []
    for r in risks:
        lines.append(
            Text.assemble(
                name(called.get(r["id"], r["name"]), style="bold"), f"  {r['score']:.1f} ="
            )
        )
        lines += [
            hanging(f"{f['contribution']:.1f}", f"{f['name']}: {f['reason']}", indent=2, width=4)
            for f in r["factors"]
            if f["contribution"]
        ]
    return Group(*lines)
