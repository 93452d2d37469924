"""The draft of a post-mortem, as Markdown: only what is stored, and once what is not known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from agentguard.graph.export.sanitizing import printable
from agentguard.incidents.documents import Surroundings
from agentguard.incidents.model import Affected, Event, EventKind, Impact, Incident
from agentguard.incidents.states import State
from agentguard.incidents.wording import measured_sentence, sentence_of
from agentguard.kernel.clock import NS_PER_SECOND, timestamp

_MOST_LISTED = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$@:-])")


def post_mortem(incident: Incident, events: Sequence[Event], around: Surroundings) -> str:
    """Return the draft; all times are UTC.

    Texts of people and from telemetry are escaped, so that they are shown as they are.
    """
    parts = (
        _head(incident),
        _impact(incident),
        _affected(incident, around),
        _measured(incident),
        _timeline(events),
        _actions(incident, events),
        _evidence(incident, around),
        _unknown(incident, events, around),
    )
    return "\n".join(line for part in parts for line in part)


def escape(text: str) -> str:
    """Return text on one line that Markdown shows as it is, without links or HTML."""
    return _SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))


def _head(incident: Incident) -> Iterator[str]:
    yield f"# Post-mortem: {escape(incident.title)}"
    yield ""
    yield (
        "Draft, written by AgentGuard from what is stored about this incident. Causes and lessons"
        " are for people to add."
    )
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    rows = {
        "Incident": incident.id,
        "Severity": incident.severity.value,
        "State": incident.state.value,
        "Owner": escape(incident.owner or "none"),
        "Opened": f"{_time(incident.opened_at)} by {escape(incident.opened_by)}",
        **_reached(incident),
    }
    yield from (f"| {name} | {value} |" for name, value in rows.items())
    yield ""


def _reached(incident: Incident) -> Mapping[str, str]:
    """Return when each later state was entered, and how long after the last opening."""
    begun = incident.begun_at
    rows: dict[str, str] = {}
    if begun != incident.opened_at:
        rows["Reopened"] = _time(begun)
    for state in (State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED, State.REVIEWED):
        if entered := incident.last_entered(state):
            after = f"{_duration(entered.at - begun)} after it was opened"
            rows[state.capitalize()] = f"{_time(entered.at)}, {after}"
    return rows


def _impact(incident: Incident) -> Iterator[str]:
    if incident.impact is None:
        return
    yield "## Impact, as simulated"
    yield ""
    yield (
        f"{escape(incident.impact.answer)} This is what simulation"
        f" {incident.links.simulation} predicts, not what was measured."
    )
    yield ""
    if incident.impact.workflows:
        yield from _losses(incident.impact)


def _losses(impact: Impact) -> Iterator[str]:
    yield "| Workflow | Runs seen | Runs lost | Share |"
    yield "| --- | ---: | ---: | ---: |"
    for w in impact.workflows[:_MOST_LISTED]:
        share = f"{w.share_lost:.1%}"
        yield f"| {escape(w.name)} | {w.runs_seen} | {w.runs_lost:.1f} | {share} |"
    yield ""
    if (more := len(impact.workflows) - _MOST_LISTED) > 0:
        yield from (f"{more} more workflows lose fewer runs.", "")


def _affected(incident: Incident, around: Surroundings) -> Iterator[str]:
    yield "## Affected"
    yield ""
    for name, hit in (("Components", incident.components), ("Workflows", incident.workflows)):
        if hit:
            yield f"- {name} ({len(hit)}): {_names(hit, around.present)}"
    yield ""


def _measured(incident: Incident) -> Iterator[str]:
    measured = incident.measured
    if measured is None:
        return
    yield "## Recovery, as measured"
    yield ""
    counted = measured_sentence(asdict(measured.before), asdict(measured.after))
    yield f"{counted}: {', '.join(escape(each) for each in measured.components)}."
    yield ""


def _names(hit: Sequence[Affected], present: frozenset[str] | None) -> str:
    listed = [f"{escape(each.name)}{_gone(each, present)}" for each in hit[:_MOST_LISTED]]
    more = len(hit) - _MOST_LISTED
    return ", ".join(listed) + (f" and {more} more" if more > 0 else "")


def _gone(each: Affected, present: frozenset[str] | None) -> str:
    return " (not in the newest graph)" if present is not None and each.id not in present else ""


def _timeline(events: Sequence[Event]) -> Iterator[str]:
    yield "## Timeline (UTC)"
    yield ""
    for event in events:
        yield f"- {_time(event.time)} — {escape(sentence_of(event))} ({escape(event.actor)})"
        for line in str(event.details.get("note") or "").splitlines():
            yield f"  > {escape(line)}"
    yield ""


def _actions(incident: Incident, events: Sequence[Event]) -> Iterator[str]:
    yield "## What was done"
    yield ""
    noted = [e for e in events if e.kind in _DONE and e.details.get("note")]
    for event in noted:
        line = " ".join(str(event.details["note"]).split())
        yield f"- {event.kind.replace('_', ' ').capitalize()}: {escape(line)}"
    if incident.playbook is not None:
        yield f"- Playbook {incident.links.playbook} was linked. Its steps, as planned:"
        yield from (f"  - {escape(title)}" for title in _steps(incident.playbook))
    if not noted and incident.playbook is None:
        yield "- Nothing is noted, and no playbook is linked."
    yield ""


_DONE = (EventKind.ACKNOWLEDGED, EventKind.MITIGATED, EventKind.RESOLVED, EventKind.REVIEWED)


def _steps(playbook: Mapping[str, Any]) -> Iterator[str]:
    for step in playbook.get("steps") or ():
        if isinstance(step, Mapping) and isinstance(step.get("title"), str):
            yield step["title"]


def _evidence(incident: Incident, around: Surroundings) -> Iterator[str]:
    links = incident.links
    yield "## Evidence"
    yield ""
    if links.graph_version is not None:
        kept = "" if around.graph_version_kept else ", which is no longer kept"
        dataset = escape(links.dataset or "")
        yield f"- Graph version {links.graph_version} of dataset {dataset}{kept}"
    if links.simulation is not None:
        kept = "" if around.simulation_kept else ", which is no longer kept"
        yield f"- Simulation {links.simulation}{kept}"
    document = around.proof.document()
    indexes = ", ".join(str(index) for index in document["audit_entries"])
    if indexes:
        yield f"- Audit entries {indexes}: `agentguard audit export --incident {incident.id}`"
    if (proof := document["blockchain_proof"]) is not None:
        yield f"- Anchored on {escape(proof['chain'])} in transaction {proof['tx_hash']}"
    yield from (f"- Duplicate: incident {each}" for each in incident.duplicates)
    yield ""


def _unknown(incident: Incident, events: Sequence[Event], around: Surroundings) -> Iterator[str]:
    yield "## What is not known"
    yield ""
    yield "- The cause."
    yield "- What users really lost: nothing of it was measured for this incident."
    if incident.impact is None:
        yield "- The expected impact: no simulation is linked."
    if incident.owner is None:
        yield "- Who owns it: nobody is assigned."
    if incident.active:
        yield f"- When it ends: it is {incident.state.value}."
    if around.present is None:
        yield "- Whether the affected components still exist: there is no graph."
    if not any(event.kind is EventKind.NOTED for event in events):
        yield "- What people saw meanwhile: the timeline has no note."
    if (reason := around.proof.document()["blockchain_proof_reason"]) is not None:
        yield f"- Whether the entries will be anchored: {reason}"
    yield ""


def _time(moment: int) -> str:
    written = timestamp(moment)
    return "unknown" if written is None else f"{written[:10]} {written[11:19]} UTC"


def _duration(ns: int) -> str:
    """Return a duration to the second: `2 h 05 min`, `3 min 20 s`, `8 s`."""
    seconds = ns // NS_PER_SECOND
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds % 60:02d} s" if minutes else f"{seconds} s"
