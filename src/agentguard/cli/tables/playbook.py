"""What to do now, phase by phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, section, severity, trace_lines

_PHASES = {"contain": "Contain", "activate_backups": "Activate backups", "recover": "Recover"}


def playbook_parts(document: Document) -> list[RenderableType]:
    """Return the playbook's parts: the situation, then one for each phase."""
    steps = document["steps"]
    owned = any(s["owner"] for s in steps)
    phases = groupby(steps, key=lambda s: (s["phase"], s["timeframe"]))
    return [_situation(document), *(_phase(phase, list(group), owned=owned) for phase, group in phases)]


def _situation(document: Document) -> RenderableType:
    incident = document["incident"]
    lines = [
        Text.assemble(severity(incident["severity"]), f"  {incident['summary']}"),
        faint(f"Recovery time: {document['estimated_recovery_time'] or document['estimated_recovery_time_reason']}"),
        faint(f"Written by: {document['generator']}"),
    ]
    return section(f"Playbook: {incident['title']}", *lines)


def _phase(phase: tuple[str, str], steps: Sequence[Document], *, owned: bool) -> RenderableType:
    key, timeframe = phase
    parts = [part for number, step in enumerate(steps, start=1) for part in _step(number, step, owned=owned)]
    return section(f"{timeframe}  {_PHASES.get(key, key)}", *parts)


def _step(number: int, step: Document, *, owned: bool) -> Iterator[RenderableType]:
    owner = f"  owner {step['owner'] or 'not declared'}" if owned else ""
    yield Text.assemble((f"{number}. {step['title']}", "bold"), (owner, "dim"))
    yield from _lines("do", "cyan", step["actions"])
    yield from _lines("check", "green", step["verifications"])
    yield from _lines("undo", "yellow", step["rollback"])
    for place, line in enumerate(trace_lines(step["evidence"], limit=1)):
        yield Padding(Text.assemble(("     " if place else "trace", "dim"), line), (0, 0, 0, 3), expand=False)


def _lines(word: str, style: str, sentences: Iterable[str]) -> Iterator[RenderableType]:
    for sentence in sentences:
        row = Table.grid(padding=(0, 1))
        row.add_column(width=5, no_wrap=True)
        row.add_column(overflow="fold")
        row.add_row(Text(word, style=f"dim {style}"), Text(sentence))
        yield Padding(row, (0, 0, 0, 3), expand=False)
