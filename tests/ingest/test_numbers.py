"""Numbers of tokens and costs, in all the forms in which exporters write them."""

from __future__ import annotations

import math

import pytest

from agentguard.ingest.numbers import amount, numbers_in
from agentguard.ingest.values import unquoted

WHOLE = (((),), (), (), ())
IN_JSON = ((("usage", "input"), ("input",)), (("output",),), (("cached",),), (("cost",),))


@pytest.mark.parametrize(
    ("value", "number"),
    [(81, 81), (0.5, 0.5), ("82", 82), (" 17 ", 17), ('"12"', 12), ("1e3", 1000)],
)
def test_numbers_are_read_also_as_text(value: object, number: float) -> None:
    assert amount(value) == number


@pytest.mark.parametrize(
    "value", ["", "many", "-5", "1,000", "12 tokens", True, None, math.inf, 1e16, "9" * 65, [1]]
)
def test_what_is_no_number_is_not_counted(value: object) -> None:
    assert amount(value) is None


def test_the_first_path_with_a_number_counts() -> None:
    text = '{"usage": {"input": 5}, "input": 7, "output": "3", "cached": 2, "cost": 0.25}'

    assert numbers_in(text, IN_JSON) == (5, 3, 2, 0.25)
    assert numbers_in({"input": 7}, IN_JSON)[0] == 7


def test_json_without_the_numbers_gives_none() -> None:
    assert all(math.isnan(number) for number in numbers_in("[1, 2]", IN_JSON))
    assert all(math.isnan(number) for number in numbers_in("{broken", IN_JSON))


def test_a_whole_value_is_one_number() -> None:
    assert numbers_in("12", WHOLE)[0] == 12


@pytest.mark.parametrize(
    ("text", "without"),
    [('"gpt-4o"', "gpt-4o"), ("gpt", "gpt"), ('"', '"'), ('""', '""'), ('"a" "b"', '"a" "b"')],
)
def test_texts_in_json_lose_their_quotes(text: str, without: str) -> None:
    assert unquoted(text) == without
