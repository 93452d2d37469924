"""Feedback on the steps of a linked playbook, and what later playbooks cite of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentguard.incidents import changes
from agentguard.incidents.errors import (
    IncidentMergedError,
    NoPlaybookLinkedError,
    UnknownStepError,
)
from agentguard.incidents.feedback import by_action, effectiveness, give_feedback
from agentguard.incidents.model import Helped, Incident
from agentguard.incidents.recoveries import Recovery
from agentguard.incidents.wording import sentence
from agentguard.playbooks.model import PastUse
from tests.incidents.examples import OTHER, PLAYBOOK, START, incident

LINKED = replace(incident(), playbook=PLAYBOOK)


def judged(found: Incident, *said: tuple[str | None, Helped]) -> Incident:
    for number, (step, helped) in enumerate(said, 1):
        change = give_feedback(found, step, helped, now=START + number, by="user:anna")
        assert change is not None
        found = change.incident
    return found


def test_a_step_is_named_by_its_number_or_id():
    by_number, by_id = (judged(LINKED, (step, Helped.YES)) for step in ("2", "contain-2"))

    assert by_number == by_id
    assert by_action(by_id) == {"hold": Helped.YES}


def test_later_feedback_on_a_step_replaces_earlier():
    found = judged(LINKED, ("1", Helped.NO), ("2", Helped.YES), ("1", Helped.YES))

    assert by_action(found) == {"confirm": Helped.YES, "hold": Helped.YES}
    assert found.version == LINKED.version + 3


def test_equal_feedback_changes_nothing_unless_it_has_a_note():
    found = judged(LINKED, ("1", Helped.NO))

    assert give_feedback(found, "1", Helped.NO, now=START, by="user:bo") is None
    noted = give_feedback(found, "1", Helped.NO, now=START, by="user:bo", note="Still")
    assert noted is not None
    assert noted.details["note"] == "Still"
    assert sentence(noted.kind, noted.details) == "Did it help? no: Confirm: outage"


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ([], None),
        ([("1", Helped.UNCLEAR)], None),
        ([("1", Helped.YES), ("2", Helped.UNCLEAR)], 1.0),
        ([("1", Helped.YES), ("2", Helped.NO)], 0.5),
        ([("1", Helped.YES), ("2", Helped.NO), (None, Helped.NO)], 1 / 3),
    ],
)
def test_effectiveness_is_the_share_of_what_helped(said, score):
    assert effectiveness(judged(LINKED, *said)) == score


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(NoPlaybookLinkedError):
        give_feedback(incident(), "1", Helped.YES, now=START, by="user:anna")
    with pytest.raises(UnknownStepError, match="It has contain-1, contain-2"):
        give_feedback(LINKED, "3", Helped.YES, now=START, by="user:anna")
    with pytest.raises(IncidentMergedError):
        give_feedback(
            replace(LINKED, merged_into=OTHER), "1", Helped.YES, now=START, by="user:anna"
        )


def test_another_playbook_has_feedback_of_its_own():
    found = judged(LINKED, ("1", Helped.YES))
    change = changes.link_playbook(found, "another", PLAYBOOK, now=START + 9)

    assert change is not None
    assert change.incident.feedback == ()


def test_past_incidents_are_counted_by_action():
    past = [
        Recovery("c", 1, {"hold": Helped.YES}),
        Recovery("b", 1, {"hold": Helped.NO, "confirm": Helped.UNCLEAR}),
        Recovery("a", 1, {"hold": Helped.YES}),
        Recovery("0", 1),
    ]

    assert PastUse.of("hold", past) == PastUse(2, 3, 0, 0, ("c", "b", "a"))
    assert PastUse.of("confirm", past) is None
