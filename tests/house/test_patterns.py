"""Every regular expression of the product costs linear time, whatever the text."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import agentguard
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.discovery.naming import name_rules
from agentguard.ingest.secret_shapes import SHAPES
from agentguard.kernel.patterns import Pattern
from tests.kernel.growth import grows_superlinearly

_SOURCES = Path(agentguard.__file__).parent
_WHOLE = {r"(\d+(?:\.\d+)?)\s*([smhdw])"}
"""Patterns of the standard library that are only matched against whole texts."""
_PIECES = re.compile(r"[A-Za-z0-9_\"': /=@-]+")
_UNITS = ("a", "0", "_", " ", '"', "\\", "/", "a.", "a,", "aB1-")


def of_value(value: Any) -> Iterator[Pattern]:
    """Yield the patterns in dataclasses and tuples, at any depth."""
    if isinstance(value, Pattern):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from of_value(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from of_value(getattr(value, field.name))


def of_modules() -> Iterator[Pattern | re.Pattern[str]]:
    """Yield the patterns that modules hold as constants."""
    for path in sorted(_SOURCES.rglob("*.py")):
        if not re.search(r"\b(?:re\.compile|Pattern)\(", path.read_text()):
            continue
        name = ".".join(path.relative_to(_SOURCES.parent).with_suffix("").parts)
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                yield value
            else:
                yield from of_value(value) if isinstance(value, Pattern | tuple) else ()


def all_patterns() -> list[Pattern | re.Pattern[str]]:
    found = [
        *of_modules(),
        *of_value(load_dialects()),
        *of_value([*name_rules("components"), *name_rules("models")]),
        *[Pattern(shape.pattern) for shape in SHAPES],
    ]
    return list({(type(each), _text(each)): each for each in found}.values())


def _text(pattern: Pattern | re.Pattern[str]) -> str:
    return pattern.text if isinstance(pattern, Pattern) else pattern.pattern


def calls(pattern: Pattern | re.Pattern[str]) -> tuple[Callable[[str], object], ...]:
    if isinstance(pattern, Pattern):
        return pattern.found, pattern.groups
    return (
        (pattern.fullmatch,) if pattern.pattern in _WHOLE else (pattern.fullmatch, pattern.search)
    )


def units(pattern: Pattern | re.Pattern[str]) -> set[str]:
    """Return texts that keep a match going without completing it: the pattern's literal parts."""
    parts = _PIECES.findall(_text(pattern))
    longest = sorted(parts, key=len, reverse=True)[:3]
    return {*_UNITS, *longest, "".join(parts[:2]), "".join(parts[:-1])} - {""}


def repeated(unit: str, size: int) -> str:
    return unit * (size // len(unit)) + "\n!"


@pytest.mark.parametrize("part", range(8))
def test_no_pattern_of_the_product_grows_faster_than_its_input(part: int) -> None:
    slow = [
        (_text(pattern), unit)
        for pattern in all_patterns()[part::8]
        for unit in units(pattern)
        for call in calls(pattern)
        if grows_superlinearly(call, partial(repeated, unit))
    ]

    assert not slow


def test_the_walk_finds_the_patterns_of_dialects_names_and_modules() -> None:
    texts = {_text(pattern) for pattern in all_patterns()}

    assert r"^invoke_agent (.+)$" in texts
    assert any(text.startswith(r"[\s_\-.:/#(\[@]*([0-9a-f]{12,})") for text in texts)
    assert len(texts) > 150
