"""`dialects suggest`: drafts rules for the spans of trace files that no rule claims."""

from __future__ import annotations

from collections.abc import Iterable

from agentguard.discovery.dialects.conditions import KIND_NAMES
from agentguard.discovery.dialects.loading import Dialects
from agentguard.discovery.drafting import DraftedRule, draft, example_values
from agentguard.discovery.suggestion import Group, everything, unclaimed
from agentguard.graph.documents import Document
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.payloads import Payload, Refusal
from agentguard.kernel.errors import InvalidInputError
from agentguard.scan.pipeline import chunks_of
from agentguard.traces.spool import Spool

_MOST_VALUES = 5


class NoSpansToSuggestForError(InvalidInputError):
    """There is no usable span in the files."""

    code = "no-usable-spans"

    def __init__(self, origin: str) -> None:
        super().__init__(f"No usable span is in {origin}. `agentguard scan` says why.")


def suggest(payloads: Iterable[Payload | Refusal], dialects: Dialects, origin: str) -> Document:
    """Return the draft of a dialect file with its groups; raise NoSpansToSuggestForError.

    CPU-bound.
    """
    decoder = Decoder(everything(dialects.wanted))
    with Spool() as spool:
        for chunk in chunks_of(payloads):
            spool.add(decoder.decode(chunk).spans)
        found = unclaimed(spool.partitions(), dialects)
    if not found.spans:
        raise NoSpansToSuggestForError(origin)
    drafted = draft(found, dialects, origin)
    return {
        "origin": origin,
        "spans": found.spans,
        "without_role": found.without_role,
        "by_form": found.by_form,
        "id": drafted.id,
        "groups": [_group(rule) for rule in drafted.rules],
        "groups_left_out": drafted.left_out,
        "draft": drafted.text,
    }


def _group(drafted: DraftedRule) -> Document:
    group = drafted.group
    return {
        "scope": group.key.scope,
        "kind": KIND_NAMES[group.key.kind],
        "spans": group.spans,
        "names": dict(group.names.most_common(_MOST_VALUES)),
        "evidence": None if group.key.shape is None else group.key.shape.evidence,
        "open": drafted.is_open,
        "rule": dict(drafted.rule),
        "above": {role.name.lower(): count for role, count in group.above.most_common()},
        "below": {role.name.lower(): count for role, count in group.below.most_common()},
        "attributes": {key: _examples(group, key) for key in sorted(group.keys)},
    }


def _examples(group: Group, key: str) -> dict[str, int] | None:
    values = example_values(group, key)
    return None if values is None else dict(values.most_common(_MOST_VALUES))
