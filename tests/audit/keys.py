"""Keys that tests sign with."""

from __future__ import annotations

from hashlib import sha256

from agentguard.audit.keys import SignatureType, SigningKey

ORIGIN = "log.example/agentguard"


def signing_key(
    which: str, name: str = ORIGIN, kind: SignatureType = SignatureType.ED25519
) -> SigningKey:
    return SigningKey(name, sha256(which.encode()).digest(), kind)


KEY = signing_key("first")
NEXT_KEY = signing_key("second")
WITNESS = signing_key("witness", "witness.example/w1", SignatureType.COSIGNATURE)
