"""Catalogues from YAML."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import yaml

from agentguard.catalog.errors import CatalogFormatError
from agentguard.catalog.model import Catalog, Declared, Entry

_SECTIONS = {"agents": Declared.AGENT, "workflows": Declared.WORKFLOW, "components": Declared.COMPONENT}
_ENTRY_KEYS = ("id", "name", "owner", "value_per_run")
_TEXT, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_catalog(text: str, *, origin: str) -> Catalog:
    """Return the catalogue written in this YAML text; raise CatalogFormatError, and nothing else, with the line.

    A mapping of `agents`, `workflows`, `components` (lists of entries with `id`, `name`, `owner`, `value_per_run`; id or name
    needed) and `currency`; or just a list of entries, which are agents. Unknown keys and doubled ids are errors.
    """
    return _Reader(origin).catalog(_compose(text, origin))


def load_catalog(path: Path) -> Catalog:
    """Return the catalogue in this file; raise CatalogFormatError also where it is missing or unreadable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CatalogFormatError(str(path), None, f"cannot be read ({error.strerror}). Check AGENTGUARD_CATALOG.") from None
    except UnicodeDecodeError:
        raise CatalogFormatError(str(path), None, "is not UTF-8 text. Save it as UTF-8.") from None
    return read_catalog(text, origin=str(path))


def _compose(text: str, origin: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise CatalogFormatError(origin, mark.line + 1 if mark else None, f"is not YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise CatalogFormatError(origin, None, f"is not YAML: {error}.") from None
    except RecursionError:
        raise CatalogFormatError(origin, None, "is nested too deeply for a catalogue.") from None
    return node


class _Reader:
    """Walks the nodes rather than values, so that every complaint has a line."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def catalog(self, root: yaml.Node | None) -> Catalog:
        if root is None or root.tag == _NULL:
            raise CatalogFormatError(self._origin, None, "is empty. Write a first one with `agentguard catalog init`.")
        if isinstance(root, yaml.SequenceNode):
            return self._checked(list(self._entries(root, Declared.AGENT)), None)
        entries: list[Entry] = []
        currency: str | None = None
        for key, node in self._members(root, (*_SECTIONS, "currency")):
            if key == "currency":
                currency = self._text(node, key)
            elif node.tag != _NULL:
                entries.extend(self._entries(node, _SECTIONS[key]))
        return self._checked(entries, currency)

    def _checked(self, entries: list[Entry], currency: str | None) -> Catalog:
        seen: dict[tuple[Declared, str], int] = {}
        for entry in entries:
            key = (entry.declares, f"id {entry.id!r}" if entry.id is not None else f"name {entry.label.casefold()!r}")
            if key in seen:
                raise CatalogFormatError(self._origin, entry.line, f"{key[1]} is declared already in line {seen[key]}. Keep one of them.")
            seen[key] = entry.line
        return Catalog(tuple(entries), currency, self._origin)

    def _entries(self, node: yaml.Node, declares: Declared) -> Iterator[Entry]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, "must be a list of entries, each like `- name: CheckoutAgent`.")
        for item in node.value:
            yield self._entry(item, declares)

    def _entry(self, node: yaml.Node, declares: Declared) -> Entry:
        found = dict(self._members(node, _ENTRY_KEYS))
        name, id_, owner = (self._text(found[key], key) if key in found else None for key in ("name", "id", "owner"))
        value = self._amount(found["value_per_run"]) if "value_per_run" in found else None
        if id_ is None and name is None:
            raise self._error(node, "an entry needs an id or a name.")
        return Entry(declares, id_, name, owner, value, node.start_mark.line + 1)

    def _members(self, node: yaml.Node, allowed: tuple[str, ...]) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"must be a mapping with the keys {', '.join(allowed)}.")
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value not in allowed:
                raise self._error(key, f"unknown key {_shown(key)}; the keys here are {', '.join(allowed)}.")
            if key.value in seen:
                raise self._error(key, f"the key {key.value!r} stands here twice. Keep one.")
            seen.add(key.value)
            yield key.value, value

    def _text(self, node: yaml.Node, key: str) -> str | None:
        if node.tag == _NULL:
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT:
            raise self._error(node, f"{key} must be text, not {_shown(node)}; put it in quotes.")
        if not node.value.strip():
            raise self._error(node, f"{key} is empty. Leave it out or give it a value.")
        return str(node.value)

    def _amount(self, node: yaml.Node) -> float | None:
        if node.tag == _NULL:
            return None
        value = _number(node)
        if value is None or not math.isfinite(value) or value < 0:
            raise self._error(node, f"value_per_run must be a number from 0 up, not {_shown(node)}.")
        return value

    def _error(self, node: yaml.Node, problem: str) -> CatalogFormatError:
        return CatalogFormatError(self._origin, node.start_mark.line + 1, problem)


def _number(node: yaml.Node) -> float | None:
    """Return a plain decimal number; YAML's sexagesimal, octal and binary forms are none here."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _NUMBERS:
        return None
    try:
        return float(node.value)
    except ValueError:
        return None


def _shown(node: yaml.Node) -> str:
    return repr(node.value[:60]) if isinstance(node, yaml.ScalarNode) else "a list or mapping"
