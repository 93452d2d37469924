"""What the entries say of removed payloads and of anchors, to compare with the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from agentguard.audit.anchoring import FINALISED, OUTCOMES
from agentguard.audit.entries import Entry
from agentguard.audit.rotation import BEGUN, ROTATED
from agentguard.audit.store import EXPIRED, PAYLOADS, Marked, StoredAnchor, StoredEntry

KEPT_ACTIONS = frozenset({*OUTCOMES, ROTATED, BEGUN})
"""Entries about anchors and keys keep their payloads, as do those about removed payloads."""


class Finding(NamedTuple):
    """What does not agree, or cannot be checked."""

    place: str
    problem: str
    checkable: bool = True


@dataclass(slots=True)
class Account:
    """What has been removed and anchored, as the entries tell."""

    removed: int = 0
    """Entries whose payload is not there."""
    told_removed: int = 0
    anchors: dict[int, StoredAnchor] = field(default_factory=dict)
    """Final ones by the size of their checkpoint."""
    missing: dict[int, str] = field(default_factory=dict)
    """Index and action of entries without a payload that retention does not remove."""
    explained: set[int] = field(default_factory=set)
    """Those among them of which a later entry tells, or may tell: earlier versions removed these
    payloads too.
    """

    def take(self, entry: StoredEntry, told: Entry) -> None:
        """Note what one entry tells."""
        self.removed += entry.payload is None
        expired = (told.action, told.object_id) == (EXPIRED, PAYLOADS)
        if not expired and told.action not in KEPT_ACTIONS:
            return
        if entry.payload is None:
            self.missing[-entry.row if entry.index is None else entry.index] = told.action
        elif (facts := _facts(entry.payload)) is not None:
            if expired:
                self._take_removal(facts)
            elif told.action == FINALISED:
                self._take_anchor(facts)

    def _take_removal(self, facts: Mapping[str, object]) -> None:
        number, ids = facts.get("number"), facts.get("ids")
        listed = ids if isinstance(ids, list) else []
        removed = number if isinstance(number, int) else 0
        self.told_removed += removed
        if removed > len(listed):  # any entry before this one may be among them
            self.explained |= self.missing.keys()
        else:
            self.explained |= {index for index in self.missing if str(index) in listed}

    def _take_anchor(self, facts: Mapping[str, object]) -> None:
        size, chain_id, block = facts.get("size"), facts.get("chain_id"), facts.get("block")
        if isinstance(size, int):
            hashes = str(facts.get("tx_hash")), str(facts.get("block_hash"))
            self.anchors[size] = StoredAnchor(size, str(chain_id), str(block), *hashes)

    def problems(
        self, stored: Sequence[StoredAnchor], marks: Sequence[Marked]
    ) -> Iterator[Finding]:
        """Yield what differs: `stored` final anchors, and entries marked with transactions."""
        excused = self._excused()
        for index in sorted(self.missing.keys() - excused):
            place = "pending entries" if index < 0 else f"entry {index}"
            problem = f"its payload is missing; that of {self.missing[index]!r} is never removed"
            yield Finding(place, problem)
        unknown = {self.missing[index] for index in excused}
        yield from self._payload_problems(checkable=EXPIRED not in unknown)
        yield from self._anchor_problems(stored, marks, checkable=FINALISED not in unknown)

    def _excused(self) -> frozenset[int]:
        """Return the missing ones that an earlier version has removed, or may have removed.

        Where it has removed an entry about removals, nobody knows all that this one told of.
        """
        unknown = any(self.missing[index] == EXPIRED for index in self.explained)
        return frozenset(self.missing if unknown else self.explained)

    def _payload_problems(self, *, checkable: bool) -> Iterator[Finding]:
        told = f"the log tells of {self.told_removed:,} removed payloads"
        if self.removed > self.told_removed:
            yield Finding("payloads", f"{told}, and {self.removed:,} are not there", checkable)

    def _anchor_problems(
        self, stored: Sequence[StoredAnchor], marks: Sequence[Marked], *, checkable: bool
    ) -> Iterator[Finding]:
        told = {anchor.tx_hash for anchor in self.anchors.values()}
        named = {one.tx_hash for one in stored} | {one.tx_hash for one in marks}
        for tx_hash in sorted(named - told):
            problem = f"no entry tells of an anchor by transaction {tx_hash}"
            yield Finding("anchors", problem, checkable)
        yield from self._other_anchors({each.size: each for each in stored}, told)
        if FINALISED not in self.missing.values():
            yield from self._other_marks({each.tx_hash: each for each in marks})

    def _other_anchors(
        self, stored: Mapping[int, StoredAnchor], told: set[str]
    ) -> Iterator[Finding]:
        for size, anchor in sorted(self.anchors.items()):
            if size not in stored:
                yield Finding("anchors", f"an entry tells of that of size {size:,}; it is missing")
                continue
            for name, was, now in zip(anchor._fields, anchor, stored[size], strict=True):
                if was != now and (name != "tx_hash" or now in told):
                    problem = f"that of size {size:,} has {name} {now}; its entry says {was}"
                    yield Finding("anchors", problem)
        for size in sorted(stored.keys() - self.anchors.keys()):
            if stored[size].tx_hash in told:
                yield Finding("anchors", f"no entry tells of an anchor of size {size:,}")

    def _other_marks(self, marks: Mapping[str, Marked]) -> Iterator[Finding]:
        first = 0
        for size, anchor in sorted(self.anchors.items()):
            found = marks.get(anchor.tx_hash)
            whole = Marked(anchor.tx_hash, first, size, size - first)
            going_on = size == max(self.anchors) and _is_beginning(found, whole)
            if found != whole and size > first and not going_on:
                are = "none" if found is None else f"{found.number:,} from {found.first:,}"
                problem = f"{anchor.tx_hash} is named for {are}, not for {first:,} to {size - 1:,}"
                yield Finding("audit_logs", problem)
            first = size


def _is_beginning(found: Marked | None, whole: Marked) -> bool:
    """Return whether entries may still be marked, the first ones being marked first."""
    if found is None:
        return True
    return found.first == whole.first and found.number == found.end - found.first < whole.number


def _facts(payload: bytes) -> dict[str, object] | None:
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
