"""What to do now, phase by phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, hanging, section, severity, trace_lines

_PHASES = {"contain": "Contain", "activate_backups": "Activate backups", "recover": "Recover"}


def playbook_parts(document: Document, *, top: int | None = None) -> list[RenderableType]:
    """Return the playbook's parts: the situation, then one for each phase.

    With `top`, long lists cut after so many lines.
    """
    steps = document["steps"]
    owned = any(s["owner"] for s in steps)
    phases = groupby(steps, key=lambda s: (s["phase"], s["timeframe"]))
    return [
        _situation(document),
        *(_phase(phase, list(group), owned=owned, top=top) for phase, group in phases),
    ]


def _situation(document: Document) -> RenderableType:
    incident = document["incident"]
    lines = [
        Text.assemble(severity(incident["severity"]), f"  {incident['summary']}"),
        hanging(
            "Recovery time:",
            document["estimated_recovery_time"] or document["estimated_recovery_time_reason"],
            style="dim",
        ),
        hanging("Written by:", document["generator"], width=14, style="dim"),
    ]
    return section(f"Playbook: {incident['title']}", *lines)


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
            "who", step["owner"] or "nobody is declared as owner", indent=3, width=5, style="dim"
        )
    yield from _lines("do", "cyan", step["actions"], top)
    yield from _lines("check", "green", step["verifications"], top)
    yield from _lines("undo", "yellow", step["rollback"], top)
    for place, line in enumerate(trace_lines(step["evidence"], limit=1)):
        yield hanging("" if place else "trace", line, indent=3, width=5, style="dim")


def _lines(
    word: str, style: str, sentences: Sequence[str], top: int | None
) -> Iterator[RenderableType]:
    for sentence in sentences[:top]:
        yield hanging(word, sentence, indent=3, width=5, style=f"dim {style}")
    left_out = len(sentences[top:]) if top else 0
    if left_out:
        yield hanging("", faint(f"… and {left_out:,} more"), indent=3, width=5)
