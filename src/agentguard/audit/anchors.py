"""Anchors: the data of a checkpoint that a blockchain stores, and the receipt for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from agentguard.audit.checkpoints import Checkpoint
from agentguard.audit.encoding import parse_decimal, parse_hex, text_member
from agentguard.audit.errors import AuditFormatError
from agentguard.kernel.clock import NS_PER_SECOND, YEAR_10000

ANCHOR_BYTES = 96
_PART = "anchor receipt"
_HEX = re.compile(r"0x[0-9a-f]*")


def anchor_data(checkpoint: Checkpoint) -> bytes:
    """Return what is anchored: SHA-256 of the origin, the size (256 bits, big-endian), the root.

    96 bytes, as Solidity's ABI encodes (bytes32, uint256, bytes32): an event's data, or calldata.
    """
    origin = sha256(checkpoint.origin.encode()).digest()
    return origin + checkpoint.size.to_bytes(32, "big") + checkpoint.root


@dataclass(frozen=True, slots=True)
class AnchorReceipt:
    """Where a checkpoint was anchored, as the log says. Hashes and addresses are 0x and hex."""

    chain_id: int
    """137 is Polygon, 80002 its test network Amoy."""
    tx_hash: str
    block_number: int
    block_hash: str
    block_time: int
    """Seconds since the epoch."""
    contract: str
    """The address that emitted the event, or that the calldata was sent to."""
    data: bytes
    """`anchor_data` of the checkpoint."""

    def document(self) -> dict[str, str]:
        """Return the receipt for JSON. All members are text, as JSON's numbers are doubles."""
        return {
            "block_hash": self.block_hash,
            "block_number": str(self.block_number),
            "block_time": str(self.block_time),
            "chain_id": str(self.chain_id),
            "contract": self.contract,
            "data": f"0x{self.data.hex()}",
            "tx_hash": self.tx_hash,
        }

    @classmethod
    def parse(cls, document: object) -> AnchorReceipt:
        """Return the receipt in a document of `document`. Raises AuditFormatError."""
        if not isinstance(document, dict):
            raise AuditFormatError(_PART, "it is not an object")
        receipt = cls(
            parse_decimal(text_member(document, "chain_id", _PART), _PART),
            _hex(document, "tx_hash", 32),
            parse_decimal(text_member(document, "block_number", _PART), _PART),
            _hex(document, "block_hash", 32),
            parse_decimal(text_member(document, "block_time", _PART), _PART),
            _hex(document, "contract", 20),
            parse_hex(_hex(document, "data", ANCHOR_BYTES)[2:], ANCHOR_BYTES, _PART),
        )
        if receipt.block_time * NS_PER_SECOND >= YEAR_10000:
            raise AuditFormatError(_PART, "its block_time is after the year 9999")
        if receipt.document() != document:
            raise AuditFormatError(_PART, "it has members that are not known")
        return receipt

    def difference(self, checkpoint: Checkpoint) -> str | None:
        """Return why the receipt is not for this checkpoint, or None if it is."""
        expected = anchor_data(checkpoint)
        parts = ("log", slice(0, 32)), ("size", slice(32, 64)), ("root hash", slice(64, None))
        for name, part in parts:
            if self.data[part] != expected[part]:
                return f"the anchor receipt is for another {name}"
        return None


@dataclass(frozen=True, slots=True)
class Anchored:
    """A checkpoint that a blockchain holds."""

    size: int
    receipt: AnchorReceipt


def _hex(document: Mapping[str, object], name: str, length: int) -> str:
    text = text_member(document, name, _PART)
    if len(text) != 2 + 2 * length or not _HEX.fullmatch(text):
        raise AuditFormatError(_PART, f"its {name} is not 0x and {length} bytes in hexadecimal")
    return text
