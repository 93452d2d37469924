"""The draft of a post-mortem has what is stored, and says once what is not known."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from agentguard.incidents import changes
from agentguard.incidents.documents import Surroundings
from agentguard.incidents.post_mortem import escape, post_mortem
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_SECOND
from tests.incidents.examples import PAYMENT, START, event_of, incident, opening

MINUTE = 60 * NS_PER_SECOND


def draft(**more: object) -> str:
    begun = opening(**more)  # type: ignore[arg-type]  # what `opening` takes
    noted = changes.note(begun.incident, "Provider is down\nsince 3:00", now=START + MINUTE)
    moved = changes.move(
        noted.incident, State.RESOLVED, now=START + 5 * MINUTE, by="user:bo", note="Restarted"
    )
    assert moved is not None
    events = [event_of(each) for each in (begun, noted, moved)]
    return post_mortem(moved.incident, events, Surroundings(present=frozenset()))


def test_the_draft_has_times_timeline_and_what_was_done():
    text = draft()

    assert "# Post-mortem: Payments fail" in text
    assert "5 min 00 s after it was opened" in text
    assert "> Provider is down" in text
    assert "- Resolved: Restarted" in text
    assert "PaymentAgent (not in the newest graph)" in text


def test_what_is_not_known_is_said_once():
    text = draft()
    unknown = text.split("## What is not known")[1]

    assert "- The cause." in unknown
    assert "- Who owns it: nobody is assigned." in unknown
    assert "no simulation is linked" in unknown
    assert text.count("no simulation is linked") == 1


def test_an_impact_that_no_simulation_states_is_not_in_the_draft():
    assert "Runs lost" not in draft()


def test_texts_of_people_and_telemetry_cannot_form_links_or_html():
    text = draft(title="[click](https://evil.example) <img src=x> | **bold**\u202e")

    assert "\\[click\\]\\(https\\://evil.example\\)" in text
    assert "\\<img src=x\\>" in text
    assert "**" not in text
    assert "\u202e" not in text


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_escaped_text_is_one_line_whose_markup_is_escaped(text: str):
    escaped = escape(text)

    assert len(escaped.splitlines()) <= 1
    plain = escaped.replace("\\\\", "")
    for mark in "[]<>*_`|#":
        assert plain.count(mark) == plain.count(f"\\{mark}")
    assert all(each in string.printable or each.isprintable() for each in escaped)


def test_an_incident_without_events_of_people_says_so():
    found = incident()
    text = post_mortem(found, [event_of(opening())], Surroundings())

    assert "- Nothing is noted, and no playbook is linked." in text
    assert "- When it ends: it is open." in text
    assert PAYMENT.name in text
