"""What was declared against what was seen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, name, section
from agentguard.cli.tables.rows import Rows, dispensable, names, sentences, text

_COMPONENTS = (names("Component"), text("Standing"), dispensable(names("Owner")), sentences("Why"))
_STYLES = {"declared": "green", "shadow": "bold yellow", "unidentified": "yellow"}


def catalog_parts(document: Document) -> list[RenderableType]:
    """Return the comparison's parts; without a catalogue, only that there is none."""
    if document["catalog"] is None:
        return [faint(document["note"])]
    about = document["catalog"]
    parts: list[RenderableType] = [section(f"{about['origin']}: {about['entries']:,} entries", _components(document["components"]))]
    return [*parts, _not_seen(document["not_seen"])] if document["not_seen"] else parts


def _components(components: Sequence[Document]) -> RenderableType:
    rows: list[list[str | Text]] = [
        [
            name(c["id"], width=60),
            Text(c["standing"], style=_STYLES.get(c["standing"], "dim")),
            name((c["entry"] or {}).get("owner")),
            Text(c["reason"]),
        ]
        for c in sorted(components, key=lambda c: (_order(c["standing"]), c["id"]))
    ]
    return Rows(_COMPONENTS, rows)


def _order(standing: str) -> int:
    return ("shadow", "unidentified", "declared").index(standing) if standing in _STYLES else len(_STYLES)


def _not_seen(entries: Sequence[Document]) -> RenderableType:
    lines = [Text.assemble("  ", name(e["name"] or e["id"]), f"  owner {e['owner']}" if e["owner"] else "") for e in entries]
    return section(f"Declared, not seen: {len(entries):,}", *lines)
