"""Selection of the span attributes that decoding keeps, derived from the dialect tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agentguard.ingest.conditions import Condition
from agentguard.ingest.other_attributes import OtherAttributes, Usage
from agentguard.kernel.patterns import Pattern


class Reduction(StrEnum):
    """Reduction of a high-cardinality value before it is stored."""

    HOST = "host"
    """A URL or authority → host:port."""
    PATH = "path"
    """A URL or path → the path without query, ids and numbers."""
    OPERATION = "operation"
    """A statement → its first word."""
    FLAG = "flag"
    """Presence only."""


TOKENS = ("input_tokens", "output_tokens", "cached_input_tokens")
NUMBERS = (*TOKENS, "cost")
"""The parts of a selection that are read as numbers, in the order of numbers.Numbers."""
STATUS_MESSAGE = "status.message"
"""Where facts are extracted from the description of a span's status."""

ID_COLUMNS = ("request", "conversation")
"""The columns of ids' digests, in the order of SPAN_SCHEMA."""
ENDED_BY_EXCEPTION = "agentguard.ended_by_exception"
"""What an exception has that ended its span without setting the status."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A value extracted from content (arguments, messages) that is itself not stored."""

    into: str
    """The attribute that stores the extracted value."""
    source: str
    """A span attribute, STATUS_MESSAGE, or 'event:' with event name and attribute, for example
    'event:gen_ai.tool.message/content'.
    """
    condition: Condition
    path: tuple[str, ...] = ()
    """Keys to follow in the JSON text; nested JSON text is parsed too."""
    pattern: Pattern | None = None
    """Fallback: the group of the last match in the text, also if the JSON is truncated.

    Only the first MOST_MATCHES matches are read.
    """
    every: bool = False
    """Store all matches, one per line, instead of the last one."""


@dataclass(frozen=True, slots=True)
class AttributeSelection:
    """The attributes to keep; decoding drops everything else."""

    labels: frozenset[str]
    """Low-cardinality span attributes."""
    reductions: Mapping[str, Reduction]
    """Span attributes stored in reduced form."""
    input_tokens: frozenset[str]
    output_tokens: frozenset[str]
    cached_input_tokens: frozenset[str]
    """Input tokens that the provider read from its cache."""
    cost: frozenset[str]
    resource: frozenset[str]
    events: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Event name → attributes that are stored like span attributes."""
    facts: tuple[Fact, ...] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """Span attributes whose JSON holds numbers of tokens or costs."""
    caller_only: frozenset[str] = frozenset()
    """Labels that are stored for client spans only: on server spans they identify the clients and
    have as many values as there are clients.
    """
    ids: Mapping[str, str] = field(default_factory=dict)
    """Labels with as many values as there are requests or conversations → the column (SPAN_SCHEMA)
    that stores their digests instead. Of several with one column, the first counts.
    """
    others: OtherAttributes | None = None
    """Which further attributes are stored of spans that no rule describes."""

    @property
    def content(self) -> frozenset[str]:
        """Return the attributes that facts are extracted from."""
        return frozenset(fact.source for fact in self.facts if not fact.source.startswith("event:"))

    @property
    def span_keys(self) -> frozenset[str]:
        """Return every span attribute that decoding must read."""
        return (
            self.labels
            | self.reductions.keys()
            | self.input_tokens
            | self.output_tokens
            | self.cached_input_tokens
            | self.cost
            | self.usage.keys()
            | self.content
        )
