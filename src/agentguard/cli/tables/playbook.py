"""A playbook, phase by phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, hanging, section, severity, trace_lines
from agentguard.cli.tables.origin import origin_part
from agentguard.cli.tables.rows import left_out

_PHASES = {"contain": "Contain", "activate_backups": "Activate backups", "recover": "Recover"}
_LINES = 4
"""Lines of one list without --full."""
_LABEL = 6
"""Width of the labels: owner, do, verify, undo, trace."""


def playbook_parts(document: Document, *, full: bool = False) -> list[RenderableType]:
    """Return the parts of a playbook; `full` shows every line."""
    steps, top = document["steps"], None if full else _LINES
    owned = any(s["owner"] for s in steps)
    phases = groupby(steps, key=lambda s: (s["phase"], s["timeframe"]))
    return [
        Group(origin_part(document), _situation(document)),
        *(_phase(phase, list(group), owned=owned, top=top) for phase, group in phases),
    ]


def outline_part(document: Document) -> RenderableType:
    """Return the titles of the steps, by phase."""
    phases = groupby(document["steps"], key=lambda s: (s["phase"], s["timeframe"]))
    lines = [
        hanging(label if not place else "", step["title"], indent=2, width=27, style="dim")
        for label, steps in ((f"{time}  {_PHASES.get(key, key)}", s) for (key, time), s in phases)
        for place, step in enumerate(steps)
    ]
    return section(f"Playbook: {document['incident']['title']}", *lines)


def _situation(document: Document) -> RenderableType:
    incident = document["incident"]
    lines = [
        Text.assemble(severity(incident["severity"]), f"  {incident['summary']}"),
        hanging("Recovery time", _recovery_time(document), width=13, style="dim"),
        hanging("Generator", document["generator"], width=13, style="dim"),
    ]
    return section(f"Playbook: {incident['title']}", *lines)


def _recovery_time(document: Document) -> str:
    return str(document["estimated_recovery_time"] or "unknown")


def _phase(
    phase: tuple[str, str], steps: Sequence[Document], *, owned: bool, top: int | None
) -> RenderableType:
    key, timeframe = phase
    parts = [
        part
        for number, step in enumerate(steps, start=1)
        for part in _step(number, step, owned=owned, top=top)
    ]
    return section(f"{timeframe}  {_PHASES.get(key, key)}", *parts)


def _step(number: int, step: Document, *, owned: bool, top: int | None) -> Iterator[RenderableType]:
    yield hanging(Text(f"{number}.", style="bold"), Text(step["title"], style="bold"))
    if owned:
        yield hanging(
            "owner", step["owner"] or "none declared", indent=3, width=_LABEL, style="dim"
        )
    yield from _lines("do", "cyan", step["actions"], top)
    yield from _lines("verify", "green", step["verifications"], top)
    yield from _lines("undo", "yellow", step["rollback"], top)
    for place, line in enumerate(trace_lines(step["evidence"], limit=1)):
        yield hanging("" if place else "trace", line, indent=3, width=_LABEL, style="dim")


def _lines(
    word: str, style: str, sentences: Sequence[str], top: int | None
) -> Iterator[RenderableType]:
    for sentence in sentences[:top]:
        yield hanging(word, sentence, indent=3, width=_LABEL, style=f"dim {style}")
    rest = len(sentences[top:]) if top else 0
    if rest:
        yield hanging("", faint(left_out(rest)), indent=3, width=_LABEL)
