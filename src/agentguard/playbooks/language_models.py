"""The port of language models: a question with a schema, and an answer or a refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from agentguard.kernel.errors import UnavailableError


class ModelUnavailableError(UnavailableError):
    """The model cannot be asked now: it is unreachable, overloaded, too slow or out of quota."""

    code = "model-unavailable"

    def __init__(self, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"The language model is unavailable: {reason}.")
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


def delay_seconds(retry_after: str | None) -> float | None:
    """Return the delay that a `Retry-After` header names (RFC 9110 §10.2.3), in seconds.

    None for a date and for anything else: it comes from outside, and may be any text.
    """
    found = None if retry_after is None else _SECONDS.fullmatch(retry_after.strip())
    return None if found is None else float(found[0])


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is sent: trusted instructions, and data that is not trusted."""

    instructions: str
    """Written by AgentGuard alone."""
    content: str
    """Facts as JSON; holds text of telemetry, which is data."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an exchange used; None: the model did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


NO_USAGE = Usage(0, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """The text that the model answered: meant to be JSON of the schema, and not yet believed."""

    text: str
    usage: Usage
    model: str
    """The model that answered, as it names itself."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model gave no usable answer: blocked, truncated or empty."""

    reason: str
    usage: Usage = field(default_factory=Usage)


def unfinished(reason: str, usage: Usage, *, cut_off: bool) -> Refusal:
    """Return the refusal for an answer that did not end by itself; `reason` is the API's word."""
    why = "the answer was cut off" if cut_off else "the answer was withheld"
    return Refusal(f"{why} ({reason})", usage)


Completion: TypeAlias = Answer | Refusal
Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema."""


class LanguageModel(Protocol):
    """Something that answers."""

    @property
    def name(self) -> str:
        """The model that is asked, such as `gemini:gemini-2.5-flash`."""

    async def complete(self, prompt: Prompt, schema: Schema) -> Completion:
        """Return the answer, or a refusal. Each call is a new exchange; nothing is kept.

        Raises ModelUnavailableError where another attempt may succeed, and only that.
        """
