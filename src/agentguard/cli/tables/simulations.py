"""Stored simulations: lists, one of them repeated, and two compared."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    count,
    faint,
    first_names,
    hanging,
    moment,
    name,
    percent,
    plural,
    rounded,
    section,
    severity,
)
from agentguard.cli.tables.rows import ROWS, Rows, dispensable, names, number, sentences, text
from agentguard.cli.tables.simulation import simulation_parts

_SIMULATIONS = (
    text("Simulation"),
    names("Fails"),
    text("Severity"),
    number("Lost"),
    number("Runs"),
    dispensable(text("Method"), 1),
    dispensable(text("Dataset"), 2),
    dispensable(text("Stored"), 3),
)
_INPUTS = (text("Input"), sentences("a"), sentences("b"))
_WORKFLOWS = (
    names("Workflow"),
    number("Lost in a"),
    number("Lost in b"),
    number("Change"),
    dispensable(number("Share in a"), 1),
    dispensable(number("Share in b"), 1),
)
_STATES = {"identical": "green", "different": "red", "expired": "yellow"}


def page_parts(document: Document) -> list[RenderableType]:
    """Return a page of stored simulations."""
    found = document["simulations"]
    if not found:
        return [faint("No simulation matches.")]
    rows: list[list[str | Text]] = [
        [
            s["id"],
            name(first_names(s["failed_components"])),
            severity(s["severity"]),
            count(s["runs_lost"]),
            count(s["runs_seen"]),
            s["method"],
            s["dataset"],
            moment(s["created_at"]),
        ]
        for s in found
    ]
    parts: list[RenderableType] = [
        section(plural(len(found), "simulation"), Rows(_SIMULATIONS, rows))
    ]
    if document["next"]:
        parts.append(faint(f"More: agentguard simulations --before {document['next']}"))
    return parts


def stored_parts(document: Document, *, full: bool = False) -> list[RenderableType]:
    """Return a stored simulation: whether repeating it gives the same, then its result."""
    stored, repeat = document["stored"], document["repeat"]
    known = [*document["impacted_components"], *document["impacted_workflows"]]
    made = (
        f"{moment(stored['created_at'])} by {stored['created_by']},"
        f" AgentGuard {stored['agentguard_version']}"
    )
    result = repeat["reason"] or "the same result, bit for bit"
    about = Group(
        hanging("Simulation", document["id"], width=12, style="dim"),
        hanging("Stored", made, width=12, style="dim"),
        hanging("Repeated", Text(result, style=_STATES[repeat["state"]]), width=12, style="dim"),
    )
    return [about, *simulation_parts(document, {k["id"]: k["name"] for k in known}, full=full)]


def comparison_parts(document: Document, *, full: bool = False) -> list[RenderableType]:
    """Return what differs between two stored simulations, tables cut unless `full`."""
    top = None if full else ROWS
    return [
        Group(*(hanging(side, _side(document[side]), width=2) for side in ("a", "b"))),
        _inputs(document["inputs"]),
        _workflows(document, top=top),
        _components(document["components"]),
        hanging("Value lost", _money(document["money"]), width=12),
    ]


def _side(record: Document) -> str:
    return (
        f"{record['id']}: {first_names(record['failed_components'])}, {record['method']}, graph"
        f" {record['graph_version']} of {record['dataset']}"
    )


def _inputs(changed: list[Document]) -> RenderableType:
    if not changed:
        return section("Inputs that differ", Text("None."))
    rows: list[list[str | Text]] = [[i["name"], _value(i["a"]), _value(i["b"])] for i in changed]
    return section("Inputs that differ", Rows(_INPUTS, rows))


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_value(v)}" for k, v in value.items()) or "none"
    return "–" if value is None else str(value)


def _workflows(document: Document, *, top: int | None) -> RenderableType:
    lost = document["runs_lost"]
    title = (
        f"Runs lost: {count(lost['a'])} in a, {count(lost['b'])} in b ({_signed(lost['change'])})"
    )
    if not document["workflows"]:
        return section(title, Text("No workflow loses runs in either."))
    rows: list[list[str | Text]] = [
        [
            name(w["name"], style="bold"),
            count(w["runs_lost"]["a"]),
            count(w["runs_lost"]["b"]),
            _signed(w["runs_lost"]["change"]),
            percent(w["share_lost"]["a"]),
            percent(w["share_lost"]["b"]),
        ]
        for w in document["workflows"]
    ]
    return section(title, Rows(_WORKFLOWS, rows, top=top))


def _signed(change: float | None) -> str:
    if change is None:
        return "–"
    shown = rounded(change)
    return f"{shown:+,}" if shown else "hardly any change" if change else "no change"


def _components(found: Document) -> RenderableType:
    lines = [
        hanging("a only:", first_names([c["name"] for c in found["only_in_a"]]) or "none"),
        hanging("b only:", first_names([c["name"] for c in found["only_in_b"]]) or "none"),
        hanging("both:", plural(found["in_both"], "component")),
    ]
    return section("Components affected", *lines)


def _money(money: Document) -> str:
    a, b = (
        "unknown"
        if money[side] is None
        else f"{money[side]:,.2f} {money[f'currency_{side}'] or ''}".strip()
        for side in ("a", "b")
    )
    change = money["reason"] if money["change"] is None else _signed(money["change"])
    return f"{a} in a, {b} in b. {change}"
