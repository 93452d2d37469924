"""What past incidents tell: how long they took, and which steps of their playbooks helped."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agentguard.incidents.feedback import by_action
from agentguard.incidents.model import Helped, Incident
from agentguard.incidents.states import State
from agentguard.incidents.store import IncidentStore
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.unit_of_work import UnitOfWork

MOST = 50
"""Past incidents of one component that are looked at, those opened last."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """One incident that was resolved."""

    incident: str
    """Its id."""
    seconds: float
    """From its first opening to its last resolution."""
    helped: Mapping[str, Helped] = field(default_factory=dict)
    """What people said of the steps of its playbook, by action."""
    fell: bool | None = None
    """Whether the error share fell, as measured; None: unknown."""


class RecoveryStores(Protocol):
    """What finding recoveries needs."""

    @property
    def incidents(self) -> IncidentStore: ...


def recovery_of(incident: Incident, components: Collection[str], condition: str) -> Recovery | None:
    """Return how long the incident took if it was about this failure and is resolved.

    Its linked playbook tells the failure: its condition, and the components that fail. Without a
    playbook, how it failed is unknown, and it counts for nothing.
    """
    resolved, playbook = incident.last_entered(State.RESOLVED), incident.playbook
    if resolved is None or playbook is None or incident.merged_into is not None:
        return None
    failed = playbook.get("incident", {}).get("failed_components", ())
    if playbook.get("condition") != condition or set(failed) != set(components):
        return None
    seconds = (resolved.at - incident.opened_at) / NS_PER_SECOND
    fell = None if incident.measured is None else incident.measured.fell
    return Recovery(incident.id, seconds, by_action(incident), fell)


@dataclass(frozen=True, slots=True)
class PastIncidents:
    """Recoveries from stored incidents. Raises UnavailableError."""

    unit_of_work: UnitOfWork[RecoveryStores]

    async def recoveries(self, components: Collection[str], condition: str) -> tuple[Recovery, ...]:
        """Return the recoveries from the same condition of the same components, the newest first.

        Of at most MOST incidents.
        """
        first = min(components)
        found = await self.unit_of_work.read(
            lambda stores: stores.incidents.resolved_of(first, MOST)
        )
        known = (recovery_of(incident, components, condition) for incident in found)
        return tuple(each for each in known if each is not None)

    async def stamp(self) -> tuple[int, int]:
        """Return what changes whenever an answer of `recoveries` does: a key for caches."""
        return await self.unit_of_work.read(lambda stores: stores.incidents.resolved_stamp())
