"""The checks of `agentguard doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, plural, section
from agentguard.cli.tables.rows import Rows, names, sentences, text

_COLUMNS = (text("Status"), names("Check"), sentences("Detail"))
_STYLES = {"fine": "green", "warning": "yellow", "broken": "bold red"}


def diagnosis_parts(document: Document) -> list[RenderableType]:
    """Return the counts per status, then all checks, the worst first."""
    order = list(reversed(_STYLES))
    checks = sorted(document["checks"], key=lambda check: order.index(check["finding"]))
    rows: list[list[str | Text]] = [
        [Text(c["finding"], style=_STYLES[c["finding"]]), Text(c["name"]), Text(c["detail"])]
        for c in checks
    ]
    return [section(_summary([c["finding"] for c in checks]), Rows(_COLUMNS, rows))]


def _summary(findings: Sequence[str]) -> str:
    counts = ((findings.count(status), status) for status in reversed(_STYLES))
    found = ", ".join(f"{number} {status}" for number, status in counts if number)
    return f"{plural(len(findings), 'check')}: {found}"
