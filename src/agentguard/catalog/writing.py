"""Writes catalogs as YAML, from an observed graph or from imported files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import yaml

from agentguard.catalog.model import Catalog, Entry, EntryKind, OnFailure, Reference
from agentguard.catalog.reading import SECTIONS
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.export.sanitizing import printable
from agentguard.graph.model import Component, Graph

_HEADER = """\
# AgentGuard catalog: what is meant to run. Observed agents that are not listed here are called
# shadow agents.
# - Remove entries that nobody is responsible for.
# - Set owner, criticality (critical, high, medium, low), and value_per_run if a run is worth money
#   (currency: any text). Playbooks show runbook (a URL) and effects (payment, email …; or none).
# - An id matches exactly; a name matches as a whole, case-insensitively. `aliases: [checkout-*]`
#   adds names.
# - models, tools and depends_on list what was observed; later differences are called drift.
#   Remove a list to skip its comparison.
"""
_IMPORT_HEADER = "# AgentGuard catalog, imported from other files.\n"


def catalog_text(graph: Graph) -> str:
    """Return YAML that declares everything identified in the graph, with what agents use.

    Owners and values are null. Read back by read_catalog, everything is declared and nothing
    drifts. Unidentified agents are omitted, because they have no name to declare.
    """
    sections = _sections(graph)
    return (
        _HEADER
        + "currency: null\n"
        + "".join(f"{key}:{_section(entries)}" for key, entries in sections.items())
    )


def entries_text(graph: Graph, components: Collection[str]) -> str:
    """Return the entries of these components (ids) alone, to be added to a catalog.

    A component that no span names has none; a comment says so where nothing is left.
    """
    wanted = {
        key: [entry for entry in entries if entry["id"] in components]
        for key, entries in _sections(graph).items()
    }
    text = "".join(f"{key}:{_section(found)}" for key, found in wanted.items() if found)
    return text or "# Nothing to declare: no span gives a name.\n"


def _sections(graph: Graph) -> dict[str, list[dict[str, Any]]]:
    uses = _Uses(graph)
    flows = {w.id: w.name for w in graph.workflows} | {
        c.id: c.name for c in graph.components if c.kind is ComponentKind.WORKFLOW
    }
    identified = [c for c in graph.components if c.identified]
    return {
        "agents": [
            _undeclared_fields(c.id, c.name) | uses.of(c)
            for c in identified
            if c.kind is ComponentKind.AGENT
        ],
        "workflows": [
            _undeclared_fields(id_, name) | {"value_per_run": None}
            for id_, name in sorted(flows.items())
        ],
        "components": [
            _Line(_undeclared_fields(c.id, c.name))
            for c in identified
            if c.kind in EntryKind.COMPONENT.kinds
        ],
    }


def imported_text(catalog: Catalog) -> str:
    """Return the catalog as YAML, each entry with a comment that names its origin."""
    parts = [_IMPORT_HEADER, *(f"# {printable(note)}\n" for note in catalog.notes)]
    parts += (
        [f"currency: {_yaml(_Quoted(catalog.currency))}"] if catalog.currency is not None else []
    )
    for section, declares in SECTIONS.items():
        entries = [e for e in catalog.entries if e.declares is declares]
        parts += (
            [f"{section}:\n", *(_place(e) + _yaml([_fields(e)]) for e in entries)]
            if entries
            else []
        )
    return "".join(parts) if catalog.entries else f"{''.join(parts)}agents: []\n"


class _Uses:
    """The observed dependencies of each component, as unambiguous references."""

    def __init__(self, graph: Graph) -> None:
        self._by_id = {c.id: c for c in graph.components}
        self._name_counts = Counter(c.name.casefold() for c in graph.components)
        self._used: dict[str, list[Component]] = {}
        for d in graph.dependencies:
            if d.target in self._by_id:
                self._used.setdefault(d.source, []).append(self._by_id[d.target])

    def of(self, c: Component) -> dict[str, list[str]]:
        used = {target.id: target for target in self._used.get(c.id, ())}.values()
        models, tools = (
            [u for u in used if u.kind is kind]
            for kind in (ComponentKind.MODEL, ComponentKind.TOOL)
        )
        others = [u for u in used if u.kind not in (ComponentKind.MODEL, ComponentKind.TOOL)]
        return {
            "models": self._texts(models),
            "tools": self._texts(tools),
            "depends_on": self._texts(others),
        }

    def _texts(self, components: Iterable[Component]) -> list[str]:
        return _Row(_Quoted(self._text(c)) for c in components)

    def _text(self, c: Component) -> str:
        """Return the component's name if it is unique and unambiguous, otherwise its id."""
        unique = (
            self._name_counts[c.name.casefold()] == 1
            and c.name.strip()
            and Reference(c.name).kind is None
        )
        return c.name if unique and c.name not in self._by_id else c.id


def _undeclared_fields(id_: str, name: str) -> dict[str, Any]:
    return {"id": _Quoted(id_), "name": _Quoted(name), "owner": None}


def _fields(e: Entry) -> dict[str, Any]:
    """Return the entry's declarations under the keys of a catalog."""
    texts = _texts(e)
    lists = {"depends_on": e.depends_on, "models": e.models, "tools": e.tools}
    fields: dict[str, Any] = {key: _Quoted(text) for key, text in texts.items() if text is not None}
    fields |= {"aliases": _Row(map(_Quoted, e.aliases))} if e.aliases else {}
    fields |= {"criticality": e.criticality.value} if e.criticality is not None else {}
    fields |= {"value_per_run": e.value_per_run} if e.value_per_run is not None else {}
    fields |= {"effects": _Row(map(_Quoted, e.effects))} if e.effects is not None else {}
    fields |= {key: _references(listed) for key, listed in lists.items() if listed is not None}
    return fields | (
        _on_failure(e.failing)
        if e.failing is not None and e.declares is not EntryKind.WORKFLOW
        else {}
    )


def _texts(e: Entry) -> dict[str, str | None]:
    return {
        "id": e.id,
        "name": e.name,
        "environment": e.environment,
        "owner": e.owner,
        "runbook": e.runbook,
    }


def _on_failure(f: OnFailure) -> dict[str, Any]:
    lists = {
        "optional": f.optional,
        "required": f.required,
        "async": f.asynchronous,
        "standbys": f.standbys,
    }
    counts = {
        "replicas": f.replicas,
        "retries": f.retries,
        "timeout_seconds": f.timeout_seconds,
    }
    return (
        {key: _references(listed) for key, listed in lists.items() if listed}
        | ({"any_of": [_references(group) for group in f.any_of]} if f.any_of else {})
        | {key: count for key, count in counts.items() if count is not None}
    )


def _references(listed: Iterable[Reference]) -> _Row:
    return _Row(_Quoted(r.text) for r in listed)


def _place(e: Entry) -> str:
    return f"# from {' and '.join(printable(one.place) for one in (e, *e.also))}\n"


def _section(entries: list[dict[str, Any]]) -> str:
    return f"\n{_yaml(entries)}" if entries else " []\n"


def _yaml(value: object) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000)


class _Quoted(str):
    """Untrusted text, always in double quotes: the only YAML style that holds every character."""

    __slots__ = ()


class _Row(list[str]):
    """A list on one line."""

    __slots__ = ()


class _Line(dict[str, Any]):
    """A mapping on one line."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes quoted text, and no anchors."""

    def write_double_quoted(self, text: str, split: bool = True) -> None:  # noqa: FBT001, FBT002
        """Write the text, in ASCII if a terminal would interpret or hide some of it."""
        allowed = self.allow_unicode
        self.allow_unicode = allowed and printable(text) == text
        super().write_double_quoted(text, split)
        self.allow_unicode = allowed

    # PyYAML's own name and arguments
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


_Dumper.add_representer(
    _Quoted,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"'),
)
_Dumper.add_representer(
    _Row,
    lambda dumper, row: dumper.represent_sequence("tag:yaml.org,2002:seq", row, flow_style=True),
)
_Dumper.add_representer(
    _Line,
    lambda dumper, line: dumper.represent_mapping(
        "tag:yaml.org,2002:map", line.items(), flow_style=True
    ),
)
