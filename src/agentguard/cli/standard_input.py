"""Standard input that can be stopped while another thread reads it."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import BinaryIO

_LOOK_SECONDS = 0.2


class StandardInput(io.RawIOBase):
    """Reads standard input; `stop` ends it, even while a read is waiting."""

    def __init__(self) -> None:
        self._number = sys.stdin.fileno()
        self._stopped = False

    def stop(self) -> None:
        """End the input soon.

        Called on Ctrl-C, when nobody may ever write to it again.
        """
        self._stopped = True

    def readable(self) -> bool:
        return True

    # typeshed declares any buffer; io passes a memoryview.
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._stopped:
            if select.select([self._number], [], [], _LOOK_SECONDS)[0]:
                read = os.read(self._number, len(buffer))
                buffer[: len(read)] = read
                return len(read)
        return 0


def standard_input() -> tuple[BinaryIO, StandardInput | None]:
    """Return standard input and its stopper, or None where it is no open file, as in a test."""
    try:
        raw = StandardInput()
    except (OSError, ValueError):
        return sys.stdin.buffer, None
    return io.BufferedReader(raw), raw
