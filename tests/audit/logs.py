"""A log in memory: entries, checkpoints, tiles, bundles and anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from agentguard.audit.anchors import AnchorReceipt, anchor_data
from agentguard.audit.bundles import Bundle, DisclosedPayload
from agentguard.audit.chain import MinedBlock, MinedTransaction
from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.entries import Actor, Event, SealedEntry, seal
from agentguard.audit.errors import HashMissingError
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import (
    Frontier,
    HashReader,
    consistency_proof,
    inclusion_proof,
)
from agentguard.audit.tiles import tiles
from agentguard.kernel.errors import UnavailableError
from tests.audit.hashes import StoredHashes, tile_bytes
from tests.audit.keys import KEY

CHAIN = 80_002
CONTRACT = "0x" + "c0" * 20
TX_HASH = "0x" + "ab" * 32


def entry(number: int, payload: object = None) -> SealedEntry:
    event = Event(
        Actor("os-user:ada", "os_user"),
        "scan.stored",
        f"dataset-{number}",
        f"v{number}",
        (f"{number:032x}",),
        {"spans": number, "note": "π ≠ 3"} if payload is None else payload,
    )
    salt = sha256(f"salt {number}".encode()).digest()
    return seal(event, time_ns=1_700_000_000_000_000_000 + number, salt=salt)


@dataclass
class Log:
    """A log with its entries and everything that follows from them."""

    entries: Sequence[SealedEntry]
    key: SigningKey = KEY

    @classmethod
    def of(cls, size: int, key: SigningKey = KEY) -> Log:
        return cls([entry(number) for number in range(size)], key)

    @property
    def stored(self) -> HashReader:
        return StoredHashes(Frontier().extended(e.hash for e in self.entries)[1])

    def signed(self, size: int | None = None, *more: SigningKey) -> SignedCheckpoint:
        entries = self.entries[:size]
        root = Frontier().extended(e.hash for e in entries)[0].root()
        note = Checkpoint(self.key.name, len(entries), root).signed(self.key)
        for key in more:
            note = note.signed(key, time_seconds=1_700_000_000)
        return SignedCheckpoint.parse(note.encode())

    def bundle(self, index: int, size: int | None = None, **parts) -> Bundle:
        signed = parts.pop("signed", None) or self.signed(size)
        sealed = self.entries[index]
        proof = inclusion_proof(index, signed.checkpoint.size, self.stored)
        parts = {
            "payload": DisclosedPayload(sealed.payload, sealed.salt),
            "key": self.key.verifier,
            **parts,
        }
        return Bundle(index, sealed.leaf, proof, signed, **parts)

    def consistency(self, old: int, size: int):
        return consistency_proof(old, size, self.stored)

    def files(self, size: int | None = None) -> dict[str, bytes]:
        signed = self.signed(size)
        return {"checkpoint": signed.note.encode()} | {
            tile.path: tile_bytes(tile, self.stored) for tile in tiles(signed.checkpoint.size)
        }


def receipt(signed: SignedCheckpoint, **changes) -> AnchorReceipt:
    known = {
        "chain_id": CHAIN,
        "tx_hash": TX_HASH,
        "block_number": 7,
        "block_hash": "0x" + "0b" * 32,
        "block_time": 1_700_000_100,
        "contract": CONTRACT,
        "data": anchor_data(signed.checkpoint),
    }
    return AnchorReceipt(**{**known, **changes})


@dataclass
class Chain:
    """A ChainReader over what a test says is mined."""

    mined: dict[str, MinedTransaction] = field(default_factory=dict)
    id: int = CHAIN
    away: bool = False
    blocks: dict[int, MinedBlock] = field(default_factory=dict)

    @classmethod
    def of(cls, anchored: AnchorReceipt, **changes) -> Chain:
        known = {
            "block_number": anchored.block_number,
            "block_hash": anchored.block_hash,
            "block_time": anchored.block_time,
            "succeeded": True,
            "data": {anchored.contract: (anchored.data,)},
            "finalised": True,
            "gas_used": 50_000,
            "gas_price": 30_000_000_000,
        }
        return cls({anchored.tx_hash: MinedTransaction(**{**known, **changes})})

    def chain_id(self) -> int:
        if self.away:
            raise UnavailableError("the RPC is unreachable")
        return self.id

    def transaction(self, tx_hash: str) -> MinedTransaction | None:
        return self.mined.get(tx_hash)

    def block(self, number: int) -> MinedBlock | None:
        return self.blocks.get(number)


@dataclass
class Files:
    """A LogSource over files in memory; counts the reads."""

    files: dict[str, bytes]
    reads: list[str] = field(default_factory=list)

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        try:
            return self.files[path]
        except KeyError:
            raise HashMissingError(path) from None
