"""What to do now, phase by phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, name, section, severity, trace_lines

_PHASES = {"contain": "Contain", "activate_backups": "Activate backups", "recover": "Recover"}


def playbook_parts(document: Document, called: Mapping[str, str]) -> list[RenderableType]:
    """Return the playbook's parts: the situation, then one for each phase."""
    steps = document["steps"]
    phases = [_phase(phase, list(group), called) for phase, group in groupby(steps, key=lambda s: (s["phase"], s["timeframe"]))]
    return [_situation(document), *phases]


def _situation(document: Document) -> RenderableType:
    incident = document["incident"]
    lines = [
        Text.assemble(severity(incident["severity"]), f"  {incident['summary']}"),
        faint(f"Recovery time: {document['estimated_recovery_time'] or document['estimated_recovery_time_reason']}"),
        faint(f"Written by: {document['generator']}"),
    ]
    return section(f"Playbook: {incident['title']}", *lines)


def _phase(phase: tuple[str, str], steps: Sequence[Document], called: Mapping[str, str]) -> RenderableType:
    key, timeframe = phase
    parts = [part for number, step in enumerate(steps, start=1) for part in _step(number, step, called)]
    return section(f"{timeframe}  {_PHASES.get(key, key)}", *parts)


def _step(number: int, step: Document, called: Mapping[str, str]) -> Iterator[RenderableType]:
    owner = f"  owner {step['owner']}" if step["owner"] else "  no owner declared"
    yield Text.assemble((f"{number}. {step['title']}", "bold"), (owner, "dim"))
    yield from _lines("do", "", step["actions"])
    yield from _lines("check", "green", step["verifications"])
    yield from _lines("undo", "yellow", step["rollback"])
    components = ", ".join(called.get(c, c) for c in step["components"])
    if components:
        yield Padding(Text.assemble(("about ", "dim"), name(components, style="dim", width=100)), (0, 0, 0, 3))
    for line in trace_lines(step["evidence"], limit=2):
        yield Padding(Text.assemble(("trace", "dim"), line), (0, 0, 0, 3))


def _lines(word: str, style: str, sentences: Iterable[str]) -> Iterator[RenderableType]:
    for sentence in sentences:
        yield Padding(Text.assemble((f"{word:<6}", f"dim {style}".strip()), sentence), (0, 0, 0, 3))
