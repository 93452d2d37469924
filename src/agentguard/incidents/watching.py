"""Looks at each version of the live graph and tells which conditions begin and end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from agentguard.accounts.principal import system_principal
from agentguard.graph.model import Graph
from agentguard.graph.storage.store import GraphVersion
from agentguard.incidents.conditions import ConditionRule, Conditions
from agentguard.incidents.model import DetectedCondition

DETECTION = system_principal("detection")

Rules: TypeAlias = Callable[[Graph], Awaitable[Sequence[ConditionRule]]]
"""Returns the rules for this graph."""


@dataclass(slots=True)
class ConditionWatch:
    """Opens one incident for each condition, and notes there when it ends.

    While a condition holds, it opens no second incident, also where people resolved the first;
    after a restart it does, as only active incidents say what held before.
    """

    conditions: Conditions
    rules: Rules
    keep: Callable[[str], Awaitable[None]]
    """Stores the version with this id, because an incident cites it."""
    _holding: set[str] | None = field(default=None, init=False)
    """Keys; None: not read yet."""

    async def look(self, version: GraphVersion) -> None:
        """Tell what began and what ended; repeating it changes nothing. Raises UnavailableError."""
        if self._holding is None:
            self._holding = {*await self.conditions.holding()}
        for rule in await self.rules(version.graph):
            for condition in rule.begun(version.graph):
                if condition.key not in self._holding:
                    await self._begin(version, condition)
            for key in sorted(each for each in self._holding if each.startswith(rule.prefix)):
                facts = rule.ended(version.graph, key)
                if facts is not None:
                    await self.conditions.cleared(DETECTION, key, facts)
                    self._holding.remove(key)

    def forget(self) -> None:
        """Forget what holds: another process looks from now on."""
        self._holding = None

    async def _begin(self, version: GraphVersion, condition: DetectedCondition) -> None:
        await self.keep(version.id)
        cited = replace(condition, dataset=version.dataset, graph_version=version.id)
        await self.conditions.detected(DETECTION, cited)
        if self._holding is not None:
            self._holding.add(condition.key)
