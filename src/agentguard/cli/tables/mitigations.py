"""What would save runs."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    count,
    faint,
    first_names,
    hanging,
    section,
)
from agentguard.cli.tables.rows import left_out

_FIRST = 8
_IN_CALLERS = {"spare", "retry", "timeout", "circuit_breaker", "cache"}
_KINDS = {
    "spare": "A spare for {components}",
    "separate_fate": "Move the fallback {components} to where it does not fail with its primary",
    "replicas": "Replicas of {components}",
    "retry": "Retry calls to {components}, within a budget",
    "timeout": "A timeout on calls to {components}",
    "circuit_breaker": "A circuit breaker before {components}",
    "cache": "A cache of answers of {components}",
}


def mitigations_part(
    document: Document, called: Mapping[str, str], *, full: bool = False
) -> RenderableType:
    """Return the mitigations, what saves most first."""
    found = document["mitigations"]
    if not found:
        return section("What would help", Text(document["note"] or "Nothing that was simulated."))
    shown = found if full else found[:_FIRST]
    lines = [hanging("●", _line(m, called, document["currency"])) for m in shown]
    rest = [faint(left_out(len(found) - len(shown)))] if len(shown) < len(found) else []
    notes = [faint(basis) for basis in dict.fromkeys(m["basis"] for m in shown if m["runs_saved"])]
    return section("What would help", *lines, *rest, *notes)


def _line(m: Document, called: Mapping[str, str], currency: str | None) -> Text:
    components = first_names([called.get(c, c) for c in m["components"]])
    what = _KINDS[m["kind"]].format(components=components)
    owners = first_names([called.get(o, o) for o in m["owners"]])
    where = f" (in {owners})" if owners and m["kind"] in _IN_CALLERS else ""
    why = "" if m["runs_saved"] else m["basis"]
    return Text.assemble((f"{what}{where}: ", "bold"), _saves(m, currency), (why, "dim"))


def _saves(m: Document, currency: str | None) -> str:
    most = count(m["runs_saved_at_most"])
    if m["runs_saved"] is None:
        return f"unknown, at most {most} runs. "
    if not m["runs_saved"]:
        return "saves no run by itself. "
    value = (
        "" if m["value_saved"] is None else f", {m['value_saved']:,.2f} {currency or ''}".rstrip()
    )
    return f"saves {count(m['runs_saved'])} of the {most} runs lost{value}. "
