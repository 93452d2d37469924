"""Reads YAML as nodes instead of values, so that every error has a line number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from agentguard.kernel.errors import FileFormatError

MAX_CHARACTERS = 8 * 1024 * 1024
"""Maximum size of a file: enough for more than ten thousand agents with their dependencies."""
_MAX_BYTES = 4 * MAX_CHARACTERS

_TEXT, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"


def read_text(path: Path, fault: type[FileFormatError]) -> str:
    """Return the text of a file.

    Raises `fault`, also if the file is missing, unreadable, too large or not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise fault(str(path), None, f"cannot be read ({reason}). {fault.advice}") from None
    if len(content) > _MAX_BYTES:
        problem = f"is larger than {_MAX_BYTES:,} bytes. Split it into several files."
        raise fault(str(path), None, problem)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise fault(str(path), None, "is not UTF-8 text. Save it as UTF-8.") from None


def documents(text: str, origin: str, fault: type[FileFormatError]) -> list[yaml.Node]:
    """Return the root of every document that is not empty; raise only `fault`.

    Anchors are shared, not copied: a node exists once in memory regardless of its aliases.
    """
    if len(text) > MAX_CHARACTERS:
        raise fault(
            origin,
            None,
            f"is larger than {MAX_CHARACTERS:,} characters. Split it into several files.",
        )
    try:
        roots: list[yaml.Node] = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise fault(
            origin, mark.line + 1 if mark else None, f"is not YAML: {error.problem}."
        ) from None
    except yaml.YAMLError as error:
        raise fault(origin, None, f"is not YAML: {error}.") from None
    # PyYAML does not catch these: escapes beyond Unicode, versions with thousands of digits.
    except (ValueError, OverflowError):
        raise fault(
            origin, None, "is not YAML: it contains an invalid character or number."
        ) from None
    except RecursionError:
        raise fault(origin, None, "is nested too deeply.") from None
    return [root for root in roots if not is_null(root)]


def is_null(node: yaml.Node) -> bool:
    return bool(node.tag == _NULL)


def line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def described(node: yaml.Node) -> str:
    """Return how to refer to the node in an error message."""
    return repr(node.value[:60]) if isinstance(node, yaml.ScalarNode) else "a list or mapping"


def is_encodable(text: str) -> bool:
    """Return whether the text is encodable: escapes can produce lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Reads the nodes of a file."""

    origin: str
    fault: type[FileFormatError]
    """What every error is raised as."""

    def error(self, node: yaml.Node, problem: str) -> FileFormatError:
        return self.fault(self.origin, line_of(node), problem)

    def members(self, node: yaml.Node, allowed: tuple[str, ...]) -> Iterator[tuple[str, yaml.Node]]:
        """Yield a mapping's members; unknown and duplicate keys are errors."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"must be a mapping with the keys {', '.join(allowed)}.")
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value not in allowed:
                raise self.error(
                    key, f"unknown key {described(key)}; allowed keys: {', '.join(allowed)}."
                )
            if key.value in seen:
                raise self.error(key, f"duplicate key {key.value!r}. Remove one of them.")
            seen.add(key.value)
            yield key.value, value

    def items(self, node: yaml.Node, example: str) -> list[yaml.Node]:
        """Return a list's items."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"must be a list of entries such as `{example}`.")
        return list(node.value)

    def text(self, node: yaml.Node, key: str) -> str | None:
        """Return text, or None for null.

        Numbers, dates and booleans in YAML are errors, and so is empty text.
        """
        if is_null(node):
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT:
            raise self.error(node, f"{key} must be text, not {described(node)}. Put it in quotes.")
        if not node.value.strip():
            raise self.error(node, f"{key} is empty. Remove it or set a value.")
        if not is_encodable(node.value):
            raise self.error(
                node, f"{key} contains a lone surrogate. Write the complete character."
            )
        return str(node.value)

    def texts(self, node: yaml.Node, key: str) -> list[tuple[str, yaml.Node]] | None:
        """Return a list of texts with their nodes, or None for null."""
        if is_null(node):
            return None
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"{key} must be a list, such as `{key}: [one, another]`.")
        read = [(self.text(item, key), item) for item in node.value]
        return [(text, item) for text, item in read if text is not None]
