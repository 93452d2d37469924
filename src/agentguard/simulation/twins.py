"""Service calls and the agent calls that they carry: two rows of one call.

A request to a service is recorded as a call of the service, and the agent that serves it as a call
of the agent. Both are one call: what fails is the agent, and the service answers with its failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CallTable:
    """The columns that tell which rows are one call."""

    target: NDArray[np.int64]
    parent: NDArray[np.int64]
    depth: NDArray[np.int64]
    start: NDArray[np.int64]
    duration: NDArray[np.int64]
    """-1: unknown."""


@dataclass(frozen=True, slots=True)
class Twins:
    """Rows that are one call."""

    host_row: NDArray[np.int64]
    guest_row: NDArray[np.int64]
    """Of each pair, the call of the service or MCP server, and that of the agent or tool in it."""
    ran_in: NDArray[np.int64]
    """By row: the number of the component in which its target ran; -1: unknown."""


def twins(calls: CallTable, hosting: NDArray[np.int64]) -> Twins:
    """Return the twins; `hosting` has a row (component, host) for each place where it runs.

    A call of an agent repeats that call of its host which has the same caller, or a caller that is
    the twin of the agent's caller, and began last before it. Takes a few passes per level of depth.
    """
    search = _Search(calls, hosting)
    for depth in range(int(calls.depth.max(initial=-1)) + 1):
        search.descend(np.flatnonzero(calls.depth == depth))
    return search.found()


def _size(calls: CallTable, hosting: NDArray[np.int64]) -> int:
    return int(max(calls.target.max(initial=-1), hosting.max(initial=-1))) + 1


class _Search:
    def __init__(self, calls: CallTable, hosting: NDArray[np.int64]) -> None:
        self._calls, self._size = calls, _size(calls, hosting)
        self._hosting = hosting[np.lexsort((hosting[:, 1], hosting[:, 0]))]
        self._pairs = self._hosting[:, 0] * self._size + self._hosting[:, 1]
        is_host = np.isin(np.arange(self._size), hosting[:, 1])
        self._host_row = is_host[calls.target]
        self._within = np.full(len(calls.target), -1, np.int64)
        """By row: the call of a host inside which it was made."""
        self._pairs_found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._rows, self._keys = self._host_calls()

    def _host_calls(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the calls of hosts, and their callers and hosts as one number, in this order."""
        calls = self._calls
        rows = np.flatnonzero(self._host_row & (calls.parent >= 0))
        key = calls.parent[rows] * self._size + calls.target[rows]
        order = np.lexsort((rows, calls.start[rows], key))
        return rows[order], key[order]

    def descend(self, rows: NDArray[np.int64]) -> None:
        """Decide for the rows of one level in which host's call they were made."""
        rows = rows[self._calls.parent[rows] >= 0]
        parent = self._calls.parent[rows]
        base = np.where(self._host_row[parent], parent, self._within[parent])
        self._within[rows] = base
        left = rows[~self._at_home(rows, base)]
        left = left[~self._match(left, self._calls.parent[left])]
        left = left[self._within[left] >= 0]
        self._match(left, self._within[left])

    def _at_home(self, rows: NDArray[np.int64], base: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows' targets run in the host that they were called from."""
        host = self._calls.target[np.maximum(base, 0)]
        inside = np.isin(self._calls.target[rows] * self._size + host, self._pairs)
        return (base >= 0) & inside

    def _match(self, rows: NDArray[np.int64], base: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Find for each row the last call of one of its hosts from the same place before it.

        Return which rows have one.
        """
        which, host = self._hosts_of(self._calls.target[rows])
        place = self._last_before(base[which] * self._size + host, self._calls.start[rows[which]])
        which, found = which[place >= 0], self._rows[place[place >= 0]]
        fits = self._covers(found, rows[which])
        which, once = np.unique(which[fits], return_index=True)
        found = found[fits][once]
        self._within[rows[which]] = found
        self._pairs_found.append((found, rows[which]))
        return np.isin(np.arange(len(rows)), which)

    def _hosts_of(self, target: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (place among the targets, host) for every host of each target."""
        first = np.searchsorted(self._hosting[:, 0], target, side="left")
        count = np.searchsorted(self._hosting[:, 0], target, side="right") - first
        which = np.repeat(np.arange(len(target)), count)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        return which, self._hosting[first[which] + nth, 1]

    def _last_before(self, key: NDArray[np.int64], start: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of the last host's call with this key that began by then, else -1."""
        starts = distinct(np.concatenate([self._calls.start[self._rows], start]))
        ranks = len(starts) + 1
        codes = distinct(np.concatenate([self._keys, key]))
        known = np.searchsorted(codes, self._keys) * ranks + np.searchsorted(
            starts, self._calls.start[self._rows]
        )
        wanted = np.searchsorted(codes, key) * ranks + np.searchsorted(starts, start)
        place = np.searchsorted(known, wanted, side="right") - 1
        if not len(known):
            return place
        return np.where((place >= 0) & (self._keys[np.maximum(place, 0)] == key), place, -1)

    def _covers(self, host: NDArray[np.int64], guest: NDArray[np.int64]) -> NDArray[np.bool_]:
        calls = self._calls
        ended = calls.start[host] + calls.duration[host]
        return (calls.duration[host] < 0) | (calls.start[guest] <= ended)

    def found(self) -> Twins:
        empty = np.zeros(0, np.int64)
        hosts = np.concatenate([empty, *(host for host, _ in self._pairs_found)])
        guests = np.concatenate([empty, *(guest for _, guest in self._pairs_found)])
        within, target = self._within, self._calls.target
        home = np.where(within >= 0, target[np.maximum(within, 0)], -1)
        inside = np.isin(target * self._size + home, self._pairs) & (home >= 0)
        order = np.lexsort((guests, hosts))
        return Twins(hosts[order], guests[order], np.where(inside, home, -1))
