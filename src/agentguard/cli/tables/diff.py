"""What changed from one graph to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, hanging, name, plural, section
from agentguard.cli.tables.origin import times
from agentguard.cli.tables.rows import ROWS, Rows, names, sentences, text

_COLUMNS = (text(""), names("What"), sentences("Details"), text("Trace"))
_STYLES = {"new": "green", "gone": "red", "changed": "yellow", "undecided": "dim"}


def diff_parts(document: Document, *, full: bool = False) -> list[RenderableType]:
    """Return the parts of a comparison, tables cut after ROWS rows unless `full`."""
    top = None if full else ROWS
    parts: list[RenderableType] = [
        hanging("a", _origin(document["a"]), width=2),
        hanging("b", _origin(document["b"]), width=2),
    ]
    if document["same"]:
        parts.append(Text("No changes.", style="green"))
    for title, kind, called in _SECTIONS:
        rows = list(_rows(document[kind], called))
        if rows:
            parts.append(section(title, Rows(_COLUMNS, rows, top=top)))
    undecided = sum(counts.get("undecided", 0) for counts in document["summary"].values())
    if undecided:
        parts.append(
            faint(f"{plural(undecided, 'difference')} with too few observations to decide.")
        )
    if note := document["shadow_agents"]["note"]:
        parts.append(faint(note))
    return parts


def _origin(side: Document) -> str:
    version = f", version {side['graph_version']}" if side["graph_version"] else ""
    between = times(side["window"]) or "unknown times"
    return f"{side['reference']}: dataset {side['dataset']}{version}, traces {between}"


def _rows(changes: Document, called: Callable[[Document], str]) -> Iterator[Sequence[str | Text]]:
    for change, style in _STYLES.items():
        for item in changes.get(change, ()):
            details = " ".join(measure["why"] for measure in item.get("measures", ()))
            yield Text(change, style=style), name(called(item)), details, _trace(item["evidence"])


def _trace(evidence: Document) -> Text:
    """Return the first trace of each side, short, linked where a trace viewer is known."""
    found = Text()
    for side, spans in evidence.items():
        for span in spans[:1]:
            link = f"link {span['url']}" if span.get("url") else ""
            found.append(f"{' ' if found else ''}{side}:")
            found.append(span["trace_id"][:8], style=link)
    return found


def _component(item: Document) -> str:
    return f"{item['kind']} {item['name']}"


def _dependency(item: Document) -> str:
    return f"{item['source']} → {item['target']}"


def _workflow(item: Document) -> str:
    return str(item["name"])


def _spof(item: Document) -> str:
    return f"{item['name']} for {item['workflow_name']}"


_SECTIONS: tuple[tuple[str, str, Callable[[Document], str]], ...] = (
    ("Shadow agents", "shadow_agents", _component),
    ("Single points of failure", "spofs", _spof),
    ("Workflows", "workflows", _workflow),
    ("Components", "components", _component),
    ("Dependencies", "dependencies", _dependency),
)
