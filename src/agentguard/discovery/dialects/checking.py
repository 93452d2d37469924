"""Checks a dialect file that a user wrote: each fault has its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import yaml

from agentguard.discovery.dialects.conditions import CONDITION_KEYS, KINDS
from agentguard.discovery.dialects.errors import DialectFormatError
from agentguard.discovery.dialects.loading import FLAGS, NAMES, PEERS, RESOURCE, Role
from agentguard.discovery.kinds import Stop
from agentguard.ingest.attribute_selection import ID_COLUMNS, NUMBERS, Reduction
from agentguard.kernel.patterns import BadPatternError, Pattern
from agentguard.kernel.yaml_nodes import Nodes, described, documents, line_of

OPEN = "?"
"""What a draft has in each field that a person must complete."""
ROLES = tuple(role.name.lower() for role in Role if role is not Role.NONE)
STOPS = tuple(stop.name.lower() for stop in Stop if stop is not Stop.NONE)
_ID = Pattern(r"^[a-z0-9][a-z0-9._-]{0,99}$")
_EVENT = "event:"
_RESOURCE_ONLY = RESOURCE - PEERS


class Use(StrEnum):
    """What decoding does with an attribute; each has one use."""

    KEPT = "kept"
    """Rules see its value."""
    NUMBER = "read as a number of tokens or a cost"
    ID = "an id of a request or conversation, of which only a digest is kept"
    CONTENT = "content that only facts are taken from"


@dataclass(frozen=True, slots=True)
class Mention:
    """An attribute that a file names."""

    attribute: str
    use: Use
    line: int
    reduction: Reduction | None = None


@dataclass(slots=True)
class CheckedFile:
    """What a check found."""

    id: str = ""
    id_line: int = 1
    faults: list[DialectFormatError] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)


Read: TypeAlias = Callable[[yaml.Node], None]


def check_file(text: str, origin: str) -> CheckedFile:
    """Return the faults of a dialect file, and the attributes that it names."""
    reader = _Reader(origin)
    was_read = reader.collected(lambda: reader.file(text))
    found = reader.found
    if was_read and not found.id and not found.faults:
        found.faults.append(DialectFormatError(origin, None, "needs an `id`."))
    return found


class _Reader:
    def __init__(self, origin: str) -> None:
        self._origin, self._nodes = origin, Nodes(origin, DialectFormatError)
        self.found = CheckedFile()
        self._sections: dict[str, Read] = {
            "id": self._id,
            **dict.fromkeys(("about", "source"), lambda node: _unused(self._text(node, "it"))),
            "version": lambda node: _unused(self._scalar(node, "version")),
            "spans": lambda node: self._entries(node, self._rule),
            "facts": lambda node: self._entries(node, self._fact),
            **dict.fromkeys(
                ("errors", "successes"), lambda node: self._entries(node, self._outcome)
            ),
            "stops": self._stops,
            "control_flow": lambda node: _unused(self._texts(node, "control_flow")),
            **{key: self._pattern_of(key) for key in ("housekeeping", "start_up")},
            **{key: self._attributes_of(key, Use.KEPT) for key in ("keeps", "caller_only")},
            "reduced": self._reduced,
            "ids": self._ids,
            "usage": self._usage,
            **{key: self._attributes_of(key, Use.NUMBER) for key in NUMBERS},
        }

    def _pattern_of(self, key: str) -> Read:
        return lambda node: self._pattern(node, key)

    def collected(self, check: Callable[[], None]) -> bool:
        """Run a check, keep its fault, and return whether it went through."""
        try:
            check()
        except DialectFormatError as fault:
            self.found.faults.append(fault)
            return False
        return True

    def file(self, text: str) -> None:
        roots = documents(text, self._origin, DialectFormatError)
        if not roots:
            problem = "is empty. Write a first one with `agentguard dialects suggest`."
            raise DialectFormatError(self._origin, None, problem)
        if len(roots) > 1:
            raise self._nodes.error(
                roots[1], "a second document starts here. Move it to a file of its own."
            )
        for key, node in self._nodes.members(roots[0], tuple(self._sections)):
            self._collect(self._sections[key], node)

    def _collect(self, read: Read, node: yaml.Node) -> None:
        self.collected(lambda: read(node))

    def _entries(self, node: yaml.Node, read: Read) -> None:
        for item in self._nodes.items(node, "- when: {…}"):
            self._collect(read, item)

    def _id(self, node: yaml.Node) -> None:
        text = self._text(node, "id")
        if not _ID.found(text):
            raise self._nodes.error(
                node, "id must be at most 100 lower-case letters, digits, dots, dashes and `_`."
            )
        self.found.id, self.found.id_line = text, line_of(node)

    def _rule(self, node: yaml.Node) -> None:
        found = dict(self._nodes.members(node, ("when", "role", *NAMES, *FLAGS)))
        for key in ("when", "role"):
            if key not in found:
                raise self._nodes.error(node, f"a rule needs `{key}`.")
        self._condition(found["when"], "a rule")
        self._one_of(found["role"], "role", ROLES)
        for key in NAMES:
            for item in self._items(found[key], key) if key in found else ():
                self._source(item, key)
        for key in FLAGS:
            if key in found and found[key].tag != "tag:yaml.org,2002:bool":
                raise self._nodes.error(found[key], f"{key} must be true or false.")

    def _source(self, node: yaml.Node, key: str) -> None:
        if isinstance(node, yaml.ScalarNode):
            self._mention(node, Use.KEPT, key)
            return
        found = dict(
            self._nodes.members(node, ("attribute", "span", "pattern", "except", "address", "port"))
        )
        if found.keys() not in _SOURCES:
            raise self._nodes.error(
                node,
                f"{key} takes an attribute, {{span: pattern}}, {{attribute: …, pattern: …}} or"
                " {address: …, port: …}; all but the first may have an `except`.",
            )
        for part, value in found.items():
            if part in ("attribute", "address", "port"):
                self._mention(value, Use.KEPT, part)
            else:
                self._pattern(value, part)

    def _fact(self, node: yaml.Node) -> None:
        keys = ("into", "from", "when", "path", "pattern", "every")
        found = dict(self._nodes.members(node, keys))
        for key in ("into", "from", "when"):
            if key not in found:
                raise self._nodes.error(node, f"a fact needs `{key}`.")
        if "path" not in found and "pattern" not in found:
            raise self._nodes.error(node, "a fact needs a `path` or a `pattern`.")
        self._text(found["into"], "into")
        if not self._text(found["from"], "from").startswith(_EVENT):
            self._mention(found["from"], Use.CONTENT, "from")
        self._condition(found["when"], "a fact")
        if "path" in found:
            self._texts(found["path"], "path")
        if "pattern" in found:
            self._pattern(found["pattern"], "pattern")
        if "every" in found and found["every"].tag != "tag:yaml.org,2002:bool":
            raise self._nodes.error(found["every"], "every must be true or false.")

    def _outcome(self, node: yaml.Node) -> None:
        found = dict(self._nodes.members(node, ("when",)))
        if "when" not in found:
            raise self._nodes.error(node, "an entry needs `when`.")
        self._condition(found["when"], "an entry")

    def _stops(self, node: yaml.Node) -> None:
        self._entries(node, self._stop)

    def _stop(self, node: yaml.Node) -> None:
        found = dict(self._nodes.members(node, ("when", "by")))
        for key in ("when", "by"):
            if key not in found:
                raise self._nodes.error(node, f"a stop needs `{key}`.")
        self._condition(found["when"], "a stop")
        self._one_of(found["by"], "by", STOPS)

    def _condition(self, node: yaml.Node, of: str) -> None:
        found = dict(self._nodes.members(node, CONDITION_KEYS))
        if not found:
            raise self._nodes.error(node, f"{of} needs a condition: this one matches every span.")
        for key, part in found.items():
            match key:
                case "name" | "scope":
                    self._pattern(part, key)
                case "kinds":
                    for item in self._items(part, key):
                        self._one_of(item, "kinds", tuple(KINDS))
                case "has" | "any" | "lacks":
                    self._attributes(part, key, Use.KEPT)
                case "named":
                    self._mention(part, Use.KEPT, key)
                case "either":
                    for item in self._items(part, key):
                        self._condition(item, "each of `either`")
                case _:
                    self._by_attribute(part, key)

    def _by_attribute(self, node: yaml.Node, key: str) -> None:
        for name, value in self._pairs(node, key):
            self._mention(name, Use.KEPT, key)
            if key == "matches":
                self._pattern(value, key)
                continue
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                self._scalar(each, key)

    def _reduced(self, node: yaml.Node) -> None:
        for name, value in self._pairs(node, "reduced"):
            to = self._one_of(value, "reduced", tuple(Reduction))
            self._mention(name, Use.KEPT, "reduced", Reduction(to))

    def _ids(self, node: yaml.Node) -> None:
        for name, value in self._pairs(node, "ids"):
            self._one_of(value, "ids", ID_COLUMNS)
            self._mention(name, Use.ID, "ids")

    def _usage(self, node: yaml.Node) -> None:
        for name, value in self._pairs(node, "usage"):
            self._mention(name, Use.NUMBER, "usage")
            for key, paths in self._nodes.members(value, NUMBERS):
                self._texts(paths, key)

    def _attributes_of(self, key: str, use: Use) -> Read:
        return lambda node: self._attributes(node, key, use)

    def _attributes(self, node: yaml.Node, key: str, use: Use) -> None:
        for item in self._items(node, key):
            self._mention(item, use, key)

    def _mention(
        self, node: yaml.Node, use: Use, key: str, reduction: Reduction | None = None
    ) -> None:
        name = self._text(node, key)
        if name in _RESOURCE_ONLY:
            raise self._nodes.error(
                node, f"{name} is an attribute of the resource; rules see those of spans only."
            )
        self.found.mentions.append(Mention(name, use, line_of(node), reduction))

    def _pairs(self, node: yaml.Node, key: str) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode) or not node.value:
            raise self._nodes.error(
                node, f"{key} must be a mapping of attributes, such as {{my.attribute: value}}."
            )
        yield from node.value

    def _items(self, node: yaml.Node, key: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self._nodes.error(node, f"{key} must be a list, such as `{key}: [one, another]`.")
        return list(node.value)

    def _texts(self, node: yaml.Node, key: str) -> list[str]:
        return [self._text(item, key) for item in self._items(node, key)]

    def _one_of(self, node: yaml.Node, key: str, allowed: tuple[str, ...]) -> str:
        text = self._text(node, key, f" one of {', '.join(allowed)}")
        if text not in allowed:
            raise self._nodes.error(
                node, f"{key} must be one of {', '.join(allowed)}, not {described(node)}."
            )
        return text

    def _pattern(self, node: yaml.Node, key: str) -> None:
        text = self._text(node, key, " a regular expression")
        try:
            Pattern(text)
        except BadPatternError as error:
            raise self._nodes.error(node, str(error)) from None

    def _text(self, node: yaml.Node, key: str, takes: str = "") -> str:
        if isinstance(node, yaml.ScalarNode) and node.value == OPEN:
            raise self._nodes.error(
                node, f"{key} is still {OPEN!r}. Complete it{f':{takes}' if takes else ''}."
            )
        text = self._nodes.text(node, key)
        if text is None:
            raise self._nodes.error(node, f"{key} is empty. Remove it or set a value.")
        return text

    def _scalar(self, node: yaml.Node, key: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._nodes.error(node, f"{key} takes text, numbers, true and false only.")
        if node.tag.rpartition(":")[2] in ("int", "float", "bool"):
            return str(node.value)
        return self._text(node, key)


_SOURCES = tuple(
    frozenset(keys)
    for keys in (
        {"span"},
        {"span", "except"},
        {"attribute", "pattern"},
        {"attribute", "pattern", "except"},
        {"address", "port"},
        {"address", "port", "except"},
    )
)


def _unused(_value: object) -> None:
    """Drop what only had to be checked."""
