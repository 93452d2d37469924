"""Which message a span received, so that a second delivery can be told from a second message."""

from __future__ import annotations

import numpy as np

from agentguard.compute.arrays import hash_rows
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import I64, U64
from agentguard.discovery.sides import MESSAGE_IDS
from agentguard.discovery.span_state import SpanState, nearest_ancestor
from agentguard.ingest.spans import id_digest


def received_messages(s: SpanState, spans: I64) -> U64:
    """Return a digest of the message that each span received, or works on; 0: unknown.

    Of the message's id, as far as a consumer's span gives it, and of the sender's span above.
    """
    if not len(spans):
        return np.zeros(0, np.uint64)
    consumer = nearest_ancestor(s.parent, s.role == Role.CONSUMER)
    ids = np.array([_digest(c.attributes) for c in s.classifications.by_shape], np.uint64)
    own = ids[s.classifications.shape]
    digests = np.where((own == 0) & (consumer >= 0), own[consumer], own)[spans]
    sender = nearest_ancestor(s.parent, s.role == Role.PRODUCER)[spans]
    sent = sender >= 0
    trace, span = s.tree.trace[sender[sent]], s.tree.span[sender[sent]]
    digests[sent] = sent_message(trace, span, digests[sent])
    return digests


def sent_message(traces: U64, spans: U64, ids: U64) -> U64:
    """Return the digest of each message: of its sender's (n, 2) trace and span, and its id's."""
    return hash_rows(traces[:, 0], traces[:, 1], spans, ids)


def _digest(attributes: tuple[tuple[str, str], ...]) -> int:
    found = next((value for key, value in attributes if key in MESSAGE_IDS), None)
    return 0 if found is None else id_digest(found)
