"""Reads Backstage's `catalog-info.yaml` (backstage.io/v1alpha1, v1beta1) as catalog entries."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from agentguard.catalog.errors import CatalogFormatError
from agentguard.catalog.model import Catalog, Entry, EntryKind, Reference
from agentguard.kernel.yaml_nodes import Nodes, is_null, line_of

_KINDS = frozenset({"component", "api", "resource"})
"""Backstage kinds that can be observed at run time. They do not say whether it is an agent, so the
entries match agents and other components.
"""


def is_backstage(roots: list[yaml.Node]) -> bool:
    """Return whether these documents are Backstage entities, by `apiVersion` and `kind`."""
    return bool(roots) and {"apiVersion", "kind"} <= _member_nodes(roots[0]).keys()


def read_backstage(roots: list[yaml.Node], *, origin: str) -> Catalog:
    """Return entries for all Components, APIs and Resources.

    Name: metadata.name, with metadata.title as an alias. Owner: spec.owner. Dependencies:
    spec.dependsOn. Entities of other kinds (systems, groups, locations …) have no run-time
    behavior; they are skipped with a note. Raises CatalogFormatError with the line.
    """
    reader = _Reader(Nodes(origin, CatalogFormatError))
    entries: list[Entry] = []
    notes: list[str] = []
    for root in roots:
        kind = reader.required(root, "kind", "an entity")
        if kind.casefold() in _KINDS:
            entries.append(reader.entry(root, kind))
        else:
            notes.append(
                f"{origin}, line {line_of(root)}: skipped; a {kind} is not observable at run time."
            )
    return Catalog(tuple(entries), None, origin, tuple(notes))


def entity_name(reference: str) -> str:
    """Return an entity reference (`[kind:][namespace/]name`) without kind and default namespace."""
    return reference.rpartition(":")[2].removeprefix("default/")


@dataclass(frozen=True, slots=True)
class _Reader:
    nodes: Nodes

    def entry(self, root: yaml.Node, kind: str) -> Entry:
        members = _member_nodes(root)
        about, spec = members.get("metadata", root), members.get("spec")
        name = self.required(about, "name", f"the metadata of this {kind}")
        details = {} if spec is None else _member_nodes(spec)
        return Entry(
            EntryKind.ANY,
            name=name,
            owner=self._owner(details),
            line=line_of(root),
            origin=self.nodes.origin,
            aliases=self._title(about, name),
            depends_on=self._depends_on(details),
        )

    def required(self, node: yaml.Node, key: str, where: str) -> str:
        found = _member_nodes(node).get(key)
        text = None if found is None else self.nodes.text(found, key)
        if text is None:
            raise self.nodes.error(
                node, f"{where} needs the text {key!r} (Backstage descriptor format)."
            )
        return text

    def _title(self, about: yaml.Node, name: str) -> tuple[str, ...]:
        node = _member_nodes(about).get("title")
        title = None if node is None else self.nodes.text(node, "title")
        # A title is text, not a pattern: its wildcards would match other names.
        return () if title is None or title == name or {"*", "?"} & set(title) else (title,)

    def _owner(self, details: dict[str, yaml.Node]) -> str | None:
        node = details.get("owner")
        if node is None or is_null(node):
            return None
        if isinstance(node, yaml.MappingNode):
            return self.required(node, "name", "the owner")
        return entity_name(self.nodes.text(node, "owner") or "") or None

    def _depends_on(self, details: dict[str, yaml.Node]) -> tuple[Reference, ...] | None:
        node = details.get("dependsOn")
        texts = None if node is None else self.nodes.texts(node, "dependsOn")
        return (
            None
            if texts is None
            else tuple(dict.fromkeys(Reference(entity_name(text)) for text, _ in texts))
        )


def _member_nodes(node: yaml.Node) -> dict[str, yaml.Node]:
    """Return a mapping's members by key, the last of duplicates; empty if it is not a mapping."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
