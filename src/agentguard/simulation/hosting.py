"""Which components fail with their hosts: a scenario's closure over `runs_in`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agentguard.graph.model import Graph


@dataclass(frozen=True, slots=True)
class HostedFailures:
    """What fails with its hosts, beside the components that a scenario names."""

    whole: Mapping[str, str]
    """Component → the failing host: it runs nowhere else."""
    partly: Mapping[str, frozenset[str]]
    """Component that also runs in a working host → its failing hosts."""


class Hosts:
    """What runs where, for any number of scenarios."""

    def __init__(self, graph: Graph) -> None:
        self._homes, self._guests = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
        for hosting in graph.runs_in:
            self._homes[hosting.component].add(hosting.host)
            self._guests[hosting.host].add(hosting.component)

    def failing_with(self, failed: Iterable[str]) -> HostedFailures:
        """Return what these components take with them.

        A service takes the agents and tools that run in it, an MCP server its tools. Models and
        datastores never: who calls them does not host them.
        """
        down, whole = set(failed), dict[str, str]()
        waiting = sorted(down)
        while waiting:
            host = waiting.pop()
            inside = self._guests.get(host, ())
            fresh = sorted(g for g in inside if g not in down and self._homes[g] <= down)
            whole |= dict.fromkeys(fresh, host)
            down.update(fresh)
            waiting += fresh
        partly = {
            guest: frozenset(self._homes[guest] & down)
            for host in sorted(down)
            for guest in self._guests.get(host, ())
            if guest not in down
        }
        return HostedFailures(whole, partly)
