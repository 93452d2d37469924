"""Tools at work: with their faults, on the system's database, in whichever process hosts them."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from demo.counting import Counts
from demo.database import Database
from demo.faults import FaultPlan
from demo.scripts import WRONG, Task, spoilt
from demo.system import Tool


class ToolFailedError(Exception):
    """A tool failed."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What the tools of one process need."""

    faults: FaultPlan
    path: Path
    database: str
    """Name of the database at the path."""
    counts: Counts

    async def use(self, name: str, tool: Tool, task: Task) -> str:
        """Return the tool's result; raise ToolFailedError where it has none."""
        call = name, str(task["id"])
        await asyncio.sleep(self.faults.delay(*call))
        fault = self.faults.strike(*call)
        if fault:
            raise ToolFailedError(f"{name}: {fault.message} ({fault.status})")
        try:
            result = tool(task, Database(self.path, self.database, name, self.counts))
        except sqlite3.Error as error:
            raise ToolFailedError(f"{name}: the database failed ({error})") from error
        return spoilt(result) if task.get(WRONG) or self.faults.spoils(*call) else result
