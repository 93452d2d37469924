"""The tables that `agentguard dialects` prints."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, count, faint, hanging, name, plural, section
from agentguard.cli.tables.rows import ROWS, Rows, dispensable, names, number, sentences, text

_LIST = (names("Dialect"), number("Rules"), names("File"), dispensable(sentences("About")))
_SPANS = (
    names("Span"),
    text("Role"),
    names("Rule"),
    names("Component"),
    names("Owner"),
    dispensable(sentences("Because of")),
)
_CHANGES = (names("Span"), text("Became"), names("By"), dispensable(sentences("Why")))
_NO_ROLE = "–"


def list_parts(document: Document) -> list[RenderableType]:
    """Return all dialects in order."""
    rows: list[list[str | Text]] = [
        [name(d["id"]), count(d["rules"]), name(d["file"]), Text(d["about"])]
        for d in document["dialects"]
    ]
    return [section(f"{plural(len(rows), 'dialect')}, in order of application", Rows(_LIST, rows))]


def explain_parts(document: Document, *, full: bool) -> list[RenderableType]:
    """Return the spans of a trace as a tree, what changed afterwards, and what was left."""
    spans, top = document["spans"], None if full else 3 * ROWS
    rows: list[list[str | Text]] = [_span(span) for span in spans]
    title = f"Trace {document['trace_id']}: {plural(len(spans), 'span')}"
    parts: list[RenderableType] = [section(title, Rows(_SPANS, rows, top=top))]
    changes: list[list[str | Text]] = [
        [name(span["name"]), change["role"] or _NO_ROLE, name(change["by"]), Text(change["why"])]
        for span in spans
        for change in span["changes"]
    ]
    if changes:
        title = "Roles changed by what the whole trace shows"
        parts.append(section(title, Rows(_CHANGES, changes, top=None if full else ROWS)))
    return [*parts, *_files(document), _left(document)]


def check_parts(document: Document) -> list[RenderableType]:
    """Return each file with its rules, or the faults of all."""
    if document["faults"]:
        faults = [
            hanging(f"{fault['file']}:{fault['line'] or ''}", fault["problem"])
            for fault in document["faults"]
        ]
        return [section(plural(len(faults), "fault"), *faults)]
    return [
        Text(f"{file['file']}: {plural(file['rules'], 'rule')} of {file['id']}, valid.")
        for file in document["files"]
    ]


def _span(span: Document) -> list[str | Text]:
    component, owner = span["component"], span["owner"]
    return [
        Text("  " * span["depth"] + span["name"], no_wrap=True, overflow="ellipsis"),
        span["role"] or _NO_ROLE,
        name(span["rule"]),
        name(component and component["id"]),
        name(owner and owner["component"]["id"]),
        Text(_because(span)),
    ]


def _because(span: Document) -> str:
    if span["owner"] is not None:
        return str(span["owner"]["why"])
    return "nothing above it calls it" if span["component"] else ""


def _files(document: Document) -> list[RenderableType]:
    """Return where the rules of these spans are."""
    files = {
        span["rule"].partition("#")[0]: span["file"] for span in document["spans"] if span["file"]
    }
    named = (f"{dialect} in {file}" for dialect, file in sorted(files.items()))
    return [faint(f"Rules: {', '.join(named)}.")] if files else []


def _left(document: Document) -> RenderableType:
    left = document["without_role"]
    if not left:
        return faint("Every span has a role.")
    scopes = ", ".join(f"{scope} {spans:,}" for scope, spans in left.items())
    return faint(
        f"Spans that no rule claims, by scope: {scopes}. `agentguard dialects suggest PATH` drafts"
        " rules for them."
    )
