"""Patterns of dialect files are compiled by RE2, or refused with their place."""

from __future__ import annotations

from typing import Any

import pytest

from agentguard.discovery.dialects.loading import dialects_of, load_dialects
from agentguard.kernel.patterns import BadPatternError
from tests.kernel.growth import grows_superlinearly

GOOD = {"when": {"name": "^a"}, "role": "step"}


def table(**sections: Any) -> dict[str, Any]:
    return {"id": "mine", "source": "a test", **sections}


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("spans", {"when": {"name": "(?<=a)b"}, "role": "step"}),
        ("spans", {"when": {"scope": "a(?=b)"}, "role": "step"}),
        ("spans", {"when": {"matches": {"k": r"(a)\1"}}, "role": "step"}),
        ("spans", {"when": {}, "role": "agent", "name": [{"span": "a++"}]}),
        ("spans", {"when": {}, "role": "agent", "name": [{"span": "(a)", "except": "(?!b)"}]}),
        ("facts", {"into": "x", "from": "y", "when": {}, "pattern": "(?>a)"}),
        ("errors", {"when": {"name": "(a"}}),
    ],
)
def test_a_pattern_without_linear_time_is_refused_with_file_and_place(
    section: str, entry: dict[str, Any]
) -> None:
    entries = [GOOD, entry] if section == "spans" else [entry]

    with pytest.raises(BadPatternError) as raised:
        dialects_of({"mine.yaml": table(**{section: entries})})

    assert f"mine.yaml, {section}, entry {len(entries)}: " in str(raised.value)
    assert "at column" in str(raised.value)


def test_a_pathological_dialect_costs_linear_time() -> None:
    fact = {"into": "x", "from": "y", "when": {"name": "(a+)+$"}, "pattern": "(a|aa)+$|(.*a){9}b"}
    pattern = dialects_of({"mine.yaml": table(facts=[fact])}).wanted.facts[0].pattern
    assert pattern is not None

    for call in (pattern.found, pattern.groups):
        assert not grows_superlinearly(call, lambda size: "a" * size + "!")


def test_the_pattern_of_housekeeping_is_refused_too() -> None:
    with pytest.raises(BadPatternError, match="column 2"):
        load_dialects("a(?=b)")
