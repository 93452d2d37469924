"""What was declared against what was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, hanging, name, section, trace
from agentguard.cli.tables.rows import MAX_ROWS, Rows, dispensable, names, sentences, text

_COMPONENTS = (
    names("Component"),
    text("Standing"),
    dispensable(names("Owner"), 2),
    sentences("Why"),
    dispensable(text("Trace"), 1),
)
_STYLES = {
    "shadow": "bold yellow",
    "ambiguous": "yellow",
    "unidentified": "yellow",
    "declared": "green",
}
"""In the order in which they are shown; other standings come last."""


def catalog_parts(document: Document) -> list[RenderableType]:
    """Return the comparison's parts; without a catalogue, only that there is none."""
    if document["catalog"] is None:
        return [faint(document["note"])]
    about = document["catalog"]
    gone = [e for e in document["entries"] if e["state"] == "ghost" or not e["components"]]
    parts: list[RenderableType] = [
        section(
            f"{about['origin']}: {about['entries']:,} entries", _components(document["components"])
        )
    ]
    parts += (
        [section(f"Drift: {len(document['drift']):,}", *_lines(document["drift"], _drift))]
        if document["drift"]
        else []
    )
    parts += [section(f"Ghosts and not seen: {len(gone):,}", *_lines(gone, _gone))] if gone else []
    return parts


def _components(components: Sequence[Document]) -> RenderableType:
    rows: list[list[str | Text]] = [
        [
            name(c["id"], width=60),
            Text(c["standing"], style=_STYLES.get(c["standing"], "dim")),
            name((c["entry"] or {}).get("owner")),
            Text(c["reason"]),
            trace(c["evidence"]),
        ]
        for c in sorted(components, key=lambda c: (_order(c["standing"]), c["id"]))
    ]
    return Rows(_COMPONENTS, rows)


def _order(standing: str) -> int:
    return list(_STYLES).index(standing) if standing in _STYLES else len(_STYLES)


def _drift(d: Document) -> RenderableType:
    return hanging(
        Text(d["aspect"], style="yellow"),
        Text.assemble(d["reason"], *_proof(d["extra"])),
        indent=2,
        width=12,
    )


def _proof(extra: Sequence[Document]) -> list[str | Text]:
    return [" Trace ", trace(extra[0]["evidence"])] if extra else []


def _gone(e: Document) -> RenderableType:
    style = "bold yellow" if e["state"] == "ghost" else "dim"
    owner = f" Owner: {e['owner']}." if e["owner"] else ""
    said = Text.assemble(name(e["name"] or e["id"], style="bold"), f"  {e['reason']}{owner}")
    return hanging(Text(e["state"].replace("_", " "), style=style), said, indent=2, width=12)


def _lines(
    found: Sequence[Document], line: Callable[[Document], RenderableType]
) -> list[RenderableType]:
    lines = [line(each) for each in found[:MAX_ROWS]]
    return (
        lines
        if len(found) <= MAX_ROWS
        else [*lines, faint(f"… and {len(found) - MAX_ROWS:,} more.")]
    )
