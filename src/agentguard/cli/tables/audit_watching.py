"""What a monitor says."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, answer, faint, hanging, section

_ON_FIRST_USE = (
    "Trusted on first use: nobody but the log itself vouches for its key. Compare it with the one"
    " that the operator gives you by another way, or look with --key."
)


def look_parts(document: Document) -> list[RenderableType]:
    """Return one look at a log."""
    alarm = document["alarm"]
    parts: list[RenderableType] = [
        Text(f"ALARM: {_told(document)}", style="bold red") if alarm else answer(_told(document))
    ]
    if document["trusted_on_first_use"] and document["key"] is not None:
        parts.append(Group(Text(_ON_FIRST_USE), hanging("Key", document["key"], indent=2)))
    if document["evidence"]:
        lines = (Text(path) for path in document["evidence"])
        parts.append(section("Evidence: the signed checkpoints", Group(*lines)))
    return [*parts, faint(f"Remembered in {document['state']}")]


def _told(document: Document) -> str:
    """Return the finding as a sentence; a detail that says it again stands alone."""
    detail = document["detail"].rstrip(".")
    sentence = f"{detail[:1].upper()}{detail[1:]}."
    plain = ("first seen", "unchanged", "grown")
    known = document["finding"] in plain or detail.startswith(document["finding"])
    return sentence if known else f"{document['finding'].capitalize()}: {detail}."
