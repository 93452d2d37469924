"""The analyses computed last, in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from agentguard.analysis.model import Analysis
from agentguard.graph.level import Level

_RECENT = 6

Key: TypeAlias = tuple[str, Level]
"""A graph version's id, and the level of the findings."""


@dataclass(slots=True)
class RecentAnalyses:
    """Analyses of graph versions, which never change, so that many documents share one."""

    _analyses: OrderedDict[Key, asyncio.Task[Analysis]] = field(default_factory=OrderedDict)

    async def of(
        self, version: str | None, level: Level, compute: Callable[[], Analysis]
    ) -> Analysis:
        """Return the analysis; `compute` runs in a thread, once for concurrent equal requests.

        Without a version, or where `compute` raises, nothing is kept.
        """
        if version is None:
            return await asyncio.to_thread(compute)
        key = (version, level)
        if key not in self._analyses:
            self._analyses[key] = asyncio.create_task(asyncio.to_thread(compute))
            while len(self._analyses) > _RECENT:
                self._analyses.popitem(last=False)
        self._analyses.move_to_end(key)
        # A request that is cancelled leaves the computation to the others.
        try:
            return await asyncio.shield(self._analyses[key])
        except Exception:
            self._analyses.pop(key, None)
            raise
