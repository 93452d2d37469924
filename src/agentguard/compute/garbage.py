"""Work on many small objects without Python's search for reference cycles among them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycle_collection() -> Iterator[None]:
    """Pause the search for reference cycles in this process.

    For work that makes very many objects and no cycles: searching them takes longer than the work.
    Where two threads overlap, the search is on again as soon as the first one ends.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
