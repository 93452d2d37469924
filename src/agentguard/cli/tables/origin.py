"""The heading of a report: its dataset, graph version and window."""

from __future__ import annotations

from rich.text import Text

from agentguard.cli.tables.cells import Document, faint


def origin_part(document: Document) -> Text:
    """Return the line that names the graph which the document describes."""
    dataset, version = document.get("dataset"), document.get("graph_version")
    facts = [
        f"Dataset {dataset}" if dataset else "Not stored",
        f"graph {version}" if version else "",
        _traces(document.get("window") or {}),
    ]
    return faint("; ".join(fact for fact in facts if fact))


def _traces(window: Document) -> str:
    between = times(window)
    return f"traces {between}" if between else ""


def times(window: Document) -> str:
    """Return the asked-for bounds, or the times between which the spans lie; "" for neither."""
    start = window.get("since") or window.get("from")
    end = window.get("until") or window.get("to")
    if not start and not end:
        return ""
    if start and end and start[:10] == end[:10]:
        return f"{_moment(start)} to {end[11:19]} UTC"
    return f"{_moment(start) or 'from the start'} to {_moment(end) or 'now'} UTC"


def _moment(written: str | None) -> str:
    return f"{written[:10]} {written[11:19]}" if written else ""
