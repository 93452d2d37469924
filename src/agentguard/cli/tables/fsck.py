"""The result of `agentguard traces fsck`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, plural, section
from agentguard.cli.tables.rows import Rows, names, number, sentences, text

_DAMAGED = (names("File"), sentences("Reason"), text("Records lost"), number("Bytes"))
_QUARANTINE = (names("Kept as"), *_DAMAGED)


def fsck_parts(document: Document) -> list[RenderableType]:
    """Return the damaged files, those in quarantine, and what was checked."""
    damaged, quarantine = document["damaged"], document["quarantine"]
    parts: list[RenderableType] = []
    if damaged:
        rows = [_row(each) for each in damaged]
        parts.append(section(f"{plural(len(damaged), 'damaged file')}", Rows(_DAMAGED, rows)))
    if quarantine:
        rows = [[Text(each["quarantined_as"]), *_row(each)] for each in quarantine]
        parts.append(section(f"{len(quarantine):,} in quarantine/", Rows(_QUARANTINE, rows)))
    parts.append(faint(_summary(document)))
    return parts


def _row(each: Document) -> list[str | Text]:
    lost = each["records_lost"]
    known = "unknown" if lost is None else f"{lost:,}"
    return [Text(each["file"]), Text(each["reason"]), known, f"{each['bytes']:,}"]


def _summary(document: Document) -> str:
    parts = plural(document["parts"], "Parquet file")
    segments = plural(document["segments"] - document["segments_in_use"], "log segment")
    facts = (
        f"Checked {parts} and {segments}.",
        _if(document["segments_in_use"], "In use by a running server, not checked: {:,}."),
        _if(document["parts_without_checksum"], "From an earlier version, no checksum: {:,}."),
        "Set the damaged files aside with `agentguard traces fsck --repair`."
        if document["damaged"]
        else "No file is damaged.",
    )
    return " ".join(filter(None, facts))


def _if(count: int, sentence: str) -> str:
    return sentence.format(count) if count else ""
