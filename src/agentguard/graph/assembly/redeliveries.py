"""Messages that were delivered again because their first processing failed."""

from __future__ import annotations

import numpy as np

from agentguard.compute.arrays import factorize_rows
from agentguard.discovery.partial import I64, Calls


def redeliveries(calls: Calls, component: I64) -> dict[int, int]:
    """Return the rows of further deliveries, each with the row of the delivery before.

    A delivery is a further one if the same message had reached the same receiver from the same
    caller, failed, and ended before. One sender's span can stand for several messages without ids:
    after a success it is another one. `component` (n,) is the code of each row's callee.
    """
    rows = np.flatnonzero((calls.message != 0) & (calls.source >= 0))
    caller = component[calls.source[rows]]
    group, _ = factorize_rows(calls.message[rows].view(np.int64), component[rows], caller)
    order = np.lexsort((calls.span[rows], calls.start[rows], group))
    rows, group = rows[order], group[order]
    before, after = rows[:-1], rows[1:]
    apart = calls.start[after] - calls.start[before] >= calls.duration[before]
    again = (np.diff(group) == 0) & calls.failed[before] & apart
    return dict(zip(after[again].tolist(), before[again].tolist(), strict=True))
