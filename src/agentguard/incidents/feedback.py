"""What people say of the playbook that they followed: which of its steps helped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentguard.incidents.changes import changed, check_not_merged
from agentguard.incidents.errors import NoPlaybookLinkedError, UnknownStepError
from agentguard.incidents.model import Change, EventKind, Feedback, Helped, Incident


def give_feedback(
    incident: Incident,
    step: str | None,
    helped: Helped,
    *,
    now: int,
    by: str,
    note: str | None = None,
) -> Change | None:
    """Return the incident with this feedback on a step of its playbook; None if it has it.

    `step` is a step's id or number; None: the playbook as a whole. Later feedback on the same step
    replaces earlier. Raises NoPlaybookLinkedError, UnknownStepError, IncidentMergedError.
    """
    check_not_merged(incident)
    if incident.playbook is None:
        raise NoPlaybookLinkedError(incident.id)
    found = None if step is None else _step(incident.playbook.get("steps", ()), step)
    given = Feedback(None if found is None else found["id"], helped, by, now)
    others = tuple(each for each in incident.feedback if each.step != given.step)
    if note is None and any(
        (each.step, each.helped) == (given.step, helped) for each in incident.feedback
    ):
        return None
    told = {
        "playbook": incident.links.playbook,
        "step": given.step,
        "title": "the playbook" if found is None else found["title"],
        "helped": helped.value,
        "note": note,
    }
    return changed(
        replace(incident, feedback=(*others, given)), EventKind.FEEDBACK_GIVEN, now, told
    )


def effectiveness(incident: Incident) -> float | None:
    """Return the share of the judged steps that helped; None where none is judged.

    The playbook as a whole counts like a step; what is unclear does not count.
    """
    judged = [each.helped for each in incident.feedback if each.helped is not Helped.UNCLEAR]
    return judged.count(Helped.YES) / len(judged) if judged else None


def by_action(incident: Incident) -> Mapping[str, Helped]:
    """Return what was said of each step, by the step's action."""
    steps = {step["id"]: step for step in (incident.playbook or {}).get("steps", ())}
    return {
        steps[each.step]["action"]: each.helped
        for each in incident.feedback
        if each.step is not None and each.step in steps
    }


def _step(steps: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    for number, step in enumerate(steps, 1):
        if wanted in (step["id"], str(number)):
            return step
    raise UnknownStepError(wanted, [str(step["id"]) for step in steps])
