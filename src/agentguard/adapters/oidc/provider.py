"""An OpenID Connect provider (Core 1.0, Discovery 1.0): code flow with PKCE (RFC 7636)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from agentguard.accounts.single_sign_on import (
    Attempt,
    Identity,
    ProviderUnavailableError,
    SingleSignOnFailedError,
)
from agentguard.accounts.users import Subject

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Asymmetric ones: an ID token is signed by the provider alone."""
_SCOPE = "openid profile email"
_KEPT_SECONDS = 3600
_LEEWAY_SECONDS = 60
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Client:
    """How the provider knows this installation."""

    issuer: str
    id: str
    secret: str | None
    """None: a public client, which PKCE alone protects."""
    redirect_uri: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class _Metadata:
    """What the provider says of itself, and its keys."""

    read_at: float
    document: Mapping[str, Any]
    keys: KeySet

    def endpoint(self, name: str) -> str:
        url = self.document.get(name)
        if not isinstance(url, str):
            raise ProviderUnavailableError(f"its metadata has no {name}")
        return url


class OIDCProvider:
    """An IdentityProvider over HTTP."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._metadata: _Metadata | None = None
        self._tls = httpx.create_ssl_context()
        """Made once: reading the certificates takes longer than the event loop may be held."""

    async def authorization_url(self, attempt: Attempt) -> str:
        endpoint = (await self._current()).endpoint("authorization_endpoint")
        try:
            url = prepare_grant_uri(
                endpoint,
                self._client.id,
                "code",
                redirect_uri=self._client.redirect_uri,
                scope=_SCOPE,
                state=attempt.state,
                nonce=attempt.nonce,
                code_challenge=create_s256_code_challenge(attempt.verifier),
                code_challenge_method="S256",
            )
        except ValueError as error:
            raise ProviderUnavailableError("its authorization_endpoint is no URL") from error
        return str(url)

    async def identify(self, code: str, attempt: Attempt) -> Identity:
        metadata = await self._current()
        answer = await self._exchanged(metadata, code, attempt)
        claims = await self._claims(metadata, answer.get("id_token"), attempt)
        if "userinfo_endpoint" in metadata.document:
            claims = {**await self._userinfo(metadata, answer, claims["sub"]), **claims}
        return Identity(Subject(self._client.issuer, claims["sub"]), claims)

    async def _exchanged(
        self, metadata: _Metadata, code: str, attempt: Attempt
    ) -> Mapping[str, Any]:
        """Return the token response to the code (Core 1.0 §3.1.3)."""
        client = self._client
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        secret = None if client.secret is None else httpx.BasicAuth(client.id, client.secret)
        if secret is None:
            fields["client_id"] = client.id
        url = metadata.endpoint("token_endpoint")
        return await self._json("POST", url, _require_accepted, data=fields, auth=secret)

    async def _claims(
        self, metadata: _Metadata, id_token: object, attempt: Attempt
    ) -> dict[str, Any]:
        """Return the claims of a valid ID token (Core 1.0 §3.1.3.7)."""
        if not isinstance(id_token, str):
            raise SingleSignOnFailedError("the provider sent no ID token")
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._client.issuer},
            aud={"essential": True, "value": self._client.id},
            nonce={"essential": True, "value": attempt.nonce},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims = await self._decoded(metadata, id_token)
            registry.validate(claims)
        except (JoseError, ValueError, RecursionError) as error:
            raise SingleSignOnFailedError("the ID token is invalid") from error
        if claims.get("azp", self._client.id) != self._client.id:
            raise SingleSignOnFailedError("the ID token is for another client")
        return claims

    async def _decoded(self, metadata: _Metadata, id_token: str) -> dict[str, Any]:
        """Return the claims of a signed token; its key may be newer than those that are known.

        Raises JoseError, ValueError, RecursionError.
        """
        try:
            return _verified(id_token, metadata.keys)
        # Where tokens do not name their key, only the signature tells.
        except (InvalidKeyIdError, BadSignatureError):
            self._metadata = await self._read()
            return _verified(id_token, self._metadata.keys)

    async def _userinfo(
        self, metadata: _Metadata, answer: Mapping[str, Any], subject: str
    ) -> dict[str, Any]:
        """Return further claims of the same subject (Core 1.0 §5.3.2)."""
        headers = {"Authorization": f"Bearer {answer.get('access_token')}"}
        found = await self._json("GET", metadata.endpoint("userinfo_endpoint"), headers=headers)
        if found.get("sub") != subject:
            raise SingleSignOnFailedError("the provider answered about another user")
        return found

    async def _current(self) -> _Metadata:
        """Return the provider's metadata and keys, read anew every hour."""
        known = self._metadata
        if known is None or time.monotonic() - known.read_at > _KEPT_SECONDS:
            known = self._metadata = await self._read()
        return known

    async def _read(self) -> _Metadata:
        read_at, issuer = time.monotonic(), self._client.issuer
        document = await self._json("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise ProviderUnavailableError("its metadata names another issuer")
        keys = await self._json("GET", str(document.get("jwks_uri")))
        try:
            # The library checks the members of the set itself.
            key_set = KeySet.import_key_set(keys)  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderUnavailableError("its keys are unreadable") from error
        return _Metadata(read_at, document, key_set)

    async def _json(
        self,
        method: str,
        url: str,
        check: Callable[[httpx.Response], object] = httpx.Response.raise_for_status,
        **request: Any,
    ) -> dict[str, Any]:
        """Return the JSON object that is answered; `check` raises if the status is bad."""
        timeout = self._client.timeout_seconds
        client = httpx.AsyncClient(timeout=timeout, verify=self._tls, follow_redirects=False)
        try:
            async with client, client.stream(method, url, **request) as answer:
                check(answer)
                body = await _limited(answer)
            found = httpx.Response(200, content=body).json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderUnavailableError(type(error).__name__) from error
        except (ValueError, RecursionError) as error:
            raise ProviderUnavailableError("its answer is not JSON") from error
        if not isinstance(found, dict):
            raise ProviderUnavailableError("its answer is not a JSON object")
        return found


def _verified(id_token: str, keys: KeySet) -> dict[str, Any]:
    return jwt.decode(id_token, keys, algorithms=list(ALGORITHMS)).claims


def _require_accepted(answer: httpx.Response) -> None:
    if answer.is_client_error:
        raise SingleSignOnFailedError("the provider rejected the code")
    answer.raise_for_status()


async def _limited(answer: httpx.Response) -> bytes:
    """Return the body. Raises ProviderUnavailableError if it is too large."""
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > _MOST_BYTES:
            raise ProviderUnavailableError("its answer is too large")
    return body
