"""What the doctor found."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, section
from agentguard.cli.tables.rows import Rows, names, sentences, text

_COLUMNS = (text("Finding"), names("Check"), sentences("What"))
_STYLES = {"fine": "green", "warning": "yellow", "broken": "bold red"}


def diagnosis_parts(document: Document) -> list[RenderableType]:
    """Return all checks, the worst first."""
    order = list(reversed(_STYLES))
    checks = sorted(document["checks"], key=lambda check: order.index(check["finding"]))
    rows: list[list[str | Text]] = [
        [Text(c["finding"], style=_STYLES[c["finding"]]), Text(c["name"]), Text(c["detail"])]
        for c in checks
    ]
    return [section(f"Everything together: {document['finding']}", Rows(_COLUMNS, rows))]
