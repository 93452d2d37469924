"""YAML as nodes rather than values, so that every complaint has a line, and nothing is built of
what nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from agentguard.catalog.errors import CatalogFormatError

MAX_CHARACTERS = 8 * 1024 * 1024
"""Of one file: more than ten thousand agents with all that they use."""

_TEXT, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"


def documents(text: str, origin: str) -> list[yaml.Node]:
    """Return the root of every document that is not empty.

    Raise CatalogFormatError, and nothing else.

    Anchors are shared, not copied: a node that many aliases name stands in memory once.
    """
    if len(text) > MAX_CHARACTERS:
        raise CatalogFormatError(
            origin,
            None,
            f"is larger than {MAX_CHARACTERS:,} characters. Split it into several files.",
        )
    try:
        roots: list[yaml.Node] = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise CatalogFormatError(
            origin, mark.line + 1 if mark else None, f"is not YAML: {error.problem}."
        ) from None
    except yaml.YAMLError as error:
        raise CatalogFormatError(origin, None, f"is not YAML: {error}.") from None
    except (
        ValueError,
        OverflowError,
    ):  # PyYAML lets these through: escapes beyond Unicode, versions of thousands of digits
        raise CatalogFormatError(
            origin, None, "is not YAML: it holds a character or a number that there is not."
        ) from None
    except RecursionError:
        raise CatalogFormatError(origin, None, "is nested too deeply for a catalogue.") from None
    return [root for root in roots if not is_null(root)]


def is_null(node: yaml.Node) -> bool:
    return bool(node.tag == _NULL)


def line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def shown(node: yaml.Node) -> str:
    """Return what to call the node in a complaint."""
    return repr(node.value[:60]) if isinstance(node, yaml.ScalarNode) else "a list or mapping"


def is_whole(text: str) -> bool:
    """Whether the text can be written down at all: escapes can smuggle in lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Reads the nodes of one file."""

    origin: str

    def error(self, node: yaml.Node, problem: str) -> CatalogFormatError:
        return CatalogFormatError(self.origin, line_of(node), problem)

    def members(self, node: yaml.Node, allowed: tuple[str, ...]) -> Iterator[tuple[str, yaml.Node]]:
        """Yield a mapping's members; other keys than these, and doubled ones, are errors."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"must be a mapping with the keys {', '.join(allowed)}.")
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value not in allowed:
                raise self.error(
                    key, f"unknown key {shown(key)}; the keys here are {', '.join(allowed)}."
                )
            if key.value in seen:
                raise self.error(key, f"the key {key.value!r} stands here twice. Keep one.")
            seen.add(key.value)
            yield key.value, value

    def items(self, node: yaml.Node, example: str) -> list[yaml.Node]:
        """Return a list's items."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"must be a list of entries, each like `{example}`.")
        return list(node.value)

    def text(self, node: yaml.Node, key: str) -> str | None:
        """Return text, or None for null.

        What YAML takes for a number, a date or a truth value is an error, as is empty text.
        """
        if is_null(node):
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT:
            raise self.error(node, f"{key} must be text, not {shown(node)}; put it in quotes.")
        if not node.value.strip():
            raise self.error(node, f"{key} is empty. Leave it out or give it a value.")
        if not is_whole(node.value):
            raise self.error(
                node, f"{key} holds half a character (a lone surrogate). Write the whole one."
            )
        return str(node.value)

    def texts(self, node: yaml.Node, key: str) -> list[tuple[str, yaml.Node]] | None:
        """Return a list of texts, each with its node, or None for null."""
        if is_null(node):
            return None
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"{key} must be a list, like `{key}: [one, another]`.")
        read = [(self.text(item, key), item) for item in node.value]
        return [(text, item) for text, item in read if text is not None]
