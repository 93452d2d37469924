"""Spans that came late: behind a watermark of what had already come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from agentguard.kernel.clock import NS_PER_SECOND

ALLOWED_SECONDS = 300
"""How far behind the newest span another may come; exporters batch and retry for less."""


class Watermark:
    """Counts spans that ended more than ALLOWED_SECONDS before one that came earlier.

    The watermark is the newest end so far (Akidau et al., "The Dataflow Model", VLDB 2015): it
    needs the order of arrival.
    """

    def __init__(self) -> None:
        self._newest = 0
        self.late = 0

    def add(self, spans: pa.Table) -> None:
        """Take further spans (SPAN_SCHEMA) in the order in which they came.

        Those without a time are not judged.
        """
        ends = np.maximum(spans.column("end").to_numpy(), spans.column("start").to_numpy())
        if not len(ends):
            return
        before = np.maximum.accumulate(np.concatenate([[self._newest], ends[:-1]]))
        self.late += int(((ends > 0) & (ends < before - ALLOWED_SECONDS * NS_PER_SECOND)).sum())
        self._newest = max(self._newest, int(ends.max()))
