"""Faults of given values read as sentences, without the validator's own words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agentguard.settings import SettingsError, load_settings
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.validation import InvalidRequestError


def sentence(**members) -> str:
    with pytest.raises(ValidationError) as refused:
        FailureRequest.model_validate(members)
    faults = [fault | {"loc": ("body", *fault["loc"])} for fault in refused.value.errors()]
    return str(InvalidRequestError(faults)).removesuffix(" See /docs for the schema.")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"agent_id": "a", "seed": "x"}, "`seed` must be an integer; got 'x'."),
        ({"agent_id": "a", "seed": -1}, "`seed` must be at least 0; got -1."),
        ({"agent_id": 3}, "`agent_id` must be a string; got 3."),
        ({"agent_id": ""}, "`agent_id` must have at least 1 character(s); got ''."),
        ({"agent_ids": "a"}, "`agent_ids` must be a list; got 'a'."),
        ({"agent_ids": ["a", 1]}, "`agent_ids[1]` must be a string; got 1."),
        ({"agent_id": "a", "modes": []}, "`modes` must have at least 1 item(s); got a list of 0."),
        (
            {"agent_id": "a", "modes": ["outage", "errors:1.5"]},
            (
                "`modes[1]` is not valid: The rate in 'errors:1.5' must be between 0 and 1, such as"
                " errors:0.2 for one call in five."
            ),
        ),
        (
            {"agent_id": "a", "method": "x"},
            "`method` must be 'structural', 'replay' or 'monte_carlo'; got 'x'.",
        ),
        ({"agent_id": "a", "background": "x"}, "`background` must be true or false; got 'x'."),
        ({"agent_id": "a", "sed": 1}, "`sed` is unknown."),
        ({}, "The request body must name at least one of agent_id, agent_ids or groups."),
    ],
)
def test_a_fault_of_a_request_is_a_sentence(members, expected):
    assert sentence(**members) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("API_PORT", "http", "API_PORT: must be an integer"),
        ("API_PORT", "-1", "API_PORT: must be at least 0"),
        ("DEBUG", "perhaps", "DEBUG: must be true or false"),
    ],
)
def test_a_fault_of_a_setting_is_a_sentence_without_the_value(monkeypatch, name, value, expected):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        load_settings()

    assert expected in str(refused.value).splitlines()[1]
    assert value not in str(refused.value).splitlines()[1].partition(": ")[2]
