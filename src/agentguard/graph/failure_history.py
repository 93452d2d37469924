"""What callers survived in earlier windows: counts by dependency and hour, kept with each version.

A version of a dataset takes over what the version before it knew. Windows overlap: of one hour, the
larger count stands, since a window that has all of the hour saw most.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from agentguard.graph.runs import FAILURE_SCHEMA, Runs
from agentguard.kernel.clock import NS_PER_DAY, NS_PER_HOUR

KEPT_DAYS = 366
"""Failures before these days, counted from the newest, are forgotten."""
MOST_ROWS = 100_000
"""Of more, the newest are kept."""
_KEY = ("source", "target", "returns", "hour")


def merged(tables: Iterable[pa.Table]) -> pa.Table:
    """Return the counts (FAILURE_SCHEMA) of all tables, each dependency and hour once."""
    together = pa.concat_tables([FAILURE_SCHEMA.empty_table(), *tables])
    grouped = together.group_by(list(_KEY), use_threads=False).aggregate(
        [("survived", "max"), ("not_survived", "max")]
    )
    named = grouped.rename_columns([*_KEY, "survived", "not_survived"])
    return _newest(named.select(FAILURE_SCHEMA.names).cast(FAILURE_SCHEMA))


def _newest(failures: pa.Table) -> pa.Table:
    if not len(failures):
        return failures
    last = pc.max(failures["hour"]).as_py()
    kept = failures.filter(pc.greater_equal(failures["hour"], last - KEPT_DAYS * NS_PER_DAY))
    order = [("hour", "descending"), *((name, "ascending") for name in _KEY[:3])]
    return kept.sort_by(order).slice(0, MOST_ROWS)


def before_window(runs: Runs) -> pa.Table:
    """Return the failures of the hours before the first run: the window does not show them."""
    starts = runs.runs["start"]
    if not len(starts):
        return runs.failures
    first = pc.min(starts).as_py() // NS_PER_HOUR * NS_PER_HOUR
    return runs.failures.filter(pc.less(runs.failures["hour"], first))
