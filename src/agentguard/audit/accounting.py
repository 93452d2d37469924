"""What the entries say of removed payloads and of anchors, to compare with the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from agentguard.audit.anchoring import FINALISED
from agentguard.audit.entries import Entry
from agentguard.audit.store import StoredEntry

EXPIRED, PAYLOADS = "data.expired", "audit_payloads"
"""Action and object of the entries that tell of removed payloads."""


@dataclass(slots=True)
class Account:
    """What has been removed and anchored, as the entries tell."""

    removed: int = 0
    """Entries whose payload is not there."""
    told_removed: int = 0
    transactions: set[str] = field(default_factory=set)
    untold: set[str] = field(default_factory=set)
    """Actions of entries whose own payload is removed: what they told is not known."""

    def take(self, entry: StoredEntry, told: Entry) -> None:
        """Note what one entry tells."""
        self.removed += entry.payload is None
        expired = (told.action, told.object_id) == (EXPIRED, PAYLOADS)
        if not expired and told.action != FINALISED:
            return
        facts = _facts(entry.payload)
        if facts is None:
            self.untold.add(told.action)
        elif expired:
            number = facts.get("number")
            self.told_removed += number if isinstance(number, int) else 0
        else:
            self.transactions.add(str(facts.get("tx_hash")))

    def problems(self, named: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield place and problem; `named`: the transactions that the database names."""
        if EXPIRED not in self.untold and self.removed > self.told_removed:
            told = f"the log tells of {self.told_removed:,} removed payloads"
            yield "payloads", f"{told}, and {self.removed:,} are not there"
        if FINALISED not in self.untold:
            for tx_hash in sorted(named - self.transactions):
                yield "anchors", f"no entry tells of an anchor by transaction {tx_hash}"


def _facts(payload: bytes | None) -> dict[str, object] | None:
    try:
        found = None if payload is None else orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
