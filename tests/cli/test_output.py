from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentguard.cli.messages import say
from agentguard.cli.output import print_json, shown

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    max_leaves=10,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(st.text(), values))
def test_json_is_plain_ascii_and_reads_back_the_same(document, capsys):
    print_json(document)

    text = capsys.readouterr().out
    assert json.loads(text) == document
    assert all(c == "\n" or " " <= c <= "~" for c in text)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_never_printed(value):
    with pytest.raises(ValueError, match="JSON"):
        print_json({"value": value})


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
def test_a_message_never_acts_on_the_terminal(text, capsys):
    say(text)

    printed = capsys.readouterr().err
    assert all(c.isprintable() or c in "\n\u3000" or c.isspace() for c in printed)
    assert "\x1b" not in printed
    assert "\u202e" not in printed


def test_shown_keeps_the_shape_and_cuts_long_texts_visibly():
    document = {"a": ["x" * 1000, {"\x1b": 1, "n": None}], "b": (1, 2.5, True)}

    safe = shown(document)

    assert safe == {"a": [safe["a"][0], {"\\x1b": 1, "n": None}], "b": [1, 2.5, True]}
    assert len(safe["a"][0]) == 400
    assert "…" in safe["a"][0]
