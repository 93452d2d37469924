"""Reads catalogs from YAML."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from agentguard.catalog.aliases import alias_problem
from agentguard.catalog.errors import CatalogFormatError
from agentguard.catalog.model import Catalog, Criticality, Entry, EntryKind, OnFailure, Reference
from agentguard.kernel.yaml_nodes import Nodes, described, documents, is_null, line_of

SECTIONS = {
    "agents": EntryKind.AGENT,
    "workflows": EntryKind.WORKFLOW,
    "components": EntryKind.COMPONENT,
    "any": EntryKind.ANY,
}
_KEYS = ("id", "name", "aliases", "owner", "criticality", "value_per_run", "runbook", "effects")
_ON_FAILURE = (
    "optional",
    "required",
    "async",
    "any_of",
    "standbys",
    "replicas",
    "retries",
    "timeout_seconds",
)
_COMPONENT_KEYS = (*_KEYS, "environment", "depends_on", "models", "tools", *_ON_FAILURE)
_CRITICALITIES = {each.value: each for each in Criticality}
_MOST = 1_000_000
_LONGEST_EFFECT = 60
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_catalog(text: str, *, origin: str) -> Catalog:
    """Return the catalog in this YAML text.

    A mapping of `agents`, `workflows`, `components`, `any` (lists of entries with id or name) and
    `currency`; or a list of agents. Unknown keys, duplicate ids and overly broad aliases are
    errors. Raises only CatalogFormatError, with the line.
    """
    roots = documents(text, origin, CatalogFormatError)
    if not roots:
        raise CatalogFormatError(
            origin, None, "is empty. Create a catalog with `agentguard catalog init`."
        )
    return catalog_of(roots, origin)


def catalog_of(roots: list[yaml.Node], origin: str) -> Catalog:
    """Return the catalog in these documents (at least one); raise CatalogFormatError."""
    reader = _Reader(Nodes(origin, CatalogFormatError))
    if len(roots) > 1:
        raise reader.nodes.error(
            roots[1],
            "a second document starts here. Move it to a file of its own.",
        )
    return reader.catalog(roots[0])


@dataclass(frozen=True, slots=True)
class _Reader:
    nodes: Nodes

    def catalog(self, root: yaml.Node) -> Catalog:
        if isinstance(root, yaml.SequenceNode):
            return self._checked(list(self._entries(root, EntryKind.AGENT)), None)
        entries: list[Entry] = []
        currency: str | None = None
        for key, node in self.nodes.members(root, (*SECTIONS, "currency")):
            if key == "currency":
                currency = self.nodes.text(node, key)
            elif not is_null(node):
                entries.extend(self._entries(node, SECTIONS[key]))
        return self._checked(entries, currency)

    def _checked(self, entries: list[Entry], currency: str | None) -> Catalog:
        seen: dict[tuple[EntryKind, str | None, str], int] = {}
        for entry in entries:
            for what in _claims(entry):
                key = (entry.declares, entry.environment, what)
                if key in seen:
                    problem = f"{what} is already declared in line {seen[key]}. Remove one of them."
                    raise CatalogFormatError(self.nodes.origin, entry.line, problem)
                seen[key] = entry.line
        return Catalog(tuple(entries), currency, self.nodes.origin)

    def _entries(self, node: yaml.Node, declares: EntryKind) -> Iterator[Entry]:
        for item in self.nodes.items(node, "- name: CheckoutAgent"):
            yield self._entry(item, declares)

    def _entry(self, node: yaml.Node, declares: EntryKind) -> Entry:
        found = dict(
            self.nodes.members(node, _KEYS if declares is EntryKind.WORKFLOW else _COMPONENT_KEYS)
        )
        name, id_, owner, environment = (
            self._text(found, key) for key in ("name", "id", "owner", "environment")
        )
        if id_ is None and name is None:
            raise self.nodes.error(node, "an entry needs an id or a name.")
        return Entry(
            declares,
            id_,
            name,
            owner,
            self._amount(found["value_per_run"]) if "value_per_run" in found else None,
            line_of(node),
            self.nodes.origin,
            self._aliases(found["aliases"]) if "aliases" in found else (),
            environment,
            self._criticality(found["criticality"]) if "criticality" in found else None,
            self._references(found, "depends_on"),
            self._references(found, "models"),
            self._references(found, "tools"),
            self._runbook(found["runbook"]) if "runbook" in found else None,
            self._effects(found["effects"]) if "effects" in found else None,
            failing=self._on_failure(found),
        )

    def _on_failure(self, found: dict[str, yaml.Node]) -> OnFailure | None:
        if not any(key in found and not is_null(found[key]) for key in _ON_FAILURE):
            return None
        optional, required, asynchronous, standbys = (
            self._references(found, key) or ()
            for key in ("optional", "required", "async", "standbys")
        )
        both = next((r for r in (*optional, *asynchronous) if r in required), None)
        if both is not None:
            problem = f"{both.text!r} is both required and not. Remove one of them."
            raise self.nodes.error(found["required"], problem)
        return OnFailure(
            optional,
            required,
            asynchronous,
            self._groups(found["any_of"]) if "any_of" in found else (),
            standbys,
            self._count(found, "replicas", least=1),
            self._count(found, "retries", least=0),
            self._seconds(found["timeout_seconds"]) if "timeout_seconds" in found else None,
        )

    def _groups(self, node: yaml.Node) -> tuple[tuple[Reference, ...], ...]:
        """Return lists of references, of which each has two at least."""
        if is_null(node):
            return ()
        found = []
        for item in self.nodes.items(node, "- [gpt-4o, llama-3.3-70b]"):
            texts = self.nodes.texts(item, "any_of") or []
            group = tuple(dict.fromkeys(Reference(text) for text, _ in texts))
            if len(group) < 2:
                raise self.nodes.error(item, "a group of any_of needs two entries at least.")
            found.append(group)
        return tuple(found)

    def _count(self, found: dict[str, yaml.Node], key: str, *, least: int) -> int | None:
        node = found.get(key)
        if node is None or is_null(node):
            return None
        value = _number(node)
        if value is None or not value.is_integer() or not least <= value <= _MOST:
            raise self.nodes.error(
                node,
                f"{key} must be a whole number from {least} to {_MOST:,}, not {described(node)}.",
            )
        return int(value)

    def _seconds(self, node: yaml.Node) -> float | None:
        if is_null(node):
            return None
        value = _number(node)
        if value is None or not 0 < value <= _MOST:
            raise self.nodes.error(
                node,
                f"timeout_seconds must be a number above 0 and at most {_MOST:,}, not"
                f" {described(node)}.",
            )
        return value

    def _text(self, found: dict[str, yaml.Node], key: str) -> str | None:
        return self.nodes.text(found[key], key) if key in found else None

    def _aliases(self, node: yaml.Node) -> tuple[str, ...]:
        aliases = self.nodes.texts(node, "aliases") or []
        for alias, item in aliases:
            problem = alias_problem(alias)
            if problem is not None:
                raise self.nodes.error(item, f"the alias {alias!r} {problem}.")
        return tuple(dict.fromkeys(alias for alias, _ in aliases))

    def _criticality(self, node: yaml.Node) -> Criticality | None:
        text = self.nodes.text(node, "criticality")
        if text is not None and text not in _CRITICALITIES:
            raise self.nodes.error(
                node,
                f"criticality must be one of {', '.join(_CRITICALITIES)}, not {described(node)}.",
            )
        return None if text is None else _CRITICALITIES[text]

    def _references(self, found: dict[str, yaml.Node], key: str) -> tuple[Reference, ...] | None:
        texts = self.nodes.texts(found[key], key) if key in found else None
        return None if texts is None else tuple(dict.fromkeys(Reference(text) for text, _ in texts))

    def _runbook(self, node: yaml.Node) -> str | None:
        text = self.nodes.text(node, "runbook")
        if text is not None and not (
            text.startswith(("https://", "http://")) and text.isprintable()
        ):
            raise self.nodes.error(
                node, f"runbook must be a URL that starts with https://, not {described(node)}."
            )
        return text

    def _effects(self, node: yaml.Node) -> tuple[str, ...] | None:
        """Return the effects, one or a list; `none` and an empty list declare that it has none."""
        if isinstance(node, yaml.SequenceNode):
            texts = self.nodes.texts(node, "effects") or []
        else:
            one = self.nodes.text(node, "effects")
            if one is None:
                return None
            texts = [] if one == "none" else [(one, node)]
        for text, item in texts:
            if len(text) > _LONGEST_EFFECT or not text.isprintable():
                raise self.nodes.error(
                    item, f"an effect is a word such as payment or email, not {described(item)}."
                )
        return tuple(dict.fromkeys(text for text, _ in texts))

    def _amount(self, node: yaml.Node) -> float | None:
        if is_null(node):
            return None
        value = _number(node)
        if value is None or not math.isfinite(value) or value < 0:
            raise self.nodes.error(
                node, f"value_per_run must be a number of at least 0, not {described(node)}."
            )
        return value


def _claims(entry: Entry) -> list[str]:
    """Return what must be unique within a section and environment."""
    own = f"id {entry.id!r}" if entry.id is not None else f"name {entry.label.casefold()!r}"
    return [own, *(f"alias {alias.casefold()!r}" for alias in entry.aliases)]


def _number(node: yaml.Node) -> float | None:
    """Return a decimal number; YAML's sexagesimal, octal and binary forms are rejected."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _NUMBERS:
        return None
    try:
        return float(node.value)
    except ValueError:
        return None
