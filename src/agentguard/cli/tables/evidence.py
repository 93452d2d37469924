"""The report of the spans behind a claim."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, answer, faint, moment, name, plural, section
from agentguard.cli.tables.rows import Rows, dispensable, names, text

_SPANS = (
    text("Trace"),
    names("Span"),
    dispensable(names("Service"), 2),
    text("Recorded (UTC)"),
    text("Chosen as"),
    text("Status"),
    dispensable(names("Link")),
)
_STATUS = {None: "not stored", True: "failed", False: "ok"}


def evidence_parts(document: Document) -> list[RenderableType]:
    """Return the statement, its spans and how they were chosen."""
    rows: list[list[str | Text]] = [_row(span) for span in document["spans"]]
    parts: list[RenderableType] = [answer(document["statement"]), faint(_origin(document))]
    if rows:
        title = f"{plural(len(rows), 'span')}{_of_all(document)}"
        parts += [section(title, Rows(_SPANS, rows)), faint(document["chosen"])]
    return [*parts, *(faint(note) for note in document["notes"])]


def _origin(document: Document) -> str:
    graph = document["graph_version"]
    where = f" · dataset {document['dataset']}" if document["dataset"] else ""
    return f"{document['claim']}{where}" + (f" · graph {graph}" if graph else "")


def _of_all(document: Document) -> str:
    total = document["total"]
    return "" if total is None else f" of {total:,} {document['counted']}"


def _row(span: Document) -> list[str | Text]:
    return [
        span["trace_id"],
        name(span["name"] or span["span_id"]),
        name(span["service"]),
        moment(span["timestamp"]),
        str(span["reason"]),
        Text(_STATUS[span["failed"]], style="red" if span["failed"] else ""),
        name(span["url"]),
    ]
