"""The summary of an incident says what is stored, and whose words they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentguard.incidents.model import Impact
from agentguard.incidents.summary import summary_of
from tests.incidents.examples import OTHER, SIMULATED, incident

IMPACT = Impact(SIMULATED["answer"], "checkout loses 78 % of runs", 6.2, 40, 31.0, ())


def playbook(state: str) -> dict[str, Any]:
    return {
        "incident": {"summary": "Checkouts fail since PaymentAgent is down."},
        "refinement": {"state": state, "model": "gemini-flash"},
    }


def test_without_a_simulation_what_is_lost_is_unknown():
    found = summary_of(incident())

    assert found.text == (
        "What is lost is unknown: no simulation is linked. 1 component and 1 workflow are affected,"
        " PaymentAgent first. It is open since 2026-09-21 14:13 UTC; nobody owns it."
    )
    assert found.model is None


def test_the_simulation_says_what_is_lost():
    found = summary_of(replace(incident(), impact=IMPACT, owner="team-payments"))

    assert found.text.startswith("If PaymentAgent fails, checkout loses 31 of 40 runs. ")
    assert found.text.endswith("; team-payments owns it.")


@pytest.mark.parametrize(
    ("state", "model"), [("accepted", "gemini-flash"), ("rejected", None), ("unavailable", None)]
)
def test_a_models_words_count_where_they_were_accepted(state: str, model: str | None):
    found = summary_of(replace(incident(), impact=IMPACT, playbook=playbook(state)))

    assert found.model == model
    assert ("Checkouts fail since PaymentAgent is down." in found.text) == (model is not None)
    assert (IMPACT.answer in found.text) == (model is None)


def test_a_duplicate_names_its_incident():
    merged = replace(incident(), merged_into=OTHER)

    assert summary_of(merged).text.endswith(f"It is a duplicate of incident {OTHER}.")
