"""The one HTTP client for URLs that users give.

It connects to the very address that it has checked, follows no redirects, uses no proxy of the
environment, and takes limited time and a limited response.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

import httpx

from agentguard.adapters.http.targets import Address, Allowed, Target, parse_target, refusal
from agentguard.kernel.errors import UnavailableError

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns all addresses of a host, for a port; raises OSError."""

MOST_BYTES = 64 * 1024
"""Of a response's body; the rest is not read."""


class TargetRefusedError(UnavailableError):
    """A name has an address that no request may go to."""

    code = "target-refused"

    def __init__(self, host: str, kind: str) -> None:
        super().__init__(
            f"{host} is {kind}. If requests may go there, add it to AGENTGUARD_PRIVATE_TARGETS"
        )


class TargetUnreachableError(UnavailableError):
    """The server at a URL does not answer."""

    code = "target-unreachable"


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """At most MOST_BYTES of it."""


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Return what the system's resolver knows of a host; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


@cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@dataclass(frozen=True, slots=True)
class GuardedClient:
    """Posts to URLs that users give."""

    allowed: Allowed = field(default_factory=Allowed)
    seconds: float = 10
    """For one request in all, looking up the name included."""
    resolve: Resolve = system_addresses
    certificates: Callable[[], ssl.SSLContext] = _trusted

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send the body once; return the response, whatever its status.

        The name is looked up once and every address of it checked. Raises BadTargetError,
        TargetRefusedError and TargetUnreachableError, none of which tells more of the URL than its
        host.
        """
        target = parse_target(url)
        try:
            async with asyncio.timeout(self.seconds):
                addresses = await self._checked(target)
                return await self._post(target, addresses, body, headers)
        except TimeoutError:
            raise TargetUnreachableError(
                f"{target.host} does not answer within {self.seconds:g} s"
            ) from None

    async def _checked(self, target: Target) -> Sequence[Address]:
        try:
            found = await self.resolve(target.host, target.port)
        except (OSError, UnicodeError):
            raise TargetUnreachableError(f"{target.host} is unknown to the resolver") from None
        addresses = [ipaddress.ip_address(each.partition("%")[0]) for each in found]
        for address in addresses:
            if kind := refusal(address, target.host, self.allowed):
                raise TargetRefusedError(target.host, kind)
        if not addresses:
            raise TargetUnreachableError(f"{target.host} has no address")
        return addresses

    async def _post(
        self, target: Target, addresses: Sequence[Address], body: bytes, headers: Mapping[str, str]
    ) -> Response:
        """Return the response of the first address that takes a connection.

        Through the transport alone: httpx's client would log the URL, which may be a secret.
        """
        each = httpx.Timeout(self.seconds, connect=self.seconds / len(addresses))
        reason = ""
        async with httpx.AsyncHTTPTransport(self.certificates(), trust_env=False) as transport:
            for address in addresses:
                request = _request(target, address, body, headers, each)
                try:
                    return await _response(transport, request)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    reason = _reason(error)
                except httpx.HTTPError as error:
                    reason = _reason(error)
                    break  # it may have been received: another address must not get it too
        raise TargetUnreachableError(f"{target.host} {reason}")


def _request(
    target: Target,
    address: Address,
    body: bytes,
    headers: Mapping[str, str],
    timeout: httpx.Timeout,
) -> httpx.Request:
    """Return a request to the address; Host and TLS's server name stay those of the URL."""
    url = httpx.URL(
        scheme=target.scheme, host=str(address), port=target.port, raw_path=target.path.encode()
    )
    return httpx.Request(
        "POST",
        url,
        content=body,
        headers={"Accept-Encoding": "identity", **headers, "Host": target.authority},
        extensions={"sni_hostname": target.host, "timeout": timeout.as_dict()},
    )


async def _response(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> Response:
    response = await transport.handle_async_request(request)
    try:
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) >= MOST_BYTES:
                break
    finally:
        await response.aclose()
    known = {name.lower(): value for name, value in response.headers.items()}
    return Response(response.status_code, known, bytes(content[:MOST_BYTES]))


def _reason(error: httpx.HTTPError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "does not speak TLS as expected"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return "does not answer in time"
    connecting = isinstance(error, httpx.ConnectError)
    return "cannot be connected to" if connecting else "breaks off the connection"
