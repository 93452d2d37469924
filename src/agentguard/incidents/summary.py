"""The summary of an incident: two or three sentences, each a fact that is stored."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.incidents.model import Incident
from agentguard.kernel.clock import timestamp
from agentguard.simulation.wording import plural

_UNKNOWN = "What is lost is unknown: no simulation is linked."


@dataclass(frozen=True, slots=True)
class Summary:
    """What an incident is, for somebody who has read nothing of it."""

    text: str
    model: str | None
    """The language model that phrased the first part, grounded in facts; None: no model did."""


def summary_of(incident: Incident) -> Summary:
    """Return what is lost, then what is hit, its state and who owns it.

    What is lost in a language model's words where it phrased the linked playbook, which was checked
    against the facts then (`playbooks.grounding`); else in those of the linked simulation.
    """
    model, lost = _phrased(incident)
    return Summary(f"{lost or _lost(incident)} {_hit(incident)} {_state(incident)}", model)


def _phrased(incident: Incident) -> tuple[str | None, str | None]:
    playbook = incident.playbook or {}
    refinement = playbook.get("refinement") or {}
    if refinement.get("state") != "accepted":
        return None, None
    return refinement["model"], playbook["incident"]["summary"]


def _lost(incident: Incident) -> str:
    return _UNKNOWN if incident.impact is None else incident.impact.answer


def _hit(incident: Incident) -> str:
    begun = (*incident.components, *incident.workflows)[0]
    hit = plural(len(incident.components), "component")
    if incident.workflows:
        hit += f" and {plural(len(incident.workflows), 'workflow')}"
    verb = "is" if hit == "1 component" else "are"
    return f"{hit} {verb} affected, {begun.name} first."


def _state(incident: Incident) -> str:
    if incident.merged_into is not None:
        return f"It is a duplicate of incident {incident.merged_into}."
    entered = incident.states[-1]
    since = timestamp(entered.at) or ""
    owner = f"{incident.owner} owns it" if incident.owner else "nobody owns it"
    return f"It is {entered.state.value} since {since[:10]} {since[11:16]} UTC; {owner}."
