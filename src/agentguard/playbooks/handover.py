"""A written playbook for people elsewhere: as Markdown, and as HTML that can be printed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from agentguard.graph.export.sanitizing import printable
from agentguard.simulation.wording import plural

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$#]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_LISTS = (("actions", "Do"), ("verifications", "Check"), ("rollback", "Undo"))
_STYLE = (
    "body{font:11pt/1.45 sans-serif;max-width:48em;margin:2em auto;padding:0 1em}"
    "section{break-inside:avoid;border-top:1px solid #999;margin-top:1em}"
    "h2{font-size:1.1em}.note{color:#555}code{overflow-wrap:anywhere}"
    "@media print{body{margin:0}}"
)


def handover_markdown(document: Mapping[str, Any]) -> str:
    """Return the playbook's document as Markdown; no text in it can add markup or links."""
    incident = document["incident"]
    lines = [f"# {_marked(incident['title'])}", "", _marked(incident["summary"]), ""]
    lines += [_marked(fact) + "  " for fact in _facts(document)]
    for number, step in enumerate(document["steps"], 1):
        lines += ["", f"## {number}. {_marked(step['title'])}", "", _marked(_when(step))]
        for name, items in _items(step):
            lines += ["", f"**{name}**", "", *(f"- [ ] {_marked(item)}" for item in items)]
        if step["evidence"]:
            lines += ["", f"Traces: {', '.join(f'`{t}`' for t in map(_marked, _traces(step)))}"]
    return "\n".join(lines) + "\n"


def handover_html(document: Mapping[str, Any]) -> str:
    """Return the same as one HTML page without scripts, links or anything from elsewhere."""
    incident = document["incident"]
    title = _escaped(incident["title"])
    facts = "".join(f"<li>{_escaped(fact)}</li>" for fact in _facts(document))
    steps = "".join(_section(n, step) for n, step in enumerate(document["steps"], 1))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{_escaped(incident['summary'])}</p><ul>{facts}</ul>{steps}</body></html>\n"
    )


def _section(number: int, step: Mapping[str, Any]) -> str:
    lists = "".join(
        f"<h3>{name}</h3><ul>{''.join(f'<li>☐ {_escaped(item)}</li>' for item in items)}</ul>"
        for name, items in _items(step)
    )
    traces = ", ".join(f"<code>{_escaped(trace)}</code>" for trace in _traces(step))
    return (
        f"<section><h2>{number}. {_escaped(step['title'])}</h2>"
        f'<p class="note">{_escaped(_when(step))}</p>{lists}'
        f"{f'<p class=note>Traces: {traces}</p>' if traces else ''}</section>"
    )


def _facts(document: Mapping[str, Any]) -> Iterator[str]:
    incident = document["incident"]
    score = f"{incident['blast_radius_score']:.1f}"
    yield f"Severity: {incident['severity']}; blast radius score {score} of 10"
    yield f"Graph version: {incident['graph_version'] or 'of a window, not stored'}"
    yield f"Written by: {document['generator']}"
    yield _recovery(document)


def _recovery(document: Mapping[str, Any]) -> str:
    time = document["estimated_recovery_time"]
    if time is None:
        return f"Recovery time: unknown. {document['estimated_recovery_time_reason']}"
    low, high = (round(time[key] / 60) for key in ("shortest_seconds", "longest_seconds"))
    past = plural(time["recoveries"], "past incident")
    return f"Recovery time: {low} to {high} min in {past} ({', '.join(time['incidents'])})"


def _when(step: Mapping[str, Any]) -> str:
    return f"{step['timeframe']}; owner: {step['owner'] or 'not declared'}"


def _items(step: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    yield from ((name, step[member]) for member, name in _LISTS if step[member])
    if past := step.get("past"):
        yield "Past incidents", [f"{past_sentence(past)} ({', '.join(past['incidents'])})"]


def past_sentence(past: Mapping[str, Any]) -> str:
    """Return what people said of a step in past incidents, and what was measured there."""
    said = f"Helped in {past['helped']} of {plural(past['judged'], 'past incident')}"
    if not past["measured"]:
        return f"{said}."
    return f"{said}; the error share fell in {past['fell']} of {past['measured']} measured."


def _traces(step: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(evidence["trace_id"] for evidence in step["evidence"]))


def _marked(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", printable(text))


def _escaped(text: str) -> str:
    return escape(printable(text))
