"""Claim ids: one written form each, whatever the ids hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.evidence.claims import FORMS, Claim, ClaimFormatError, ClaimKind

PARTS = st.text(min_size=1)


@st.composite
def claims(draw) -> Claim:
    kind = draw(st.sampled_from(list(ClaimKind)))
    form = draw(st.sampled_from(FORMS[kind])).partition(":")[2].split("~")
    return Claim(kind, tuple(draw(PARTS) if part.isupper() else part for part in form))


@given(claim=claims())
def test_a_claim_survives_being_written(claim: Claim):
    assert Claim.parse(str(claim)) == claim


@given(text=st.text())
def test_any_text_is_the_one_form_of_a_claim_or_refused(text: str):
    try:
        written = str(Claim.parse(text))
    except ClaimFormatError:
        written = text

    assert written == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "component",
        "component:",
        "component:a~b",
        "Component:a",
        "dependency:a",
        "dependency:a~",
        "dependency:a~b~c~d",
        "simulation:1~else~x",
        "component:a%7eb",
        "rumour:a",
    ],
)
def test_what_is_no_claim_is_refused_with_the_forms(text: str):
    with pytest.raises(ClaimFormatError, match="Write "):
        Claim.parse(text)


def test_ids_stay_readable():
    claim = Claim(ClaimKind.DEPENDENCY, ("demo/agent:a b", "tool:shop/50%~off"))

    assert str(claim) == "dependency:demo/agent:a b~tool:shop/50%25%7Eoff"
