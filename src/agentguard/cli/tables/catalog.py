"""The comparison of the catalog with the graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    NAME_WIDTH,
    Document,
    answer,
    faint,
    first_names,
    hanging,
    name,
    plural,
    section,
    trace,
)
from agentguard.cli.tables.origin import origin_part
from agentguard.cli.tables.rows import Rows, dispensable, names, number, sentences, text
from agentguard.graph.export.sanitizing import shorten

Key = TypeVar("Key", bound=Hashable)

_COMPONENTS = (
    names("Component"),
    text("Standing"),
    dispensable(names("Owner"), 2),
    sentences("Reason"),
    dispensable(text("Trace"), 1),
)
_GROUPS = (text("Standing"), text("Kind"), number("Count"), sentences("Components"))
_NAMES = 5
"""Names shown of one group."""
_ALONE = 3
"""The largest group of findings that is shown one by one without --full."""
_STYLES = {
    "shadow": "bold yellow",
    "ambiguous": "yellow",
    "unidentified": "yellow",
    "declared": "green",
}
"""In display order; other standings come last."""


def catalog_parts(document: Document, *, full: bool = False) -> list[RenderableType]:
    """Return the parts of a comparison; `full` shows each finding alone.

    Without a catalog, only the note that there is none.
    """
    if document["catalog"] is None:
        return [Group(origin_part(document), faint(document["note"]))]
    components, drift = document["components"], document["drift"]
    missing = [e for e in document["entries"] if e["state"] == "ghost" or not e["components"]]
    parts: list[RenderableType] = [
        Group(origin_part(document), answer(_summary(document))),
        section("Components", _each(components) if full else _grouped(components)),
    ]
    if drift:
        lines = _lines(drift, _aspect, _entry_name, _drift, full=full)
        parts.append(section(f"Drift: {len(drift):,}", *lines))
    if missing:
        lines = _lines(missing, _state, _declared_name, _missing, full=full)
        parts.append(section(f"Ghosts and entries not seen: {len(missing):,}", *lines))
    return parts


def _summary(document: Document) -> str:
    about, agents = document["catalog"], _agents(document["components"])
    declared = sum(c["standing"] == "declared" for c in agents)
    counts = [
        f"{plural(about['entries'], 'entry')} in {about['origin']}",
        f"{declared:,} of {plural(len(agents), 'agent')} declared",
        f"{len(document['shadow_agents']):,} shadow",
        f"{len(document['drift']):,} drift",
        plural(len(document["ghosts"]), "ghost"),
    ]
    return "; ".join(counts) + "."


def _agents(components: Sequence[Document]) -> list[Document]:
    return [c for c in components if c["kind"] == "agent"]


def _grouped(components: Sequence[Document]) -> RenderableType:
    """Return one row per standing and kind, with the number and the first names."""
    groups = _groups(components, lambda c: (_order(c["standing"]), c["standing"], c["kind"]))
    rows: list[list[str | Text]] = [
        [
            Text(standing, style=_STYLES.get(standing, "dim")),
            kind,
            f"{len(found):,}",
            Text(first_names(sorted(c["name"] for c in found), _NAMES)),
        ]
        for (_, standing, kind), found in sorted(groups.items(), key=lambda group: group[0])
    ]
    return Group(Rows(_GROUPS, rows), faint("--full shows each component with the reason."))


def _groups(found: Sequence[Document], key: Callable[[Document], Key]) -> dict[Key, list[Document]]:
    groups: defaultdict[Key, list[Document]] = defaultdict(list)
    for each in found:
        groups[key(each)].append(each)
    return groups


def _each(components: Sequence[Document]) -> RenderableType:
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


def _lines(
    found: Sequence[Document],
    group: Callable[[Document], Text],
    label: Callable[[Document], str],
    reason: Callable[[Document], Text],
    *,
    full: bool,
) -> list[RenderableType]:
    """Return a line per finding, or per large group of findings with its first names."""
    lines: list[RenderableType] = []
    for members in _groups(found, lambda each: group(each).plain).values():
        title = group(members[0])
        if full or len(members) <= _ALONE:
            lines += [hanging(title, reason(each), indent=2, width=12) for each in members]
        else:
            listed = first_names([label(each) for each in members], _NAMES)
            sentence = f"{len(members):,} entries: {listed} (--full shows the reasons)"
            lines.append(hanging(title, sentence, indent=2, width=12))
    return lines


def _aspect(d: Document) -> Text:
    return Text(d["aspect"], style="yellow")


def _entry_name(d: Document) -> str:
    return _declared_name(d["entry"])


def _declared_name(e: Document) -> str:
    return shorten(e["name"] or e["id"] or "–", NAME_WIDTH)


def _drift(d: Document) -> Text:
    return Text.assemble(d["reason"], *_proof(d["extra"]))


def _proof(extra: Sequence[Document]) -> list[str | Text]:
    return [" Trace ", trace(extra[0]["evidence"])] if extra else []


def _state(e: Document) -> Text:
    return Text(
        e["state"].replace("_", " "), style="bold yellow" if e["state"] == "ghost" else "dim"
    )


def _missing(e: Document) -> Text:
    owner = f" Owner: {e['owner']}." if e["owner"] else ""
    return Text.assemble(name(e["name"] or e["id"], style="bold"), f"  {e['reason']}{owner}")
