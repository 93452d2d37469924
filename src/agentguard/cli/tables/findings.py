"""What decides an analysis: series, redundancy that is none, shared fates, the first risks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    NAME_WIDTH,
    Document,
    bar,
    count,
    faint,
    first_names,
    hanging,
    name,
    plural,
    section,
)
from agentguard.cli.tables.rows import (
    Rows,
    dispensable,
    left_out,
    names,
    number,
    sentences,
    text,
)
from agentguard.graph.export.sanitizing import shorten

_ROOTS = (
    names("Root"),
    text("Kind"),
    number("Runs lost"),
    dispensable(text(""), 2),
    number("A spare saves"),
    dispensable(sentences("Fails with it"), 1),
)
_WORKFLOWS = 3
"""Workflows whose roots are listed without --full."""
_FIRST = 5
"""Roots, shared fates, cut sets and risks that are listed without --full."""


def headline(analysis: Document, called: Mapping[str, str]) -> str:
    """Return the answer in one line: what loses most, and what helps most."""
    return f"{_worst(analysis['series'], called)} {_riskiest(analysis, called)}".strip()


def _worst(series: Sequence[Document], called: Mapping[str, str]) -> str:
    if not series:
        return "No single failure makes a workflow fail."
    first = series[0]
    points = plural(first["components"], "single point")
    sentence = f"{shorten(first['name'], NAME_WIDTH)} has {points} of failure"
    if not first["roots"]:
        return f"{sentence}."
    root = first["roots"][0]
    label = _label(root["id"], called)
    if root["runs_lost"] is None:
        return f"{sentence}, {label} among them; no run was recorded."
    lost = f"{count(root['runs_lost'])} of {count(first['runs_seen'])} runs"
    if not root["spare_saves"]:
        return f"{sentence}; {label} alone loses {lost}."
    return (
        f"{sentence}; {label} alone loses {lost}, and a spare for it saves"
        f" {count(root['spare_saves'])}."
    )


def _components(series: Document) -> str:
    return plural(series["components"], "component")


def _riskiest(analysis: Document, called: Mapping[str, str]) -> str:
    if not analysis["risks"]:
        return ""
    first = analysis["risks"][0]
    return f"Highest risk: {_label(first['id'], called)}, {first['score']:.1f} of 10."


def series_part(
    series: Sequence[Document], called: Mapping[str, str], *, full: bool = False
) -> RenderableType:
    """Return the roots of each workflow's single points of failure."""
    if not series:
        return section(
            "Single points of failure", Text("None: no single failure makes a workflow fail.")
        )
    shown = series if full else series[:_WORKFLOWS]
    parts: list[RenderableType] = []
    for each in shown:
        parts += [*([Text("")] if parts else []), *_one_series(each, called, full=full)]
    if len(shown) < len(series):
        rest = [s["name"] for s in series[len(shown) :]]
        parts.append(faint(f"Also {first_names(rest)}; --full shows all."))
    return section("Single points of failure, by workflow", *parts)


def _one_series(
    series: Document, called: Mapping[str, str], *, full: bool
) -> Iterator[RenderableType]:
    entries = first_names([_label(e, called) for e in series["entries"]])
    entry = f"; it starts in {entries}" if entries else ""
    yield Text.assemble(
        name(series["name"], style="bold"),
        f"  {count(series['runs_seen'])} runs, {_components(series)} in series{entry}",
    )
    if series["roots"]:
        rows = [_root_row(root, series, called) for root in series["roots"]]
        yield Rows(_ROOTS, rows, top=None if full else _FIRST)
    only = series["structural_only"]
    if only:
        labels = [_label(c, called) for c in only]
        shown = first_names(labels, len(only) if full else 3)
        yield faint(f"Structurally only, no recorded run lost: {shown}")


def _root_row(root: Document, series: Document, called: Mapping[str, str]) -> list[str | Text]:
    return [
        name(_label(root["id"], called), style="bold"),
        root["kind"],
        "–"
        if root["runs_lost"] is None
        else f"{count(root['runs_lost'])} of {count(series['runs_seen'])}",
        bar(root["share_lost"] or 0),
        count(root["spare_saves"]),
        Text(first_names([_label(c, called) for c in root["inherits"]], 4) or "–"),
    ]


def redundancy_part(
    analysis: Document, called: Mapping[str, str], *, full: bool = False
) -> list[RenderableType]:
    """Return fallbacks that share their primary's fate, and what fails together otherwise."""
    false = [_false_line(f, called) for f in analysis["false_redundancies"]]
    fates = [_fate_line(f, called) for f in analysis["shared_fates"] if f["runs_lost"]]
    cuts = _cut_lines(analysis["cut_sets"]["workflows"], called, full=full)
    bounded = [faint(_BOUNDED)] if analysis["cut_sets"]["bounded"] else []
    parts: Sequence[tuple[str, list[RenderableType], list[Text]]] = (
        ("Fallbacks that fail with their primary", false, []),
        ("Shared fates", fates, []),
        ("Harmful only together", cuts, bounded),
    )
    return [
        section(title, *_limited(lines, full=full), *notes)
        for title, lines, notes in parts
        if lines
    ]


def _cut_lines(
    workflows: Sequence[Document], called: Mapping[str, str], *, full: bool
) -> list[RenderableType]:
    """Return the cut sets that lose at least one run, most runs lost first."""
    cuts = [
        (c["runs_lost"] or 0.0, _cut_line(c, w, called))
        for w in workflows
        for c in w["sets"]
        if full or c["runs_lost"] is None or c["runs_lost"] >= 1
    ]
    return [line for _, line in sorted(cuts, key=lambda cut: -cut[0])]


_BOUNDED = "The search for combinations was bounded; there can be more."


def _limited(lines: Sequence[RenderableType], *, full: bool) -> Iterator[RenderableType]:
    shown = lines if full else lines[:_FIRST]
    yield from shown
    if len(shown) < len(lines):
        yield faint(left_out(len(lines) - len(shown)))


def _false_line(f: Document, called: Mapping[str, str]) -> RenderableType:
    members = " → ".join(_label(m, called) for m in f["members"])
    shared = first_names([_label(s, called) for s in f["shared"]])
    why = f"all fail with {shared}" if shared else f"all are {f['family']} models, by their names"
    return hanging("●", f"{_label(f['owner'], called)}: {members}; {why}")


def _fate_line(f: Document, called: Mapping[str, str]) -> RenderableType:
    members = first_names([_label(m, called) for m in (*f["members"], *f["partly"])])
    workflows = plural(len(f["workflows"]), "workflow")
    return hanging(
        "●",
        Text.assemble(
            (f["group"], "bold"),
            f"  {count(f['runs_lost'])} runs of {workflows} lost; {members}",
        ),
    )


def _cut_line(cut: Document, workflow: Document, called: Mapping[str, str]) -> RenderableType:
    members = " + ".join(_label(m, called) for m in cut["members"])
    lost = "fails" if cut["runs_lost"] is None else f"loses {count(cut['runs_lost'])} runs"
    return hanging("●", f"{members}: {shorten(workflow['name'], NAME_WIDTH)} {lost}")


def first_risks_part(analysis: Document, called: Mapping[str, str]) -> RenderableType:
    """Return the highest risks, each with the two factors that contribute most."""
    risks = analysis["risks"]
    if not risks:
        return section("Risk", Text("Nothing to rank."))
    lines = [
        hanging(
            f"{r['score']:.1f}",
            Text.assemble(
                (_label(r["id"], called), "bold"),
                f" ({r['score_low']:.1f}–{r['score_high']:.1f})  ",
                " ".join(_reasons(r)),
            ),
            width=4,
        )
        for r in risks[:_FIRST]
    ]
    more = [faint("--full shows all, with every factor.")]
    return section("Risk, 0 to 10", Group(*lines), *more)


def _reasons(risk: Document) -> list[str]:
    """Return the reasons of the two factors that say most: not those that repeat the impact."""
    telling = [f for f in risk["factors"] if f["name"] in ("impact", "likelihood", "exposure")]
    return [f["reason"] for f in telling if f["contribution"]][:2]


def _label(id_: str, called: Mapping[str, str]) -> str:
    return shorten(called.get(id_, id_), NAME_WIDTH)
