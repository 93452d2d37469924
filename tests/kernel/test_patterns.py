"""Regular expressions cost linear time, and what cannot be compiled is named."""

from __future__ import annotations

import pickle
import re

import pytest

from agentguard.kernel.patterns import MOST_MATCHES, BadPatternError, Pattern, literal
from tests.kernel.growth import grows_superlinearly

PATHOLOGICAL = [
    (r"(a+)+$", "a"),
    (r"(a|aa)+$", "a"),
    (r"(.*a){20}$", "a"),
    (r"(x+x+)+y", "x"),
    (r"^(\w+\s?)*$", "word "),
    (r"a[^b]*b|a", "a"),
    (r'"type"\s*:\s*"call"[^{}]*?"name"', '"type":"call",'),
    (r"(?:eyJ[\w-]{10,}\.[\w-]{10,}|AKIA\w{4})", "eyJAKIAaaaa"),
]


@pytest.mark.parametrize(("text", "unit"), PATHOLOGICAL)
def test_no_pattern_grows_faster_than_its_input(text: str, unit: str) -> None:
    pattern = Pattern(text)

    for call in (pattern.found, pattern.group, pattern.groups):
        assert not grows_superlinearly(call, lambda size: unit * (size // len(unit)) + "!")


def test_the_measurement_finds_a_quadratic_pattern() -> None:
    quadratic = re.compile(r'"type"\s*:\s*"call"[^{}]*?"name"')

    assert grows_superlinearly(quadratic.search, lambda size: '"type":"call",' * (size // 14))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("abc(?=d)", "column 4"),
        ("a(?<!b)", "column 2"),
        (r"(a)\1", "column 4"),
        ("x?+", "column 2"),
    ],
)
def test_what_cannot_be_matched_in_linear_time_is_refused_with_its_place(
    text: str, place: str
) -> None:
    with pytest.raises(BadPatternError, match=place) as raised:
        Pattern(text)

    assert text in str(raised.value).replace("\\\\", "\\")


def test_the_first_group_that_took_part_is_the_result() -> None:
    assert Pattern(r"to(?:[_-](.+)|([^_-].*))$").group("transfer_to_bob") == "bob"
    assert Pattern(r"to(?:[_-](.+)|([^_-].*))$").group("transfertobob") == "bob"
    assert Pattern("b.").group("abc") == "bc"
    assert Pattern("x").group("abc") is None


def test_matches_are_limited_in_number() -> None:
    assert len(Pattern("a").groups("a" * 1000)) == MOST_MATCHES


def test_text_of_any_alphabet_is_searched() -> None:
    assert Pattern(r"^([\pL\pN_]+)\.run$").group("Übersetzer.run") == "Übersetzer"
    assert Pattern("ü+").replaced("aüüb", lambda match: match.whole.upper()) == "aÜÜb"
    assert Pattern("a").found("\ud800a")


def test_a_literal_matches_only_itself() -> None:
    assert Pattern(f"^{literal('a.b*[c]')}$").found("a.b*[c]")
    assert not Pattern(f"^{literal('a.b')}$").found("axb")


def test_patterns_are_picklable() -> None:
    assert pickle.loads(pickle.dumps(Pattern("a(b)"))).group("ab") == "b"  # noqa: S301
