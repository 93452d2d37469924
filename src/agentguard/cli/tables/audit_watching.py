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
    told = f"{document['finding'].capitalize()}: {document['detail'].rstrip('.')}."
    parts: list[RenderableType] = [
        Text(f"ALARM. {told}", style="bold red") if alarm else answer(told)
    ]
    if document["trusted_on_first_use"] and document["key"] is not None:
        parts.append(Group(Text(_ON_FIRST_USE), hanging("Key", document["key"], indent=2)))
    if document["evidence"]:
        lines = (Text(path) for path in document["evidence"])
        parts.append(section("Evidence: the signed checkpoints", Group(*lines)))
    return [*parts, faint(f"Remembered in {document['state']}")]
