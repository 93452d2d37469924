"""Notifications: a page of them, and what became of a test; times are local."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, plural, section
from agentguard.cli.tables.incidents import local
from agentguard.cli.tables.rows import Rows, dispensable, number, sentences, text

_COLUMNS = (
    text("Changed"),
    text("Receiver"),
    text("Message"),
    text("State"),
    number("Attempts"),
    dispensable(text("Next attempt"), 1),
    dispensable(text("Incident"), 2),
    sentences("Reason"),
)
_STYLES = {"given_up": "bold red", "delivered": "green", "waiting": "yellow"}


def page_parts(document: Document) -> list[RenderableType]:
    """Return a page of notifications, and who is told."""
    found = document["notifications"]
    parts: list[RenderableType] = [_receivers(document)]
    if not found:
        return [*parts, faint("No notification matches.")]
    rows: list[list[str | Text]] = [
        [
            local(each["created_at"]),
            each["receiver"],
            each["type"],
            Text(each["state"], style=_STYLES[each["state"]]),
            str(each["attempts"]),
            local(each["next_attempt_at"]),
            each["incident"] or "–",
            each["reason"] or "–",
        ]
        for each in found
    ]
    parts.append(section(plural(len(found), "notification"), Rows(_COLUMNS, rows)))
    if document["next"]:
        parts.append(faint(f"More: agentguard notifications list --before {document['next']}"))
    return parts


def outcome_lines(document: Document) -> Iterator[Text]:
    """Yield a line for each receiver of a test."""
    for each in document["receivers"]:
        who = f"{each['receiver']} ({each['host']})"
        if each["delivered"]:
            yield Text.assemble(("delivered", "green"), f"  {who}")
        else:
            yield Text.assemble(("failed", "bold red"), f"     {who}: {each['reason']}")


def _receivers(document: Document) -> Text:
    named = [f"{each['receiver']} ({each['host']})" for each in document["receivers"]]
    return faint(f"Told about incidents: {', '.join(named) or 'nobody'}.")
