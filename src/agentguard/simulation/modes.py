"""How components fail: the modes, and the texts that people write for them.

`outage`, `errors:0.2`, `latency:10`, `wrong_output:0.1`; with a component or shared-fate group in
front (`gpt-4o-mini=errors:0.2`) a mode holds for it alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from agentguard.kernel.errors import InvalidInputError


class FailureMode(StrEnum):
    """The failure modes that the engine simulates."""

    OUTAGE = "outage"
    """Every call fails."""
    ERRORS = "errors"
    """A share of the calls fails, each on its own."""
    LATENCY = "latency"
    """Every call takes so many times as long."""
    WRONG_OUTPUT = "wrong_output"
    """A share of the calls returns a wrong answer without an error."""


class InvalidModeError(InvalidInputError):
    """The text is no failure mode."""

    code = "invalid-mode"


_FORMS = "outage, errors:RATE, latency:FACTOR or wrong_output:RATE"


@dataclass(frozen=True, slots=True)
class Mode:
    """How a component fails."""

    kind: FailureMode = FailureMode.OUTAGE
    amount: float | None = None
    """The rate (0 to 1) or the factor (from 1); None for an outage."""

    @property
    def text(self) -> str:
        """Return it as it is written."""
        return self.kind.value if self.amount is None else f"{self.kind.value}:{self.amount:g}"


OUTAGE = Mode()
NO_MODES: Mapping[str, Mode] = MappingProxyType({})


def modes_of(components: Iterable[str], modes: Mapping[str, Mode]) -> dict[str, Mode]:
    """Return the mode of each component; an outage where none is given."""
    return {component: modes.get(component, OUTAGE) for component in components}


def texts_of(modes: Mapping[str, Mode]) -> dict[str, str]:
    """Return the modes as they are written."""
    return {component: mode.text for component, mode in modes.items()}


@dataclass(frozen=True, slots=True)
class ModeChoice:
    """A mode as asked for."""

    wanted: str | None
    """The component or group that it holds for; None: all that have none of their own."""
    mode: Mode


def parse_mode(text: str) -> Mode:
    """Return the mode; raise InvalidModeError with what to write instead."""
    name, _, amount = text.strip().partition(":")
    try:
        kind = FailureMode(name.strip())
    except ValueError:
        raise InvalidModeError(f"{text!r} is no failure mode. Write {_FORMS}.") from None
    match kind:
        case FailureMode.OUTAGE:
            if amount:
                raise InvalidModeError(
                    f"An outage has no rate, but {text!r} was given. Write outage, or errors:RATE"
                    " for a share of the calls."
                )
            return OUTAGE
        case FailureMode.ERRORS | FailureMode.WRONG_OUTPUT:
            return Mode(kind, _rate(kind, amount, text))
        case FailureMode.LATENCY:
            return Mode(kind, _factor(amount, text))
        case _:
            assert_never(kind)


def parse_choice(text: str) -> ModeChoice:
    """Return the mode and what it holds for; raise InvalidModeError."""
    wanted, equals, mode = text.rpartition("=")
    if equals and not wanted.strip():
        raise InvalidModeError(f"{text!r} names no component before '='. Write COMPONENT=MODE.")
    return ModeChoice(wanted.strip() or None, parse_mode(mode))


def parse_choices(texts: Iterable[str]) -> tuple[ModeChoice, ...]:
    """Return the modes; raise InvalidModeError, also where two hold for the same."""
    found: dict[str | None, ModeChoice] = {}
    for text in texts:
        choice = parse_choice(text)
        if choice.wanted in found:
            said = choice.wanted or "all components"
            raise InvalidModeError(f"Two modes are given for {said}. Give one mode for each.")
        found[choice.wanted] = choice
    return tuple(found.values())


def _rate(kind: FailureMode, amount: str, text: str) -> float:
    rate = _number(amount, text, f"{kind.value}:0.2")
    if not 0 <= rate <= 1:
        raise InvalidModeError(
            f"The rate in {text!r} must be between 0 and 1, such as {kind.value}:0.2 for one call"
            " in five."
        )
    return rate


def _factor(amount: str, text: str) -> float:
    factor = _number(amount, text, "latency:10")
    if factor < 1:
        raise InvalidModeError(
            f"The factor in {text!r} must be at least 1, such as latency:10 for calls that take ten"
            " times as long."
        )
    return factor


def _number(amount: str, text: str, example: str) -> float:
    try:
        number = float(amount)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidModeError(f"{text!r} needs a number after the colon, such as {example}.")
    return number
