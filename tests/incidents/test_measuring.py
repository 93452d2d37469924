"""Calls before and after something was done about an incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentguard.incidents import changes
from agentguard.incidents.errors import NothingDoneError
from agentguard.incidents.measuring import failing, measure, windows_of
from agentguard.incidents.model import Calls, Helped, Incident, MeasuredRecovery
from agentguard.incidents.recoveries import Recovery
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_HOUR
from agentguard.playbooks.handover import past_sentence
from agentguard.playbooks.model import PastUse
from agentguard.traces.window import TimeWindow
from tests.incidents.examples import GPT, PAYMENT, START, incident

BEFORE, AFTER = Calls(START, START + 10, 40, 16), Calls(START + 10, START + 20, 50, 1)


def moved(found: Incident, *steps: tuple[State, int]) -> Incident:
    """Return the incident after these moves, each so many hours after the start."""
    for state, hours in steps:
        change = changes.move(found, state, now=START + hours * NS_PER_HOUR, by="user:anna")
        assert change is not None
        found = change.incident
    return found


@pytest.mark.parametrize(
    ("steps", "now", "before", "after"),
    [
        ([(State.MITIGATED, 2)], 3, (0, 2), (2, 3)),
        ([(State.MITIGATED, 2), (State.RESOLVED, 5)], 6, (0, 2), (2, 6)),
        ([(State.RESOLVED, 5)], 6, (0, 5), (5, 6)),
        ([(State.MITIGATED, 40)], 90, (16, 40), (40, 64)),
        ([(State.RESOLVED, 1), (State.OPEN, 5), (State.MITIGATED, 7)], 9, (5, 7), (7, 9)),
    ],
)
def test_the_turn_is_when_something_was_done_last(steps, now, before, after):
    found = windows_of(moved(incident(), *steps), START + now * NS_PER_HOUR)

    hours = [
        TimeWindow(START + since * NS_PER_HOUR, START + until * NS_PER_HOUR)
        for since, until in (before, after)
    ]
    assert found == tuple(hours)


def test_without_anything_done_there_is_no_before_and_after():
    with pytest.raises(NothingDoneError, match="neither mitigated nor resolved"):
        windows_of(incident(), START)


def test_the_playbook_says_whose_calls_tell():
    found = incident()
    assert failing(found) == (PAYMENT.id,)
    playbook = {"incident": {"failed_components": [GPT.id, PAYMENT.id]}}
    assert failing(replace(found, playbook=playbook)) == (GPT.id, PAYMENT.id)


def test_what_was_measured_is_kept_until_it_is_reopened():
    done = moved(incident(), (State.MITIGATED, 1))
    change = measure(done, (PAYMENT.id,), BEFORE, AFTER, now=START + 2 * NS_PER_HOUR)

    assert change is not None
    measured = change.incident
    assert measured.measured == MeasuredRecovery((PAYMENT.id,), BEFORE, AFTER)
    assert measure(measured, (PAYMENT.id,), BEFORE, AFTER, now=START) is None
    assert moved(measured, (State.RESOLVED, 3)).measured == measured.measured
    assert moved(measured, (State.OPEN, 3)).measured is None


@pytest.mark.parametrize(
    ("before", "after", "fell"),
    [
        (BEFORE, AFTER, True),
        (AFTER, BEFORE, False),
        (BEFORE, BEFORE, False),
        (replace(BEFORE, calls=0, failed=0), AFTER, None),
        (BEFORE, replace(AFTER, calls=0, failed=0), None),
    ],
)
def test_the_error_share_fell_or_not_or_is_unknown(before, after, fell):
    assert MeasuredRecovery((), before, after).fell is fell


def test_past_use_counts_what_was_measured_beside_what_people_said():
    past = [
        Recovery("c", 1, {"hold": Helped.YES}, fell=True),
        Recovery("b", 1, {"hold": Helped.NO}, fell=False),
        Recovery("a", 1, {"hold": Helped.YES}),
        Recovery("0", 1, fell=True),
    ]

    found = PastUse.of("hold", past)

    assert found == PastUse(2, 3, 1, 2, ("c", "b", "a"))
    assert past_sentence({"helped": 2, "judged": 3, "fell": 1, "measured": 2}) == (
        "Helped in 2 of 3 past incidents; the error share fell in 1 of 2 measured."
    )
    assert past_sentence({"helped": 1, "judged": 1, "fell": 0, "measured": 0}) == (
        "Helped in 1 of 1 past incident."
    )
