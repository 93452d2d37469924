"""A comparison of two graphs as Markdown, for a pull request or a chat."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from agentguard.graph.export.sanitizing import printable, shorten

Document: TypeAlias = Mapping[str, Any]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
"""What Markdown acts on within a line, and what GitHub makes a link of."""
_MOST = 100
"""Characters of one name."""


def diff_markdown(document: Document) -> str:
    """Return the document of a comparison as Markdown, ending in a line break."""
    lines = [
        "# Changes between two graphs",
        "",
        f"- a (before): {origin(document['a'])}",
        f"- b (after): {origin(document['b'])}",
        "",
    ]
    if document["same"]:
        lines += ["No changes.", ""]
    for title, kind, called in SECTIONS:
        lines += _section(title, document[kind], called)
    if note := document["shadow_agents"]["note"]:
        lines += [_text(note), ""]
    rules = document["thresholds"]
    return "\n".join([*lines, f"{rules['error_share']} {rules['p95_ms']}", ""])


def origin(side: Document) -> str:
    """Say which graph one side is: its reference, dataset, version and window."""
    version = f", version {_text(side['graph_version'])}" if side["graph_version"] else ""
    times = f"{side['window']['from'] or 'unknown'} to {side['window']['to'] or 'unknown'}"
    return f"{_text(side['reference'])} (dataset {_text(side['dataset'])}{version}; spans {times})"


def _section(title: str, changes: Document, called: Callable[[Document], str]) -> list[str]:
    rows = list(_rows(changes, called))
    if not rows:
        return []
    head = ["| | what | details | evidence |", "| --- | --- | --- | --- |"]
    return [f"## {title}", "", *head, *rows, ""]


def _rows(changes: Document, called: Callable[[Document], str]) -> Iterator[str]:
    for change in ("new", "gone", "changed", "undecided"):
        for item in changes.get(change, ()):
            details = " ".join(measure["why"] for measure in item.get("measures", ()))
            cells = (change, called(item), details, _traces(item["evidence"]))
            yield f"| {' | '.join(cells)} |"


def _traces(evidence: Mapping[str, Sequence[Document]]) -> str:
    """Name the first trace of each side."""
    first = {side: spans[0]["trace_id"] for side, spans in evidence.items() if spans}
    return ", ".join(f"{side}: `{_code(trace)}`" for side, trace in first.items())


def _component(item: Document) -> str:
    return f"{item['kind']} {_text(item['name'])}"


def _dependency(item: Document) -> str:
    return f"{_text(item['source'])} → {_text(item['target'])} ({_text(item['type'])})"


def _workflow(item: Document) -> str:
    return _text(item["name"])


def _spof(item: Document) -> str:
    return f"{item['kind']} {_text(item['name'])} for workflow {_text(item['workflow_name'])}"


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", shorten(printable(text), _MOST))


def _code(text: str) -> str:
    return shorten(printable(text), _MOST).replace("`", "'").replace("|", "\\|")


SECTIONS: tuple[tuple[str, str, Callable[[Document], str]], ...] = (
    ("Shadow agents", "shadow_agents", _component),
    ("Single points of failure", "spofs", _spof),
    ("Workflows", "workflows", _workflow),
    ("Components", "components", _component),
    ("Dependencies", "dependencies", _dependency),
)
