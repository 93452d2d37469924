"""Asks another process for the live graph, by a file in the data directory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from agentguard.adapters.files.locks import exclusive
from agentguard.adapters.files.spans import USE_LOCK

_FILE = "live.wanted"
_EVERY_SECONDS = 1.0
"""How often one process asks at most, and how long it waits for the answer."""
_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class FileLiveDemand:
    """A LiveDemand for all processes of a data directory: the file exists until the answer."""

    directory: Path
    _asked_at: float = field(default=float("-inf"), init=False)

    async def ask(self) -> None:
        began = time.monotonic()
        if began - self._asked_at < _EVERY_SECONDS or not await asyncio.to_thread(self._put):
            return
        self._asked_at = began
        # Another process deletes the file.
        while await self.pending() and time.monotonic() - began < _EVERY_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)

    async def pending(self) -> bool:
        return await asyncio.to_thread((self.directory / _FILE).exists)

    async def answer(self) -> None:
        with contextlib.suppress(OSError):  # asked again, it is answered again
            await asyncio.to_thread((self.directory / _FILE).unlink, missing_ok=True)

    def _put(self) -> bool:
        """Create the file; return False without a server, or where it cannot be created."""
        used = self.directory / USE_LOCK
        try:
            if not used.exists():
                return False
            with exclusive(used) as unused:
                if unused:
                    return False
            (self.directory / _FILE).touch(mode=0o600)
        except OSError:
            return False
        return True
