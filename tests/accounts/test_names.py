"""Names that mean the same user."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.accounts.errors import InvalidAccountError
from agentguard.accounts.names import clean_name
from agentguard.accounts.users import name_key


@given(name=st.text(min_size=1, max_size=50), form=st.sampled_from(["NFC", "NFD"]))
def test_however_a_name_is_typed_it_finds_what_is_stored(name, form):
    try:
        stored = clean_name(name, "user")
    except InvalidAccountError:
        return

    assert name_key(f" {unicodedata.normalize(form, name)}\t") == name_key(stored)


@pytest.mark.parametrize("typed", ["E\u0301va", "  éva ", "ÉVA"])
def test_for_example_with_another_keyboard(typed):
    assert name_key(typed) == name_key("Éva")
