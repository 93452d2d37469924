"""Drafts a dialect file from spans without a role; a person completes what it leaves open."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from agentguard.discovery.dialects.checking import OPEN, ROLES
from agentguard.discovery.dialects.conditions import KIND_NAMES
from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.shapes import words
from agentguard.discovery.suggestion import Group, Unclaimed
from agentguard.ingest.numbers import numeric_attributes

_MOST_GROUPS = 40
_MOST_ATTRIBUTES = 12
_SAMPLES = 3
_LONGEST_SAMPLE = 40
_MOST_WORDS = 3
"""Words of a value; a longer one reads as text."""
_NAMED = (Role.AGENT, Role.TOOL, Role.MODEL, Role.WORKFLOW, Role.HANDOFF)
_SPECIAL = re.compile(r"([\\.^$|?*+()\[\]{}])")
_CONTENT_WORDS = frozenset(
    (
        *("input", "inputs", "output", "outputs", "prompt", "prompts", "message", "messages"),
        *("content", "text", "args", "arguments", "result", "results", "response", "body"),
        *("completion", "query", "answer", "document", "documents", "question", "history"),
    )
)
_ANY_TYPE = frozenset({"span", "unknown", "other", "default", "event", "custom"})
"""Types that spans of different kinds share."""
_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class DraftedRule:
    """A rule for one group of spans."""

    group: Group
    rule: Mapping[str, Any]

    @property
    def is_open(self) -> bool:
        """Return whether a person must complete it."""
        return bool(self.rule["role"] == OPEN)


@dataclass(frozen=True, slots=True)
class Draft:
    """A dialect file that `dialects check` accepts once nothing in it is open."""

    id: str
    rules: tuple[DraftedRule, ...]
    left_out: int
    """Further groups, the smallest."""
    text: str
    """YAML."""


def draft(found: Unclaimed, dialects: Dialects, origin: str) -> Draft:
    """Return rules for these groups of spans."""
    shown = found.groups[:_MOST_GROUPS]
    rules = tuple(DraftedRule(group, _rule(group, dialects)) for group in shown)
    id_ = _id(found.groups)
    head = {"id": id_, "about": "Spans of my own instrumentation", "version": 1}
    lines = [
        *_comment(_head(found, origin)),
        yaml.safe_dump(head | {"source": f"observed in {origin}"}, sort_keys=False).rstrip(),
        "spans:" if rules else "spans: []",
    ]
    for drafted in rules:
        lines += [f"  {line}" for line in _comment(_about(drafted))]
        lines += [f"  {line}" for line in _dumped(drafted.rule).splitlines()]
    left_out = len(found.groups) - len(shown)
    return Draft(id_, rules, left_out, "\n".join(lines) + "\n")


def _rule(group: Group, dialects: Dialects) -> dict[str, Any]:
    shape = group.key.shape
    if shape is None:
        when = _scope(group) | _open_condition(group, dialects)
        return {"when": when, "role": OPEN, "name": [OPEN]}
    if shape.stated is not None:
        when = {"equals": dict([shape.stated])}
    else:
        when = {"has": [shape.name_key]}
        if shape.role is not Role.TOOL:  # other spans of the scope may carry the same attribute
            when["name"] = _any_of(group.names)
    rule: dict[str, Any] = {"when": _scope(group) | when, "role": shape.role.name.lower()}
    if shape.role in _NAMED:
        rule["name"] = [shape.name_key] if shape.name_key else [{"span": "^(.+)$"}]
    return rule


def _scope(group: Group) -> dict[str, Any]:
    return {"scope": f"^{_literal(group.key.scope)}$"} if group.key.scope else {}


def _open_condition(group: Group, dialects: Dialects) -> dict[str, Any]:
    if group.key.stated is not None:
        stated = {"equals": dict([group.key.stated])}
        named = group.key.stated[1].lower() in _ANY_TYPE
        return stated | ({"name": _any_of(group.names)} if named else {})
    kinds = {"kinds": [KIND_NAMES[group.key.kind]]}
    if group.key.name is not None:
        return kinds | {"name": _any_of(group.names)}
    usable = _usable(group, dialects)
    everywhere = [key for key in usable if group.keys[key] == group.spans]
    return kinds | ({"has": everywhere[:_SAMPLES]} if everywhere else {"name": _beginning(group)})


def _usable(group: Group, dialects: Dialects) -> list[str]:
    """Return the attributes that a condition can name, those of most spans first."""
    wanted = dialects.wanted
    used = wanted.content | numeric_attributes(wanted).keys()
    return sorted(group.keys.keys() - used, key=lambda key: (-group.keys[key], key))


def _literal(text: str) -> str:
    """Return a pattern that matches exactly this text, readable."""
    return _SPECIAL.sub(r"\\\1", text)


def _any_of(names: Counter[str]) -> str:
    """Return a pattern of these names; ids in them were replaced by {placeholders}."""
    patterns = sorted(re.sub(r"\\\{\w*\\\}", ".+", _literal(name)) for name in names)
    return f"^(?:{'|'.join(patterns)})$" if len(patterns) > 1 else f"^{patterns[0]}$"


def _beginning(group: Group) -> str:
    names = sorted(group.names)
    first, last = names[0], names[-1]
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return f"^{_literal(first[:same])}" if same else _any_of(group.names)


def _id(groups: Iterable[Group]) -> str:
    scopes: Counter[str] = Counter()
    for group in groups:
        scopes[group.key.scope] += group.spans
    largest = min(scopes, key=lambda scope: (-scopes[scope], scope), default="")
    return f"my-{_NOT_IN_IDS.sub('-', largest.lower()).strip('-')[:80] or 'instrumentation'}"


def _head(found: Unclaimed, origin: str) -> Iterator[str]:
    yield f"Draft of rules for {origin}: of {found.spans:,} spans, {found.without_role:,} have no"
    yield f"role, and {found.by_form:,} have one only by the form of their attributes."
    yield f"Complete every {OPEN!r}, correct or delete what is wrong, and name what has no name."
    yield f"Roles: {', '.join(ROLES)}."
    yield "Delete `name` for roles that need none (step). Then run"
    yield "  agentguard dialects check THIS_FILE"
    yield "and set AGENTGUARD_DIALECTS=THIS_FILE."


def _about(drafted: DraftedRule) -> Iterator[str]:
    group = drafted.group
    what = f"{group.spans:,} spans" if group.spans > 1 else "1 span"
    yield f"{what}: {_listed(group.names)}"
    if group.key.shape is not None:
        yield f"By form, please confirm: {_printable(group.key.shape.evidence)}"
    for word, roles in (("Below", group.below), ("Above", group.above)):
        if roles:
            counts = (f"{role.name.lower()} {n:,}" for role, n in roles.most_common())
            yield f"{word} them: {', '.join(counts)}"
    for key, _ in sorted(group.keys.items(), key=lambda item: (-item[1], item[0]))[
        :_MOST_ATTRIBUTES
    ]:
        examples = example_values(group, key)
        yield f"{_sample(key)}{' (content)' if examples is None else f': {_listed(examples)}'}"


def example_values(group: Group, key: str) -> Counter[str] | None:
    """Return the attribute's values with their counts; None if they may be content.

    Content is judged by words in the key, and by values that read as text or JSON.
    """
    values = group.values[key]
    if _CONTENT_WORDS & set(words(key)) or any(map(_reads_as_content, values)):
        return None
    return values


def _reads_as_content(value: str) -> bool:
    return len(value.split()) > _MOST_WORDS or value.lstrip().startswith(("{", "["))


def _listed(values: Counter[str]) -> str:
    shown = [_sample(value) for value, _ in values.most_common(_SAMPLES)]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _sample(text: str) -> str:
    short = text if len(text) <= _LONGEST_SAMPLE else f"{text[:_LONGEST_SAMPLE]}..."
    return _printable(short)


def _printable(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _comment(lines: Iterable[str]) -> list[str]:
    return [
        f"# {json.dumps(line)[1:-1]}" if not line.isprintable() else f"# {line}" for line in lines
    ]


def _dumped(rule: Mapping[str, Any]) -> str:
    flow = {"when": dict(rule["when"])} | {key: rule[key] for key in rule if key != "when"}
    text: str = yaml.safe_dump([flow], sort_keys=False, width=1000, default_flow_style=None)
    return text.rstrip()
