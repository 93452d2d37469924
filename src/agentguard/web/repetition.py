"""Log events that may repeat quickly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

_SECONDS = 60.0


@dataclass(slots=True)
class Repetition:
    """A warning that is logged at most once a minute, with how often it was left out."""

    event: str
    clock: Callable[[], float] = time.monotonic
    _logged_at: float = float("-inf")
    _left_out: int = 0

    def log(self, **values: object) -> None:
        now = self.clock()
        if now - self._logged_at < _SECONDS:
            self._left_out += 1
            return
        if self._left_out:
            values["left_out"] = self._left_out
        self._logged_at, self._left_out = now, 0
        log.warning(self.event, **values)
