"""Cells and lines shared by all tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agentguard.graph.export.sanitizing import shorten

Document: TypeAlias = Mapping[str, Any]

NAME_WIDTH = 40
_WHOLE = 10
_EIGHTHS = "▁▂▃▄▅▆▇█"
_SEVERITIES = {
    "CRITICAL": "bold white on red",
    "HIGH": "bold red",
    "MEDIUM": "yellow",
    "LOW": "green",
}


def section(title: str, *parts: RenderableType) -> Group:
    """Return the parts under a heading."""
    return Group(Text(title, style="bold cyan"), *parts)


def faint(text: str) -> Text:
    return Text(text, style="dim")


def name(text: str | None, *, style: str = "", width: int = NAME_WIDTH) -> Text:
    """Return a name, a very long one without its middle."""
    return Text(shorten(text or "–", width), style=style, no_wrap=True, overflow="ellipsis")


def labels(components: Iterable[Document]) -> dict[str, str]:
    """Return the label of each component: its name where it is unique, else its id."""
    known = list(components)
    bearers: dict[str, int] = {}
    for c in known:
        bearers[c["name"].casefold()] = bearers.get(c["name"].casefold(), 0) + 1
    return {
        c["id"]: c["name"] if c["name"] and bearers[c["name"].casefold()] == 1 else c["id"]
        for c in known
    }


def hanging(
    label: str | Text, sentence: str | Text, *, indent: int = 0, width: int = 0, style: str = ""
) -> RenderableType:
    """Return a labelled sentence, wrapped with a hanging indent."""
    row = Table.grid(padding=(0, 1))
    row.add_column(min_width=width, no_wrap=True, style=style)
    row.add_column(overflow="fold")
    row.add_row(label, sentence)
    return Padding(row, (0, 0, 0, indent), expand=False)


def count(number: float | None) -> str:
    return "–" if number is None else f"{rounded(number):,}"


def rounded(number: float) -> float:
    """Return an expected number: whole from ten on, else with one decimal."""
    return round(number) if number >= _WHOLE or number == int(number) else round(number, 1)


def plural(number: int, noun: str) -> str:
    """Return the number with its noun."""
    if number == 1:
        return f"{number:,} {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def counted(numbers: Sequence[tuple[int, str]]) -> str:
    """Return the numbers above 0 with their nouns, joined by commas."""
    return ", ".join(plural(number, noun) for number, noun in numbers if number)


def first_names(named: Sequence[str], limit: int = 3) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(shorten(each, NAME_WIDTH) for each in named[:limit])
    rest = len(named) - limit
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def answer(sentence: str) -> Text:
    """Return the line that sums the report up."""
    return Text(sentence, style="bold")


def failures(failed: int, of: int) -> Text:
    """Return the number that failed and its share of all."""
    if not failed:
        return Text("0", style="dim")
    return Text(f"{failed:,} ({percent(failed / of)})" if of else f"{failed:,}", style="red")


def percent(share: float | None) -> str:
    """Return a share (0 to 1) in percent; only exact 0 and 1 read 0% and 100%."""
    if share is None:
        return "–"
    value = 100 * share
    if value in (0, 100):
        return f"{value:.0f}%"
    if value < 1:
        return "<0.1%" if value < 0.1 else f"{value:.1f}%"
    return f"{min(value, 99.9):.1f}%" if value > 99 else f"{value:.0f}%"


def milliseconds(value: float | None) -> str:
    """Return a duration (ms) in a readable unit."""
    if value is None:
        return "–"
    if 0 < value < 0.1:
        return "<0.1 ms"
    if value < 1000:
        return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
    return f"{value / 1000:.1f} s" if value < 600_000 else f"{value / 60_000:.0f} min"


def moment(written: str | None) -> str:
    """Return the date and the time of day of a timestamp, in UTC."""
    return f"{written[:10]} {written[11:19]}" if written else "–"


def bar(share: float, width: int = 10, *, style: str = "red") -> Text:
    """Return a share (0 to 1) as a horizontal bar; any share above 0 is visible."""
    full = min(width, max(round(share * width), 1 if share > 0 else 0))
    return Text.assemble(("█" * full, style), ("░" * (width - full), "dim"))


def height(share: float) -> str:
    """Return a share (0 to 1) as one block of that height; 0 is blank."""
    return _EIGHTHS[min(7, int(share * 8))] if share > 0 else " "


def trace(evidence: Sequence[Document]) -> Text:
    """Return the first trace id, shortened, with its link where a trace viewer is set."""
    if not evidence:
        return Text("–", style="dim")
    first = evidence[0]
    return Text(
        (
            shorten(first["trace_id"], 9)
            if len(first["trace_id"]) <= 9
            else f"{first['trace_id'][:8]}…"
        ),
        style=_link_style(first),
    )


def trace_lines(evidence: Iterable[Document], *, limit: int = 5) -> list[Text]:
    """Return distinct trace ids in full, with their links; one line counts the rest."""
    by_trace = {e["trace_id"]: e for e in evidence}
    lines = [_trace_line(e) for e in list(by_trace.values())[:limit]]
    rest = len(by_trace) - limit
    return lines if rest <= 0 else [*lines, faint(f"… and {plural(rest, 'more trace')}")]


def _trace_line(evidence: Document) -> Text:
    line = Text.assemble((shorten(evidence["trace_id"], 64), _link_style(evidence)))
    return line.append(f"  {evidence['url']}", style="dim") if evidence["url"] else line


def _link_style(evidence: Document) -> str:
    return f"link {evidence['url']}" if evidence["url"] else ""


def severity(word: str) -> Text:
    return Text(word, style=_SEVERITIES.get(word, "bold"))
