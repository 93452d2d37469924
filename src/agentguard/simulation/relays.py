"""Relays: nodes that carry the loss of handoffs and messages up to workflows.

A handoff or message does not fail its caller, which has already finished, but every workflow that
the caller works for. A component's relay fails if a handoff or message of the component, or of
anything that it requires, is lost: one node per component, instead of one requirement per workflow
and handoff.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from agentguard.simulation.requirements import Need, Requirement

NumberedGroup: TypeAlias = tuple[int, tuple[int, ...], Need]
"""Owner, members and need of a requirement between numbered nodes."""


def relaying(components: Iterable[Requirement]) -> tuple[str, ...]:
    """Return the components that need a relay: those that hand over, and all that require them."""
    callers: dict[str, list[str]] = defaultdict(list)
    found: dict[str, None] = {}
    for r in components:
        if not r.returns:
            found[r.owner] = None
        if r.need is Need.REQUIRED:
            for member in r.members:
                callers[member].append(r.owner)
    waiting = list(found)
    while waiting:
        fresh = [c for c in callers[waiting.pop()] if c not in found]
        found |= dict.fromkeys(fresh)
        waiting += fresh
    return tuple(sorted(found))


def relay_requirements(
    components: Iterable[Requirement], relays: Mapping[str, int], index: Mapping[str, int]
) -> Iterator[NumberedGroup]:
    """Yield what relays need, as numbers: (owner, members, need)."""
    for r in components:
        if r.owner in relays:
            if not r.returns:
                yield relays[r.owner], tuple(index[m] for m in r.members), r.need
            yield from relayed(relays[r.owner], r, relays)


def relayed(owner: int, r: Requirement, relays: Mapping[str, int]) -> Iterator[NumberedGroup]:
    """Yield that an owner of this requirement fails with the relay of each member."""
    if r.need is Need.REQUIRED:
        yield from ((owner, (relays[m],), r.need) for m in r.members if m in relays)
