"""Role pass for retrievers, which read a datastore that may have a span of its own."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import Mask
from agentguard.discovery.span_state import SpanState, nearest_ancestor


def demote_retrievers(s: SpanState) -> None:
    """Demote a retriever to a step if a span below it is the datastore that it reads."""
    retrievers = _yielding(s)
    if not retrievers.any():
        return
    above, services = nearest_ancestor(s.parent, retrievers), s.services()
    stores = np.flatnonzero((s.role == Role.DATASTORE) & ~retrievers)
    at = above[stores]
    while (found := (at >= 0) & (services[at] == services[stores])).any():
        s.role[at[found]] = Role.STEP
        at = np.where(found, above[at], -1)


def _yielding(s: SpanState) -> Mask:
    yields = np.array([r.yields for r in s.classifications.by_shape], np.bool_)
    found: Mask = yields[s.classifications.shape] & (s.role == Role.DATASTORE)
    return found
