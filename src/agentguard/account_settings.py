"""Settings of users, sessions and tokens, read from the environment and .env."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from agentguard.accounts.roles import Role
from agentguard.accounts.tokens import ALGORITHMS
from agentguard.notification_settings import NotificationSettings
from agentguard.service_settings import split_at_commas


def _is_local(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


class AccountSettings(NotificationSettings):
    """Who signs in, and for how long.

    The docstrings of the fields appear in docs/settings.md.
    """

    users: bool = False
    """Require users to sign in even while there is none: the first start then prints a one-time
    link that makes the first administrator. Users that `agentguard users create` makes can sign in
    in any case.
    """
    session_idle_hours: float = Field(default=12, ge=1 / 60, le=24 * 365)
    """A session ends this many hours after its last request."""
    session_hours: float = Field(default=24 * 7, ge=1 / 60, le=24 * 365)
    """A session ends this many hours after the sign-in, even if it is in use."""
    token_key: SecretStr | None = None
    """Key that signs the tokens of `POST /api/auth/token`: a secret of at least 32 bytes (HS384:
    48, HS512: 64), or a private key in PEM (RSA: of at least 2048 bits). Unset: a secret in the
    data directory, made at the first start. Servers with one database and several data
    directories must have one key.
    """
    token_former_keys: SecretStr | None = None
    """Keys before the one in use whose tokens are still accepted: secrets separated by commas, or
    public keys in PEM.
    """
    token_algorithm: str = "HS256"  # noqa: S105 - the name of an algorithm
    """Algorithm of the tokens: HS256, HS384 or HS512 with a secret; ES256, RS256, PS256 or EdDSA
    with a private key.
    """
    token_seconds: int = Field(default=900, ge=10, le=86_400)
    """How long a token is valid."""
    token_leeway_seconds: int = Field(default=30, ge=0, le=300)
    """How far the clocks of servers may differ when they check tokens."""

    oidc_issuer: str | None = None
    """URL of the OpenID Connect provider for single sign-on. Unset: users sign in with passwords.
    """
    oidc_client_id: str | None = None
    """Id by which the provider knows this installation."""
    oidc_client_secret: SecretStr | None = None
    """Secret of that client. Unset: a public client, which PKCE protects."""
    oidc_role_claim: str = "groups"
    """Claim of the provider's ID token, or of its user information, that decides the role."""
    oidc_roles: Annotated[Mapping[str, Role], NoDecode] = {}
    """Which value of the claim stands for which role: `sre=operator, platform=admin`. Of several,
    the highest role counts.
    """
    oidc_default_role: Role | None = None
    """Role of users without such a value. Unset: they get no access."""
    oidc_timeout_seconds: float = Field(default=10, gt=0)
    """Timeout of one request to the provider."""
    public_url: str | None = None
    """URL at which users reach this server: for the set-up link, for links in notifications, and
    for the provider's way back, `<public URL>/api/auth/sso/callback`.
    """
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks (`10.0.0.0/8`) of proxies, separated by commas, whose headers
    `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` are believed. Unset: nobody's.
    """
    hsts_seconds: int = Field(default=0, ge=0)
    """Over TLS, tell browsers to use TLS only for so long (`Strict-Transport-Security`). 0: do not.
    """

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_proxies(cls, value: object) -> object:
        return split_at_commas(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise PydanticCustomError(
                    "bad_network",
                    "{text} is not an address or network; write it like 10.0.0.1 or 10.0.0.0/8",
                    {"text": each},
                ) from None
        return value

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
        if not all(sign for _, sign, _ in pairs):
            raise PydanticCustomError("bad_roles", "must be pairs like sre=operator")
        return {name.strip(): role.strip() for name, _, role in pairs}

    @field_validator("oidc_issuer", "public_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        local = _is_local(parts.hostname or "")
        if not parts.hostname or not (
            parts.scheme == "https" or (parts.scheme == "http" and local)
        ):
            raise PydanticCustomError(
                "bad_url", "must start with https://; http:// is for this machine only"
            )
        if parts.query or parts.fragment or parts.username:
            raise PydanticCustomError("bad_url", "must have no user, query or fragment")
        return value

    @field_validator("token_algorithm")
    @classmethod
    def _known_algorithm(cls, value: str) -> str:
        if value not in ALGORITHMS:
            raise PydanticCustomError(
                "bad_algorithm", "must be one of {known}", {"known": ", ".join(ALGORITHMS)}
            )
        return value


def account_contradictions(settings: AccountSettings, faulty: frozenset[str]) -> Iterator[str]:
    """Yield a sentence for each setting that another one needs; those in `faulty` do not count."""
    if settings.oidc_issuer is None:
        return
    for name in ("oidc_client_id", "public_url"):
        if getattr(settings, name) is None and name not in faulty:
            yield f"AGENTGUARD_OIDC_ISSUER needs AGENTGUARD_{name.upper()}, too"
