"""The table of workflows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    bar,
    count,
    failures,
    faint,
    name,
    plural,
    section,
)
from agentguard.cli.tables.rows import Rows, dispensable, names, number, text

_WORKFLOWS = (
    names("Workflow"),
    names("Entry"),
    number("Runs"),
    number("Failed"),
    dispensable(text("")),
)


def workflows_part(
    workflows: Sequence[Document], called: Mapping[str, str], *, top: int | None = None
) -> RenderableType:
    """Return the workflows with their runs and failures."""
    if not workflows:
        return section("Workflows", faint("None: no trace has a named root span."))
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
    notes = [
        faint(f"  {name(w['name']).plain}: {', '.join(stopped([w]))}, not failed")
        for w in workflows[:top]
        if stopped([w])
    ]
    return section(f"Workflows: {len(workflows):,}", Rows(_WORKFLOWS, rows, top=top), *notes)


def stopped(workflows: Sequence[Document]) -> list[str]:
    """Return how many runs neither succeeded nor failed, and why."""
    waiting = sum(w["waiting_for_person"] for w in workflows)
    guarded = sum(w["stopped_by_guardrail"] for w in workflows)
    found = [(waiting, "waiting for a person"), (guarded, "stopped by a guardrail")]
    return [f"{plural(number, 'run')} {why}" for number, why in found if number]
