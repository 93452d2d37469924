"""Which sides of calls may belong together: what both record about peer and operation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Flag, auto
from itertools import islice

from agentguard.discovery.call_sides import Side, WholeHop
from agentguard.discovery.naming import normalized
from agentguard.discovery.sides import MCP, MESSAGING, RPC

_LOOPBACK = ("localhost", "[::1]", "::1", "0.0.0.0")  # noqa: S104 - names to compare, not a binding
_LOCAL = "127.0.0.1"


MOST_COMPARED = 200_000
"""Pairs of sides that are compared: sides are many where each call has a name of its own."""


class Agreed(Flag):
    """What both sides of a call record alike."""

    NOTHING = 0
    PEER = auto()
    OPERATION = auto()
    IDS = auto()


@dataclass(frozen=True, slots=True)
class SidePair:
    """A caller's and a callee's side that may be one call, by their codes."""

    caller: int
    callee: int
    agreed: Agreed


def side_pairs(
    sides: list[Side],
    callers: Iterable[int],
    callees: Iterable[int],
    whole: Mapping[tuple[Side, Side], WholeHop],
) -> Iterator[SidePair]:
    """Yield the pairs of sides that agree in peer or operation and differ in nothing.

    At most MOST_COMPARED pairs are looked at, in the order of the callers.
    """
    known, places = _known_peers(whole), _environments(sides)
    for caller, callee in islice(_candidates(sides, callers, callees, known), MOST_COMPARED):
        own, other = sides[caller], sides[callee]
        agreed = _agreed(own, other, known)
        if agreed and _same_environment(own, other, places):
            yield SidePair(caller, callee, agreed)


def _candidates(
    sides: list[Side],
    callers: Iterable[int],
    callees: Iterable[int],
    known: Mapping[str, set[str]],
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of sides that share a key and, where both record one, the path."""
    by_key = _by_key(sides, callees)
    for caller in callers:
        own = sides[caller]
        keys = {*_keys(own), *(name for peer in own.peers for name in known.get(peer, ()))}
        found = set[int]()
        for paths in (by_key[key] for key in keys if key in by_key):
            for path in (own.path, "") if own.path else paths:
                found.update(paths.get(path, ()))
        yield from ((caller, callee) for callee in sorted(found))


def _known_peers(whole: Mapping[tuple[Side, Side], WholeHop]) -> dict[str, set[str]]:
    """Return, by the callers' name of a peer, the services that answered under it."""
    known: dict[str, set[str]] = defaultdict(set)
    for caller, callee in whole:
        for peer in caller.peers:
            known[peer].add(_service_key(callee.service))
    return known


def _environments(sides: Iterable[Side]) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = defaultdict(set)
    for each in sides:
        found[each.service].add(each.environment)
    return found


def _same_environment(caller: Side, callee: Side, places: Mapping[str, set[str | None]]) -> bool:
    """Return whether the callee's service is none that also runs in the caller's environment.

    Services spell one environment differently.
    """
    if caller.environment == callee.environment:
        return True
    return caller.environment not in places[callee.service]


def _by_key(sides: list[Side], callees: Iterable[int]) -> dict[str, dict[str, list[int]]]:
    """Return the callees' sides by key and path."""
    by_key: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for code in callees:
        for key in {*_keys(sides[code]), _service_key(sides[code].service)}:
            by_key[key][sides[code].path].append(code)
    return by_key


def _keys(of: Side) -> Iterator[str]:
    """Yield what a side can be found by; sides that share a key need not agree."""
    for peer in of.peers:
        yield _local(peer)
        host = _host(peer)
        if host != _LOCAL:
            yield host
            yield _service_key(host.partition(".")[0])
    if of.protocol in (MCP, RPC) and of.operation:
        yield f"{of.protocol} {of.operation}"


def _agreed(caller: Side, callee: Side, known: Mapping[str, set[str]]) -> Agreed:
    """Return in what the sides agree; nothing if they differ in anything."""
    peer = _same_peer(caller, callee, known)
    if caller.service == callee.service or peer is False or _differ(caller, callee):
        return Agreed.NOTHING
    found = Agreed.PEER if peer else Agreed.NOTHING
    if caller.operation and caller.operation == callee.operation:
        names = caller.protocol in (MCP, RPC) or caller.path == callee.path != ""
        found |= Agreed.OPERATION if names or peer else Agreed.NOTHING
    return found


def _differ(caller: Side, callee: Side) -> bool:
    """Return whether both sides record something that differs."""
    both = (
        (caller.protocol, callee.protocol),
        (caller.operation, callee.operation),
        (caller.path, callee.path),
        (caller.status, callee.status),
    )
    return any(one and other and one != other for one, other in both)


def _same_peer(caller: Side, callee: Side, known: Mapping[str, set[str]]) -> bool | None:
    """Return whether the caller's peer is the callee; None: unknown."""
    own, other = set(map(_local, caller.peers)), set(map(_local, callee.peers))
    if own & other:
        return True
    if caller.protocol == MESSAGING:
        return False if own and other else None
    service = _service_key(callee.service)
    if any(service == _service_key(name) for peer in own for name in _names(peer)):
        return True
    answered = set[str]().union(*(known.get(peer, ()) for peer in caller.peers))
    if answered:
        return service in answered
    if caller.protocol == MCP or not own or not other:
        return None
    return any(_same_host(one, another) for one in own for another in other)


def _same_host(one: str, other: str) -> bool:
    """Return whether two addresses name one host, of which at most one has a port."""
    host = _host(one)
    return host == _host(other) != _LOCAL and (one == host or other == _host(other))


def _names(peer: str) -> tuple[str, str]:
    host = _host(peer)
    return host, host.partition(".")[0]


def _host(peer: str) -> str:
    name, colon, port = peer.rpartition(":")
    return _local(name if colon and port.isdecimal() else peer)


def _local(peer: str) -> str:
    for name in _LOOPBACK:
        if peer == name or peer.startswith(f"{name}:"):
            return _LOCAL + peer[len(name) :]
    return peer


def _service_key(name: str) -> str:
    return normalized(name).replace(" ", "")
