"""The report of one trace: the answer, the failing path, the tree."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    answer,
    faint,
    milliseconds,
    moment,
    name,
    plural,
    section,
)
from agentguard.cli.tables.rows import ROWS, Rows, dispensable, names, number, text

_TREE = (
    names("Span"),
    text("Role"),
    names("Component"),
    dispensable(names("Owner"), 2),
    dispensable(names("Service"), 3),
    number("Took"),
    text(""),
)
_DEEPEST = 12
"""Levels of indentation; deeper spans say their depth."""
_NO_ROLE = "–"


def trace_parts(document: Document, *, full: bool) -> list[RenderableType]:
    """Return what failed where, the failing path and the tree, cut after ROWS rows unless full."""
    top = None if full else ROWS
    parts: list[RenderableType] = [answer(_answer(document)), faint(_origin(document))]
    if document["failing_path"]:
        parts.append(_path(document, top))
    parts.append(_tree(document["spans"], "Spans", top))
    parts += [faint(note) for note in document["notes"]]
    return parts


def _answer(document: Document) -> str:
    entry, cause = document["entry"], document["first_cause"]
    if cause is None:
        return f"No span of this trace failed. It starts with {_called(entry)}."
    where = f"{_called(cause)} failed first"
    if cause["owner"]:
        where += f", called by {cause['owner']['component']['name'] or _unnamed(cause['owner'])}"
    match document["outcome"]:
        case "failed" if cause["span_id"] == entry["span_id"]:
            return f"{_called(entry)} failed; no failed call below it reached it."
        case "failed":
            return f"{where}; {_called(entry)}, the entry, failed too."
        case "absorbed":
            return f"{where}; {_called(document['absorbed_by'])} absorbed it and succeeded."
        case _:
            return f"{where}, in a part without a stored parent. {_called(entry)} succeeded."


def _unnamed(owner: Document) -> str:
    return str(owner["component"]["id"])


def _called(span: Document) -> str:
    component = span["component"]
    return str((component and component["name"]) or span["name"] or span["span_id"])


def _origin(document: Document) -> str:
    """Return where the trace was found, when it ran and for how long."""
    where = (
        "stored spans"
        if document["source"] == "spans"
        else f"recorded runs of graph {document['graph_version']}, dataset {document['dataset']}"
    )
    took = document["duration_ms"]
    ran = f"{moment(document['started_at'])} UTC" if document["started_at"] else "time unknown"
    parts = [
        f"Trace {document['trace_id']}",
        where,
        plural(document["spans_total"], "span"),
        f"{document['failed_spans']:,} failed",
        ran if took is None else f"{ran}, {milliseconds(took)}",
    ]
    return " · ".join(parts) + (f"\n{document['url']}" if document["url"] else "")


def _path(document: Document, top: int | None) -> RenderableType:
    length = document["failing_path_length"]
    return _tree(
        document["failing_path"],
        f"Failing path, from the top to the first cause: {plural(length, 'span')}",
        top,
    )


def _tree(spans: Sequence[Document], title: str, top: int | None) -> RenderableType:
    rows: list[list[str | Text]] = [_row(span) for span in spans]
    return section(title, Rows(_TREE, rows, top=top))


def _row(span: Document) -> list[str | Text]:
    component, owner = span["component"], span["owner"]
    failed = span["failed"]
    return [
        Text(_indented(span), no_wrap=True, overflow="ellipsis", style="red" if failed else ""),
        span["role"] or _NO_ROLE,
        name(component and component["id"]),
        name(owner and owner["component"]["id"]),
        name(span["service"]),
        milliseconds(span["duration_ms"]),
        Text(_remark(span), style="red" if failed else "dim"),
    ]


def _indented(span: Document) -> str:
    depth = span["depth"]
    if depth <= _DEEPEST:
        return f"{'  ' * depth}{span['name']}"
    return f"{'  ' * _DEEPEST}(level {depth + 1:,}) {span['name']}"


def _remark(span: Document) -> str:
    remarks = ["failed"] if span["failed"] else []
    if span["parent"] in ("missing", "cut"):
        remarks.append("parent missing" if span["parent"] == "missing" else "cycle cut")
    return ", ".join(remarks)
