"""Tokens for scripts: signed, short-lived, and checked against one algorithm and our clock."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from agentguard.accounts.roles import Role
from agentguard.accounts.tokens import (
    BadTokenKeyError,
    Claims,
    TokenKey,
    Tokens,
    key_texts,
)
from agentguard.accounts.users import User
from agentguard.adapters.files.token_key import FOLDER, NAME, token_secret
from agentguard.bootstrap.accounts import tokens_of
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.settings import Settings, SettingsError

NOW = 1_800_000_000 * NS_PER_SECOND
USER = User("u", "ada", Role.VIEWER, NOW, "t", generation=3)
SECRET, OTHER = "s" * 32, "o" * 32


def pem(key) -> str:
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *form).decode()


def public(key) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


ED25519 = ed25519.Ed25519PrivateKey.generate()
KEYS = {
    "HS256": SECRET,
    "EdDSA": pem(ED25519),
    "ES256": pem(ec.generate_private_key(ec.SECP256R1())),
    "RS256": pem(rsa.generate_private_key(65537, 2048)),
}


def tokens(algorithm: str = "HS256", text: str | None = None, *former: str) -> Tokens:
    key = TokenKey.parse(algorithm, text or KEYS[algorithm])
    return Tokens(algorithm, key, [TokenKey.parse(algorithm, each) for each in former], 900, 30)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_says_who_and_nothing_that_changes_rights(algorithm: str):
    issued = tokens(algorithm).issue(USER, NOW)

    assert tokens(algorithm).read(issued, NOW) == Claims("u", 3)
    assert "ada" not in str(jwt.decode(issued, options={"verify_signature": False}))


@pytest.mark.parametrize(
    ("seconds", "valid"), [(-31, False), (-30, True), (0, True), (929, True), (930, False)]
)
def test_the_clocks_of_servers_may_differ_a_little(seconds: int, valid: bool):
    issued = tokens().issue(USER, NOW)

    assert (tokens().read(issued, NOW + seconds * NS_PER_SECOND) is not None) is valid


def test_after_a_rotation_tokens_of_the_former_key_are_accepted():
    issued = tokens(text=SECRET).issue(USER, NOW)

    assert tokens("HS256", OTHER, SECRET).read(issued, NOW) == Claims("u", 3)
    assert tokens("HS256", OTHER).read(issued, NOW) is None
    by_pem = tokens("EdDSA").issue(USER, NOW)
    newer = pem(ed25519.Ed25519PrivateKey.generate())
    assert tokens("EdDSA", newer, public(ED25519)).read(by_pem, NOW) == Claims("u", 3)


def unsigned(header: dict, claims: dict) -> str:
    parts = [json.dumps(each).encode() for each in (header, claims)]
    return ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts) + "."


CLAIMS = {
    "iss": "agentguard",
    "aud": "agentguard",
    "sub": "u",
    "iat": NOW // NS_PER_SECOND,
    "exp": NOW // NS_PER_SECOND + 900,
    "gen": 3,
}


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "other"},
        {"aud": "other"},
        {"aud": None},
        {"sub": None},
        {"sub": 5},
        {"exp": None},
        {"exp": "9999999999"},
        {"iat": True},
        {"gen": 3.0},
        {"exp": 10**400},
    ],
    ids=str,
)
def test_other_claims_are_refused(changed: dict):
    key = TokenKey.parse("HS256", SECRET)
    claims = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    made = jwt.encode(claims, SECRET, "HS256", headers={"kid": key.id})

    assert tokens().read(made, NOW) is None or changed == {"exp": 10**400}


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash_of_its_algorithm(algorithm: str, size: int, tmp_path):
    with pytest.raises(BadTokenKeyError, match=f"a key of {algorithm} has at least {size} bytes"):
        TokenKey.parse(algorithm, "s" * (size - 1))

    issued = tokens(algorithm, "s" * size).issue(USER, NOW)
    assert tokens(algorithm, "s" * size).read(issued, NOW) == Claims("u", 3)
    made = tokens(algorithm, token_secret(tmp_path))
    assert made.read(made.issue(USER, NOW), NOW) == Claims("u", 3)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_modulus_has_2048_bits_at_least(algorithm: str):
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused

    for text in (pem(short), public(short)):
        with pytest.raises(BadTokenKeyError, match=f"a key of {algorithm} has at least 2048 bits"):
            TokenKey.parse(algorithm, text)


def test_a_file_with_a_shorter_key_is_named_with_what_to_do(tmp_path):
    path = tmp_path / FOLDER / NAME
    path.parent.mkdir()
    path.write_text("s" * 43)
    settings = Settings(data_dir=tmp_path, token_algorithm="HS512")

    with pytest.raises(SettingsError, match=r"accounts/token-key .* Delete it") as refused:
        tokens_of(settings)

    assert "s" * 43 not in str(refused.value)
    path.unlink()
    issued = tokens_of(settings).issue(USER, NOW)
    assert tokens_of(settings).read(issued, NOW) == Claims("u", 3)


def test_another_algorithm_than_ours_is_refused():
    key = TokenKey.parse("HS256", SECRET)
    assert tokens().read(unsigned({"alg": "none", "kid": key.id}, CLAIMS), NOW) is None
    stronger = jwt.encode(CLAIMS, SECRET * 2, "HS512", headers={"kid": key.id})
    assert tokens().read(stronger, NOW) is None
    # the public key taken for a secret
    asymmetric = TokenKey.parse("EdDSA", KEYS["EdDSA"])
    forged = jwt.encode(CLAIMS, b"x" * 32, "HS256", headers={"kid": asymmetric.id})
    assert tokens("EdDSA").read(forged, NOW) is None


def ascii_start(text: str) -> str:
    return ascii(text)[:20]


NESTED = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 40_000).decode().rstrip("=") + ".b.c"


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "..", "a.b", "\ud800.b.c", "é.b.c", NESTED], ids=ascii_start
)
def test_what_is_no_token_is_refused(text: str):
    assert tokens().read(text, NOW) is None


def test_a_changed_token_is_refused():
    head, claims, signature = tokens().issue(USER, NOW).split(".")
    other = tokens().issue(replace(USER, id="admin"), NOW).split(".")[1]

    assert tokens().read(f"{head}.{other}.{signature}", NOW) is None
    assert tokens().read(f"{head}.{claims}.{signature[::-1]}", NOW) is None


@pytest.mark.parametrize(
    ("algorithm", "text"),
    [("HS256", "short"), ("EdDSA", "no pem"), ("ES256", KEYS["EdDSA"]), ("RS256", "")],
    ids=["short", "no pem", "of another algorithm", "empty"],  # a key made anew is no name
)
def test_a_key_that_does_not_fit_is_refused_without_being_shown(algorithm: str, text: str):
    with pytest.raises(BadTokenKeyError) as refused:
        TokenKey.parse(algorithm, text)

    assert not text or text not in str(refused.value)


def test_keys_are_separated_by_commas_or_are_pem_blocks():
    assert key_texts("a, b,,c") == ["a", "b", "c"]
    one, two = public(ED25519), KEYS["ES256"]
    assert [each.strip() for each in key_texts(one + two)] == [one.strip(), two.strip()]
    assert not TokenKey.parse("EdDSA", one).can_sign
    assert TokenKey.parse("HS256", SECRET).can_sign
    assert SECRET not in repr(TokenKey.parse("HS256", SECRET))
