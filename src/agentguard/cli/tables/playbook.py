"""Prints a playbook that fits on one screen; `--full` adds the long lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import unified_diff
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    faint,
    hanging,
    plural,
    section,
    severity,
    trace_lines,
)
from agentguard.cli.tables.origin import origin_part
from agentguard.playbooks.handover import past_sentence

_PHASES = {"contain": "Contain", "activate_backups": "Activate backups", "recover": "Recover"}
_LINES = 2
"""Lines of one list without --full."""
_DIFFERENCE = {"-": "red", "+": "green", "@": "dim"}
_LABEL = 6
"""Width of the labels: do, check, undo, links, more, trace."""


def playbook_parts(document: Document, *, full: bool = False) -> list[RenderableType]:
    """Return the parts of a playbook; `full` shows every line."""
    phases = groupby(document["steps"], key=lambda s: (s["phase"], s["timeframe"]))
    numbers = {s["id"]: number for number, s in enumerate(document["steps"], start=1)}
    parts = [
        Group(origin_part(document), _situation(document)),
        *(_phase(phase, list(group), numbers, full=full) for phase, group in phases),
    ]
    return [*parts, *_closing(document)] if full else [Group(*parts, *_closing(document))]


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
    line = Text.assemble(severity(incident["severity"]), f"  {incident['lost']}")
    return section(f"Playbook: {incident['title']}", line)


def _closing(document: Document) -> Iterator[RenderableType]:
    time = document["estimated_recovery_time"]
    if time is not None:
        low, high = (round(time[key] / 60) for key in ("shortest_seconds", "longest_seconds"))
        past = plural(time["recoveries"], "past incident")
        yield Text(f"Recovery took {low} to {high} min in {past}.")
    if document["unknown"]:
        yield faint(document["unknown"])
    yield from _refinement(document)


def _refinement(document: Document) -> Iterator[RenderableType]:
    """Say which model phrased the playbook, or why none did."""
    found = document["refinement"]
    if found is None:
        return
    said = f"Phrased by {found['model']}" if found["reason"] is None else found["reason"]
    tokens = [found["input_tokens"], found["output_tokens"]]
    used = "unknown" if None in tokens else f"{tokens[0]:,} in, {tokens[1]:,} out"
    cost = "" if found["cost"] is None else f", cost {found['cost']:.4f}"
    took = f"{found['latency_ms'] / 1000:.1f} s"
    yield faint(f"{said.removesuffix('.')}. Tokens: {used}{cost}; {took}.")


def difference_parts(document: Document) -> list[RenderableType]:
    """Return what a language model changed, line by line."""
    found = document["refinement"]
    before, after = _sentences(found["deterministic"]["steps"]), _sentences(document["steps"])
    lines = list(unified_diff(before, after, "deterministic", found["model"], lineterm="", n=0))
    shown = [Text(line, style=_DIFFERENCE.get(line[:1], "")) for line in lines]
    same = [Text("The language model changed nothing.")] if not lines else []
    return [origin_part(document), Group(*shown, *same, *_refinement(document))]


def _sentences(steps: Sequence[Document]) -> list[str]:
    found = []
    for step in steps:
        found.append(f"{step['id']}: {step['title']}")
        for word, key in (("do", "actions"), ("check", "verifications"), ("undo", "rollback")):
            found += [f"  {word:<5} {sentence}" for sentence in step[key]]
    return found


def _phase(
    phase: tuple[str, str], steps: Sequence[Document], numbers: dict[str, int], *, full: bool
) -> RenderableType:
    key, timeframe = phase
    parts = [part for step in steps for part in _step(numbers[step["id"]], step, full=full)]
    return section(f"{timeframe}  {_PHASES.get(key, key)}", *parts)


def _step(number: int, step: Document, *, full: bool) -> Iterator[RenderableType]:
    top = None if full else _LINES
    title = Text(step["title"], style="bold")
    if step["owner"]:
        title.append(f"  [{step['owner']}]", style="not bold dim")
    yield hanging(Text(f"{number}.", style="bold"), title)
    yield from _lines("do", "cyan", step["actions"], top)
    yield from _lines("check", "green", step["verifications"], top)
    yield from _lines("undo", "yellow", step["rollback"], top)
    yield from _lines("see", "dim", step["runbooks"], top)
    if past := step.get("past"):
        yield from _lines("past", "dim", [past_sentence(past)], None)
    if full:
        yield from _lines("more", "dim", step["details"], None)
        for place, line in enumerate(trace_lines(step["evidence"], limit=1)):
            yield hanging("" if place else "trace", line, indent=3, width=_LABEL, style="dim")


def _lines(
    word: str, style: str, sentences: Sequence[str], top: int | None
) -> Iterator[RenderableType]:
    for place, sentence in enumerate(sentences[:top]):
        label = "" if place else word
        yield hanging(label, sentence, indent=3, width=_LABEL, style=f"dim {style}")
