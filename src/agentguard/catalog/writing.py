"""A first catalogue from what was seen."""

from __future__ import annotations

from typing import Any

import yaml

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph

_HEADER = """\
# AgentGuard's catalogue: what is meant to run. Agents that are seen and not in here are called shadow agents.
# Take out what nobody answers for; fill in owner, and value_per_run where a run is worth money (currency: any text).
# An id matches exactly; a name matches whole, whatever its case. Either may be left out.
"""


def catalog_text(graph: Graph) -> str:
    """Return YAML that declares every named agent and workflow of the graph, owners and values left open (null).

    read_catalog reads it back; every named agent then matches. Unidentified agents are left out: there is nothing to declare.
    """
    agents = [_entry(c.id, c.name) for c in graph.components if c.kind is ComponentKind.AGENT and c.identified]
    workflows = [_entry(w.id, w.name) | {"value_per_run": None} for w in graph.workflows]
    document = {"currency": None, "agents": agents, "workflows": workflows}
    return _HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000)


def _entry(id_: str, name: str) -> dict[str, Any]:
    return {"id": _Quoted(id_), "name": _Quoted(name), "owner": None}


class _Quoted(str):
    """Text that came from telemetry: always in double quotes, the only style of YAML that can hold every character."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Knows quoted text."""


_Dumper.add_representer(_Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"'))
