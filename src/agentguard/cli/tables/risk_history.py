"""The risk of a component from version to version; times are local."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, plural, section
from agentguard.cli.tables.incidents import local
from agentguard.cli.tables.rows import Rows, number, sentences, text

_COLUMNS = (
    text("Version of"),
    number("Risk"),
    number("Range"),
    sentences("Dependencies that changed"),
)


def risk_history_parts(document: Document) -> list[RenderableType]:
    """Return the newest risk in one line, then the versions, newest first."""
    points = document["points"]
    rows: list[list[str | Text]] = [
        [local(each["created_at"]), *_risk(each), "; ".join(_changes(each)) or "–"]
        for each in reversed(points)
    ]
    kept = f"{document['name']} in {plural(len(points), 'kept version')} of {document['dataset']}"
    return [Text(_answer(document)), section(kept, Rows(_COLUMNS, rows))]


def _answer(document: Document) -> str:
    scored = [each for each in document["points"] if each["score"] is not None]
    if not scored:
        return f"{document['name']} has no risk of its own in any kept version."
    before, now = (f"{each['score']:.1f}" for each in (scored[0], scored[-1]))
    risk = f"Risk of {document['name']}: {now} of 10"
    if before == now:
        return f"{risk}."
    way = "up" if float(now) > float(before) else "down"
    return f"{risk}, {way} from {before} since {local(scored[0]['created_at'])}."


def _risk(point: Document) -> tuple[str, str]:
    if point["score"] is None:
        return ("no risk of its own" if point["present"] else "not there"), "–"
    return f"{point['score']:.1f}", f"{point['score_low']:.1f}–{point['score_high']:.1f}"


def _changes(point: Document) -> list[str]:
    found = []
    for sign, key in (("+", "appeared"), ("−", "gone")):
        changes = point[key]
        found += [f"{sign} {each['source']} → {each['target']}" for each in changes["first"]]
        if more := changes["total"] - len(changes["first"]):
            found.append(f"{sign} {more:,} more")
    return found
