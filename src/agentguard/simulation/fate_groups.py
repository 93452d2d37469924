"""Every shared-fate group of a graph: what fails together, and with what."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Graph

_REGION = re.compile(
    r"(?<![a-z0-9])(?:(?:us|us-gov|eu|ap|ca|sa|me|af|il|mx|cn)-"
    r"(?:north|south|east|west|central)(?:east|west)?-?\d"
    r"|(?:us|europe|asia|australia|northamerica|southamerica|me|africa)-"
    r"(?:north|south|east|west|central)(?:east|west)?\d)(?![a-z0-9])"
)
"""Region names of AWS (`eu-central-1`) and Google Cloud (`europe-west4`) in a host's name."""

_ADDRESSES = ("cloud.region", "server.address", "net.peer.name", "url.full", "http.url")


class FateKind(StrEnum):
    """What the members of a group share."""

    PROVIDER = "provider"
    SERVICE = "service"
    """The process or host in which agents and tools run."""
    SERVER = "server"
    """The MCP server of tools."""
    REGION = "region"
    DATASTORE = "datastore"
    QUEUE = "queue"
    FAMILY = "family"
    """A family of models, told by their names: weak evidence."""


CERTAIN = frozenset({FateKind.PROVIDER, FateKind.SERVICE, FateKind.SERVER, FateKind.REGION})
"""Kinds whose failure is a failure of the members themselves, and is told by more than a name."""


@dataclass(frozen=True, slots=True)
class FateGroup:
    """Components that fail together."""

    kind: FateKind
    name: str
    members: tuple[str, ...]
    """Ids of the components that fail with it, sorted."""
    partly: tuple[str, ...] = ()
    """Ids of those that also have another provider or host, and so outlive it."""
    component: str | None = None
    """Id of the component that the group is: its service, server, datastore or queue."""

    @property
    def label(self) -> str:
        """Return the group as it is written: `region:eu-central-1`.

        `agentguard simulate` takes those of providers, services and servers; see shared_fate.
        """
        return f"{self.kind.value}:{self.name}"

    @property
    def every(self) -> tuple[str, ...]:
        """Return all members."""
        return (*self.members, *self.partly)


def fate_groups(graph: Graph, *, least: int = 2) -> tuple[FateGroup, ...]:
    """Return the groups with at least this many members, by kind and name.

    Members of a provider are models; of a service or MCP server what runs in it; of a datastore
    or queue the components that use it. Of a region what names it in its address, of a family the
    models whose names begin alike.
    """
    found: dict[tuple[FateKind, str], dict[str, bool]] = defaultdict(dict)
    first: dict[tuple[FateKind, str], _Share] = {}
    for share in _shares(graph):
        key = (share.kind, share.name.casefold())
        first.setdefault(key, share)
        found[key][share.member] = share.alone
    known = {c.id for c in graph.components}
    groups = (
        _group(share, found[key], known) for key, share in first.items() if len(found[key]) >= least
    )
    return tuple(sorted(groups, key=lambda g: (g.kind, g.name)))


def _group(share: _Share, alone: Mapping[str, bool], known: Collection[str]) -> FateGroup:
    """Return a group; `alone` by member."""
    return FateGroup(
        share.kind,
        share.name,
        tuple(sorted(c for c, only in alone.items() if only)),
        tuple(sorted(c for c, only in alone.items() if not only)),
        share.component if share.component in known else None,
    )


def region_of(c: Component) -> str | None:
    """Return the cloud region that a component's address names, or None."""
    for key in _ADDRESSES:
        found = _REGION.search(c.attributes.get(key, "").casefold())
        if found:
            return found.group()
    return None


def family_of(c: Component) -> str | None:
    """Return the family of a model: the letters with which its name begins."""
    if c.kind is not ComponentKind.MODEL:
        return None
    words = re.split(r"[^a-z0-9]+", c.name.casefold().rpartition("/")[2])
    first = re.match(r"[a-z]+", words[0])
    if first is None:
        return None
    return "-".join(words[:2]) if words[0] == "text" else first.group()


@dataclass(frozen=True, slots=True)
class _Share:
    """One component's part in one group."""

    kind: FateKind
    name: str
    member: str
    alone: bool = True
    """Whether the member has no other provider or host of this kind."""
    component: str | None = None


def _shares(graph: Graph) -> Iterator[_Share]:
    for c in graph.components:
        if c.kind is ComponentKind.MODEL:
            providers = {p.casefold(): p for p in c.providers}
            for name in providers.values():
                yield _Share(FateKind.PROVIDER, name, c.id, len(providers) == 1)
        family, region = family_of(c), region_of(c)
        if family is not None:
            yield _Share(FateKind.FAMILY, family, c.id)
        if region is not None:
            yield _Share(FateKind.REGION, region, c.id)
    yield from _hosted(graph)
    yield from _used(graph)


def _hosted(graph: Graph) -> Iterator[_Share]:
    hosts: dict[tuple[str, ComponentKind], set[str]] = defaultdict(set)
    for h in graph.runs_in:
        hosts[h.component, h.host_kind].add(h.host)
    for h in graph.runs_in:
        server = h.host_kind is ComponentKind.MCP_SERVER
        yield _Share(
            FateKind.SERVER if server else FateKind.SERVICE,
            h.host_name,
            h.component,
            len(hosts[h.component, h.host_kind]) == 1,
            h.host,
        )


def _used(graph: Graph) -> Iterator[_Share]:
    kinds = {
        c.id: (FateKind(c.kind.value), c.name)
        for c in graph.components
        if c.kind in (ComponentKind.DATASTORE, ComponentKind.QUEUE)
    }
    for d in graph.dependencies:
        if d.target in kinds:
            yield _Share(*kinds[d.target], d.source, component=d.target)
