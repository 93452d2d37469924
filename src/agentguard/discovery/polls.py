"""Role pass for consumers that ask a queue for messages."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import I64, Mask
from agentguard.discovery.span_state import SpanState


def resolve_polls(s: SpanState) -> None:
    """Make the processing of a message a root, instead of a part of the poll that received it.

    The poll of a message that is processed below it is a step: receiving and processing are one.
    So is a poll below a poll: two instrumentations recorded it.
    """
    polls = poll_spans(s)
    s.role[polls & (s.parent >= 0) & polls[s.parent]] = Role.STEP
    rows = np.flatnonzero((s.role == Role.CONSUMER) & (s.parent >= 0))
    processed = rows[polls[s.parent[rows]] & (s.parent[s.parent[rows]] < 0)]
    s.role[s.parent[processed]] = Role.STEP
    s.parent[processed] = -1


def poll_spans(s: SpanState) -> Mask:
    """Return which consumer spans ask for messages."""
    polls = np.array([r.polls for r in s.classifications.by_shape], np.bool_)
    found: Mask = polls[s.classifications.shape] & (s.role == Role.CONSUMER)
    return found


def idle_polls(s: SpanState) -> I64:
    """Return the polls that received nothing: below them is at most the request itself."""
    polls = poll_spans(s)
    below = np.flatnonzero(s.parent >= 0)
    working = below[~np.isin(s.role[below], (Role.NONE, Role.STEP, Role.CLIENT))]
    polls[s.parent[working]] = False
    linked = s.tree.spans.column("links").is_valid().to_numpy(zero_copy_only=False)
    polls[: len(linked)] &= ~linked
    return np.flatnonzero(polls)
