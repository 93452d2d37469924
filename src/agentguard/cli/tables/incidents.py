"""Incidents: lists, and one with its timeline; times are local."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    answer,
    count,
    faint,
    first_names,
    hanging,
    name,
    percent,
    plural,
    section,
    severity,
)
from agentguard.cli.tables.rows import ROWS, Rows, dispensable, names, number, sentences, text
from agentguard.incidents.model import EventKind
from agentguard.incidents.wording import measured_sentence, sentence

_INCIDENTS = (
    text("Incident"),
    text("Severity"),
    text("State"),
    names("Title"),
    text("Opened"),
    dispensable(names("Owner"), 1),
    dispensable(number("Hit"), 2),
)
_EVENTS = (text("Time"), sentences("What"), dispensable(names("Who"), 1))
_WORKFLOWS = (names("Workflow"), number("Runs lost"), number("Runs seen"), number("Share"))
_WIDTH = 12


def page_parts(document: Document) -> list[RenderableType]:
    """Return a page of incidents."""
    found = document["incidents"]
    if not found:
        return [faint("No incident matches.")]
    rows: list[list[str | Text]] = [
        [
            each["id"],
            severity(each["severity"]),
            _state(each),
            name(each["title"], width=60),
            local(each["opened_at"]),
            name(each["owner"] or "–"),
            count(each["components_affected"] + each["workflows_affected"]),
        ]
        for each in found
    ]
    parts: list[RenderableType] = [section(plural(len(found), "incident"), Rows(_INCIDENTS, rows))]
    if document["next"]:
        parts.append(faint(f"More: agentguard incidents list --before {document['next']}"))
    return parts


def incident_parts(
    document: Document, timeline: Document, *, full: bool = False
) -> list[RenderableType]:
    """Return an incident: the answer first, then what is hit, and its timeline."""
    parts: list[RenderableType] = [answer(_answer(document)), _about(document, full=full)]
    if document["impact"] is not None and document["impact"]["workflows"]:
        parts.append(_impact(document["impact"], top=None if full else ROWS))
    return [*parts, _timeline(timeline["events"], top=None if full else ROWS)]


def timeline_parts(document: Document) -> list[RenderableType]:
    """Return a page of a timeline."""
    parts: list[RenderableType] = [_timeline(document["events"], top=None)]
    if document["next"] is not None:
        following = f"{document['incident']} --after {document['next']}"
        parts.append(faint(f"More: agentguard incidents timeline {following}"))
    return parts


def local(written: str | None) -> str:
    """Return a time in the time zone of this machine, with its name."""
    if written is None:
        return "–"
    moment = datetime.fromisoformat(f"{written[:19]}+00:00").astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def _answer(document: Document) -> str:
    if document["merged_into"]:
        return f"A duplicate: merged into {document['merged_into']}."
    owner = f"{document['owner']} owns it" if document["owner"] else "nobody owns it"
    since = local(document["opened_at"])
    return (
        f"{document['title']}: {document['severity']}, {document['state']}, opened {since};"
        f" {owner}."
    )


def _state(document: Document) -> str:
    return "merged" if document["merged_into"] else str(document["state"])


def _about(document: Document, *, full: bool) -> RenderableType:
    links = document["links"]
    lines = {
        "Incident": document["id"],
        "Opened": f"{local(document['opened_at'])} by {document['opened_by']}",
        "Next": ", ".join(document["next_states"]) or "nothing: it was merged",
        "Components": _hit(document["components"], full=full),
        "Workflows": _hit(document["workflows"], full=full),
        "Impact": document["impact_reason"] or document["impact"]["answer"],
        "Graph": _linked(links["graph_version"], kept=links["graph_version_kept"]),
        "Simulation": _linked(links["simulation"], kept=links["simulation_kept"]),
        "Playbook": links["playbook"] or "none",
        "Recovery": _recovery(document["measured_recovery"]),
        "Audit log": _audit(document),
    }
    if document["summary_model"]:
        lines["Summary"] = f"{document['summary']} (in the words of {document['summary_model']})"
    return Group(
        *(hanging(title, line, width=_WIDTH, style="dim") for title, line in lines.items())
    )


def _hit(affected: list[Document], *, full: bool) -> str:
    if not affected:
        return "none"
    named = [
        f"{each['name']} (gone)" if each["in_newest_graph"] is False else each["name"]
        for each in affected
    ]
    return first_names(named, len(named) if full else 5)


def _linked(what: str | None, *, kept: bool | None) -> str:
    if what is None:
        return "none"
    return what if kept else f"{what}, which is no longer kept"


def _recovery(measured: Document | None) -> str:
    if measured is None:
        return "not measured"
    return f"{measured_sentence(measured['before'], measured['after'])}."


def _audit(document: Document) -> str:
    indexes = ", ".join(map(str, document["audit_entries"][:5]))
    more = len(document["audit_entries"]) - 5
    entries = f"entries {indexes}" + (f" and {more} more" if more > 0 else "")
    known = entries if indexes else "no entry has its place yet"
    proof = document["blockchain_proof"]
    anchored = "" if proof is None else f" Anchored on {proof['chain']}: {proof['tx_hash']}."
    return f"{known}.{anchored} {document['blockchain_proof_reason'] or ''}".rstrip()


def _impact(impact: Document, *, top: int | None) -> RenderableType:
    rows: list[list[str | Text]] = [
        [
            name(w["name"], style="bold"),
            count(w["runs_lost"]),
            count(w["runs_seen"]),
            percent(w["share_lost"]),
        ]
        for w in impact["workflows"]
    ]
    return section("Runs lost, as simulated", Rows(_WORKFLOWS, rows, top=top))


def _timeline(events: list[Document], *, top: int | None) -> RenderableType:
    rows: list[list[str | Text]] = [
        [local(each["time"]), _told(each), name(each["actor"]["id"])] for each in events
    ]
    return section("Timeline", Rows(_EVENTS, rows, top=top))


def _told(event: Document) -> str:
    what = sentence(EventKind(event["kind"]), event["details"])
    return f"{what}: {event['note']}" if event["note"] else what
