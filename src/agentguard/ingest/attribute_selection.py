"""What decoding keeps of a span: named by the dialect tables, handed in as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from re import Pattern

from agentguard.ingest.conditions import Condition


class Reduction(StrEnum):
    """How a value with many forms becomes one with few before it is kept."""

    HOST = "host"
    """A URL or authority becomes host:port."""
    PATH = "path"
    """A URL or path loses query, ids and numbers."""
    OPERATION = "operation"
    """A statement becomes its first word."""
    FLAG = "flag"
    """Only that there is one."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something read out of content (arguments, messages) that is itself not kept."""

    into: str
    """The attribute that holds the fact from then on."""
    source: str
    """A span attribute, or 'event:' and the event's name and attribute,
    'event:gen_ai.tool.message/content'.
    """
    condition: Condition
    path: tuple[str, ...] = ()
    """Keys to follow in the JSON text; text inside text is parsed again."""
    pattern: Pattern[str] | None = None
    """Otherwise: the first group of the last match in the text (also tried where JSON was cut
    short).
    """
    every: bool = False
    """Not the last match alone: those of all, one a line."""


@dataclass(frozen=True, slots=True)
class AttributeSelection:
    """Everything that is kept; the rest of a span is dropped while decoding."""

    labels: frozenset[str]
    """Span attributes with few values."""
    reductions: Mapping[str, Reduction]
    """Span attributes kept in reduced form."""
    input_tokens: frozenset[str]
    output_tokens: frozenset[str]
    cost: frozenset[str]
    resource: frozenset[str]
    events: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Event name → its attributes that are kept as if they were the span's."""
    facts: tuple[Fact, ...] = ()
    of_callers: frozenset[str] = frozenset()
    """AttributeInterner that are kept of a caller's spans alone: in a server's they tell its clients apart,
    and have as many values.
    """

    @property
    def content(self) -> frozenset[str]:
        """Attributes that facts are read from."""
        return frozenset(fact.source for fact in self.facts if not fact.source.startswith("event:"))

    @property
    def span_keys(self) -> frozenset[str]:
        """Every span attribute that decoding has to look at."""
        return (
            self.labels
            | self.reductions.keys()
            | self.input_tokens
            | self.output_tokens
            | self.cost
            | self.content
        )
