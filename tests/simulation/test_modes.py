"""Failure modes as people write them."""

from __future__ import annotations

import pytest

from agentguard.simulation.modes import (
    FailureMode,
    InvalidModeError,
    Mode,
    ModeChoice,
    parse_choices,
    parse_mode,
)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("outage", Mode()),
        ("errors:0.2", Mode(FailureMode.ERRORS, 0.2)),
        ("errors:1", Mode(FailureMode.ERRORS, 1.0)),
        ("latency:10", Mode(FailureMode.LATENCY, 10.0)),
        ("wrong_output:0.05", Mode(FailureMode.WRONG_OUTPUT, 0.05)),
        (" errors : 0.2 ", Mode(FailureMode.ERRORS, 0.2)),
    ],
)
def test_a_mode_is_read_as_written(text, mode):
    assert parse_mode(text) == mode
    assert parse_mode(parse_mode(text).text) == mode


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("errors:1.5", "must be between 0 and 1"),
        ("errors:-0.1", "must be between 0 and 1"),
        ("wrong_output:2", "must be between 0 and 1"),
        ("errors", "needs a number after the colon, such as errors:0.2"),
        ("errors:nan", "needs a number after the colon, such as errors:0.2"),
        ("latency:0.5", "must be at least 1"),
        ("latency:inf", "needs a number after the colon, such as latency:10"),
        ("outage:0.5", "errors:RATE for a share of the calls"),
        ("explosion", "Write outage, errors:RATE, latency:FACTOR or wrong_output:RATE."),
    ],
)
def test_an_invalid_mode_is_refused_with_what_to_write_instead(text, said):
    with pytest.raises(InvalidModeError) as refused:
        parse_mode(text)

    assert repr(text) in str(refused.value)
    assert said in str(refused.value)


def test_a_mode_may_hold_for_one_component_or_group():
    found = parse_choices(["errors:0.2", "demo/agent:PaymentAgent=outage", "provider:x=latency:3"])

    assert found == (
        ModeChoice(None, Mode(FailureMode.ERRORS, 0.2)),
        ModeChoice("demo/agent:PaymentAgent", Mode()),
        ModeChoice("provider:x", Mode(FailureMode.LATENCY, 3.0)),
    )


@pytest.mark.parametrize("texts", [["outage", "errors:0.1"], ["A=outage", "A=outage"]])
def test_two_modes_for_the_same_component_are_refused(texts):
    with pytest.raises(InvalidModeError, match="Two modes are given for"):
        parse_choices(texts)


def test_a_mode_for_no_component_is_refused():
    with pytest.raises(InvalidModeError, match="Write COMPONENT=MODE"):
        parse_choices(["=outage"])
