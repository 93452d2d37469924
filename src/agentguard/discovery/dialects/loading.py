"""Loads and compiles the dialect table: rules, names, facts and the attributes to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from agentguard.discovery.dialects.conditions import condition_of, fact_of
from agentguard.discovery.kinds import Stop
from agentguard.discovery.packaged_yaml import parse
from agentguard.discovery.shape_keys import DIALECT, SOURCE, other_attributes
from agentguard.ingest.attribute_selection import (
    ENDED_BY_EXCEPTION,
    NUMBERS,
    AttributeSelection,
    Fact,
    Reduction,
)
from agentguard.ingest.conditions import Attributes, Condition
from agentguard.ingest.other_attributes import OtherAttributes, Usage
from agentguard.kernel.patterns import BadPatternError, Pattern

T = TypeVar("T")


class Role(IntEnum):
    """The role of a span."""

    NONE = 0
    STEP = 1
    """A structural span known to a dialect: attributed, but not a node."""
    AGENT = 2
    TOOL = 3
    MODEL = 4
    MCP_CLIENT = 5
    MCP_SERVER = 6
    DATASTORE = 7
    CLIENT = 8
    """The client half of an HTTP or RPC call."""
    SERVER = 9
    PRODUCER = 10
    CONSUMER = 11
    WORKFLOW = 12
    HANDOFF = 13
    """Passes control to another agent, which runs beside or after the sender."""
    DELEGATION = 14
    """A tool that runs an agent, whether or not that run has its own span."""
    SETUP = 15
    """Construction of an agent, not a run."""


PEERS = frozenset(
    {"peer.service", "server.address", "db.namespace", "db.name", "db.system", "db.system.name"}
)
"""Attributes of client spans that may be set on the resource instead."""
RESOURCE = PEERS | frozenset(
    {
        "service.name",
        "service.namespace",
        "deployment.environment",
        "deployment.environment.name",
        "host.name",
        "cloud.region",
    }
)
_EXCEPTION = {"exception": frozenset({"exception.type", "exception.escaped", ENDED_BY_EXCEPTION})}
_NOTHING = frozenset({"none", "null", "nil", "undefined", "unknown", "n/a", "nan", "<unknown>"})
"""Placeholder values that mean "no name"."""
_EVENTS = frozenset({"event:exception", *_EXCEPTION["exception"]})


@dataclass(frozen=True, slots=True)
class Source:
    """Where a name is read from.

    An attribute or the span's name, whole or the first group of a pattern; or an address with its
    port.
    """

    attribute: str | None = None
    pattern: Pattern | None = None
    """None: the whole text."""
    but_not: Pattern | None = None
    """Names that it does not give."""
    port: str | None = None
    """The attribute with the port of this address."""

    def read(self, name: str, attributes: Attributes) -> str | None:
        """Return the text, or None if there is none."""
        text = name if self.attribute is None else _text(attributes.get(self.attribute))
        if self.port is not None:
            excepted = self.but_not is not None and self.but_not.found(text)
            return None if excepted else _with_port(text, _text(attributes.get(self.port))) or None
        if self.pattern is None:
            return text.strip() or None
        found = self.pattern.group(text)
        if found is None or (self.but_not is not None and self.but_not.found(found)):
            return None
        return found.strip() or None


def _text(value: Any) -> str:
    """Return the text of a value, of a list's first value; empty if it is a placeholder."""
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    return "" if text.casefold() in _NOTHING else text


def _with_port(address: str, port: str) -> str:
    if not address or not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@dataclass(frozen=True, slots=True)
class SpanRule:
    """Assigns a role to the spans that match the condition; the first source with a name wins."""

    dialect: str
    number: int
    condition: Condition
    role: Role
    name: tuple[Source, ...] = ()
    target: tuple[Source, ...] = ()
    server: tuple[Source, ...] = ()
    body: tuple[Source, ...] = ()
    """Names the agent whose work this step contains, if the agent's span is an empty sibling."""
    acting: tuple[Source, ...] = ()
    """Names the agent that acts in this step, if no span represents the agent."""
    acting_follows: bool = False
    """Whether the acting agent is the one of the step before."""
    passes: bool = False
    """Whether the tool may be a handoff: it is one if an agent of that name (or, without a name,
    the next agent) then runs beside it.
    """
    goto: tuple[Source, ...] = ()
    """Names the agent that receives control when this span ends."""
    hosts: tuple[Source, ...] = ()
    """Names the agent that this step is, if it calls a model directly and no agent runs above it
    except above a tool.
    """
    hosts_tools: bool = False
    """Whether it must also use a tool directly."""
    lends: tuple[Source, ...] = ()
    """Names the first agent run below this span, if that run has no name."""
    requested: tuple[Source, ...] = ()
    """Names the tools, one per line, that a model response requests."""
    of_parent: bool = False
    """Whether this is a step of an agent's loop: its parent is the agent, named by its span."""
    reports: bool = False
    """Whether this step is the execution of the call that its parent records: its failure is the
    call's.
    """
    hands_over: bool = False
    """Whether this workflow runs one agent at a time, which only a handoff changes."""
    polls: bool = False
    """Whether this consumer asks for messages instead of processing one."""
    nests: bool = False
    """Whether it stays a workflow below another workflow, instead of becoming a step."""
    yields: bool = False
    """Whether this retriever is a step if a span below it is the datastore that it reads."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return everything that the rule reads names from."""
        return tuple(source for key in NAMES for source in getattr(self, key))

    @property
    def label(self) -> str:
        """Return the rule's label: dialect and number within its file."""
        return f"{self.dialect}#{self.number}"


FLAGS = tuple(field.name for field in fields(SpanRule) if field.type == "bool")
NAMES = tuple(field.name for field in fields(SpanRule) if field.type == "tuple[Source, ...]")
"""The parts of a rule that say where names are."""


@dataclass(frozen=True, slots=True)
class Dialects:
    """The compiled dialect table."""

    rules: tuple[SpanRule, ...]
    """In order: the first matching rule assigns the role."""
    errors: tuple[Condition, ...]
    """Conditions of failed spans whose status does not say so."""
    successes: tuple[Condition, ...]
    """Conditions of spans that state the success of their run."""
    control_flow: frozenset[str]
    """Exception types (last part of the dotted name) that are not failures."""
    stops: tuple[tuple[Condition, Stop], ...]
    """Conditions of spans that a guardrail stopped, or that wait for a person; no failures."""
    housekeeping: tuple[Pattern, ...]
    """Entry points that are health checks and pollers, not workflows."""
    start_up: tuple[Pattern, ...]
    """Names of database calls that prepare a service, if no run makes them."""
    sources: Mapping[str, str]
    """Dialect → the convention or package, with its version."""
    files: Mapping[str, str]
    """Dialect → its file."""
    wanted: AttributeSelection
    join_traces: bool = True
    """Whether separate traces are joined where ids, times and peer of a call agree."""


@cache
def load_dialects(housekeeping: str | None = None) -> Dialects:
    """Load the table that ships with the package.

    `housekeeping` replaces the table's pattern for entry points that are not workflows; empty: all
    are workflows. Raises BadPatternError if it is invalid.
    """
    return with_housekeeping(dialects_of(packaged_tables()), housekeeping)


@cache
def packaged_tables() -> Mapping[str, Mapping[str, Any]]:
    """Return the files of the table that ships with the package, by name, in order."""
    folder = files("agentguard.discovery.dialects")
    texts = sorted(
        (entry.name, entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )
    return {name: parse(text) for name, text in texts}


def with_housekeeping(dialects: Dialects, pattern: str | None) -> Dialects:
    """Return the dialects with this pattern of entry points that are not workflows.

    None: their own. Raises BadPatternError.
    """
    if pattern is None:
        return dialects
    return replace(dialects, housekeeping=(Pattern(pattern),) if pattern else ())


def dialects_of(files_in_order: Mapping[str, Mapping[str, Any]]) -> Dialects:
    """Compile the tables of these files.

    Raises BadPatternError with file, section, entry and column if RE2 cannot compile a pattern, and
    KeyError or ValueError if a table is malformed in another way.
    """
    tables = list(files_in_order.values())
    rules = tuple(_compiled(files_in_order, "spans", _rule))
    facts = tuple(_compiled(files_in_order, "facts", _fact))
    errors, successes = (
        tuple(_compiled(files_in_order, section, _condition)) for section in ("errors", "successes")
    )
    stops = tuple(_compiled(files_in_order, "stops", _stop))
    outcomes = errors + successes + tuple(condition for condition, _ in stops)
    return Dialects(
        rules=rules,
        errors=errors,
        successes=successes,
        control_flow=frozenset(name for table in tables for name in table.get("control_flow", ())),
        stops=stops,
        housekeeping=_patterns(files_in_order, "housekeeping"),
        start_up=_patterns(files_in_order, "start_up"),
        sources={table["id"]: table["source"] for table in tables} | {DIALECT: SOURCE},
        files={table["id"]: name for name, table in files_in_order.items()},
        wanted=_wanted(tables, rules, facts, outcomes),
    )


def _compiled(
    files_in_order: Mapping[str, Mapping[str, Any]],
    section: str,
    compiled: Callable[[str, int, Any], T],
) -> Iterator[T]:
    """Yield the compiled entries of one section of all files, numbered from 1 in each."""
    for name, table in files_in_order.items():
        raws = table.get(section, ())
        for number, raw in enumerate([raws] if isinstance(raws, str) else raws, 1):
            try:
                yield compiled(table["id"], number, raw)
            except BadPatternError as error:
                raise BadPatternError(f"{name}, {section}, entry {number}: {error}") from None


def _wanted(
    tables: list[Mapping[str, Any]],
    rules: tuple[SpanRule, ...],
    facts: tuple[Fact, ...],
    errors: tuple[Condition, ...],
) -> AttributeSelection:
    conditions = [*(rule.condition for rule in rules), *(f.condition for f in facts), *errors]
    reductions = _merged(tables, "reduced", Reduction)
    ids = _merged(tables, "ids", str)
    labels = _labels(tables, conditions, _sources_of(rules)) | ids.keys()
    return AttributeSelection(
        labels=labels - reductions.keys() - _EVENTS - {fact.into for fact in facts},
        reductions=reductions,
        **{column: _union(tables, column) for column in NUMBERS},
        resource=RESOURCE,
        events=_EXCEPTION,
        facts=facts,
        usage=_merged(tables, "usage", _usage),
        caller_only=_union(tables, "caller_only"),
        ids=ids,
        others=_others(rules),
    )


def _labels(
    tables: Iterable[Mapping[str, Any]], conditions: Iterable[Condition], sources: Iterable[Source]
) -> frozenset[str]:
    named = {key for s in sources for key in (s.attribute, s.port) if key}
    kept = {key for table in tables for key in table.get("keeps", ())}
    return frozenset({key for c in conditions for key in _keys(c)} | named | kept | {"error.type"})


def _sources_of(rules: tuple[SpanRule, ...]) -> list[Source]:
    return [source for rule in rules for source in rule.sources if source not in rule.requested]


def _others(rules: tuple[SpanRule, ...]) -> OtherAttributes:
    return other_attributes(rule.condition.scope for rule in rules if rule.condition.scope)


def _merged(
    tables: list[Mapping[str, Any]], section: str, read: Callable[[Any], T]
) -> dict[str, T]:
    return {key: read(raw) for table in tables for key, raw in table.get(section, {}).items()}


def _union(tables: list[Mapping[str, Any]], key: str) -> frozenset[str]:
    return frozenset(name for table in tables for name in table.get(key, ()))


def _usage(raw: Mapping[str, Any]) -> Usage:
    return tuple(tuple(tuple(path.split("/")) for path in raw.get(key, ())) for key in NUMBERS)


def _keys(condition: Condition) -> set[str]:
    pairs = [key for key, _ in (*condition.equals, *condition.matches)]
    named = () if condition.named is None else (condition.named,)
    inner = [key for each in condition.either for key in _keys(each)]
    return {*condition.has, *condition.any_of, *condition.lacks, *named, *pairs, *inner}


def _rule(dialect: str, number: int, raw: Mapping[str, Any]) -> SpanRule:
    return SpanRule(
        dialect=dialect,
        number=number,
        condition=condition_of(raw["when"]),
        role=Role[raw["role"].upper()],
        **_optional(raw),
    )


def _fact(_dialect: str, _number: int, raw: Mapping[str, Any]) -> Fact:
    return fact_of(raw)


def _pattern(_dialect: str, _number: int, raw: str) -> Pattern:
    return Pattern(raw)


def _patterns(files_in_order: Mapping[str, Mapping[str, Any]], section: str) -> tuple[Pattern, ...]:
    return tuple(_compiled(files_in_order, section, _pattern))


def _condition(_dialect: str, _number: int, raw: Mapping[str, Any]) -> Condition:
    return condition_of(raw["when"])


def _stop(_dialect: str, _number: int, raw: Mapping[str, Any]) -> tuple[Condition, Stop]:
    return condition_of(raw["when"]), Stop[raw["by"].upper()]


def _optional(raw: Mapping[str, Any]) -> dict[str, Any]:
    names = {key: _sources(raw[key]) for key in NAMES if key in raw}
    return names | {flag: raw[flag] for flag in FLAGS if flag in raw}


def _sources(raw: list[Any] | None) -> tuple[Source, ...]:
    return tuple(map(_source, raw or ()))


def _source(raw: str | Mapping[str, str]) -> Source:
    match raw:
        case str():
            return Source(raw)
        case {"address": address, "port": port}:
            return Source(address, but_not=_but_not(raw), port=port)
        case _:
            pattern = Pattern(raw["span"] if "span" in raw else raw["pattern"])
            return Source(raw.get("attribute"), pattern, _but_not(raw))


def _but_not(raw: Mapping[str, str]) -> Pattern | None:
    return Pattern(raw["except"]) if "except" in raw else None
