"""A published log at a URL."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from agentguard.audit.errors import HashMissingError
from agentguard.audit.monitor import MOST_BYTES
from agentguard.kernel.errors import InvalidInputError, UnavailableError

_CHUNK = 64 * 1024


class LogUnreachableError(UnavailableError):
    """A log's server does not answer, refuses, or answers too much."""

    code = "log-unreachable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be read: {reason}.")


class BadLogURLError(InvalidInputError):
    """The URL of a log cannot be used."""

    code = "bad-log-url"


@dataclass(frozen=True, slots=True)
class URLSource:
    """A LogSource below a URL, which follows redirects within its origin only."""

    prefix: str
    api_key: str | None = None
    seconds: float = 10
    """For one file, in all."""

    def __post_init__(self) -> None:
        parts = _parts(self.prefix)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadLogURLError("The URL of a log starts with http:// or https:// and a host.")
        if parts.username is not None or parts.query or parts.fragment:
            raise BadLogURLError(
                "The URL of a log has no user, password, query or fragment. Give an API key by"
                " --api-key-file."
            )
        key = self.api_key or ""
        if not (key.isascii() and key.isprintable()):
            raise BadLogURLError("The API key of the log is not printable ASCII in one line.")

    def read(self, path: str) -> bytes:
        url = f"{self.prefix.rstrip('/')}/{path}"
        try:
            return self._received(url)
        except HTTPError as error:
            error.close()
            if error.code == HTTPStatus.NOT_FOUND:
                raise HashMissingError(path) from None
            raise LogUnreachableError(url, _refusal(error)) from None
        except (OSError, HTTPException, ValueError) as error:
            raise LogUnreachableError(url, _reason(error)) from None

    def _received(self, url: str) -> bytes:
        """Return the body, received within the time for one file and without more than the limit.

        The timeout of the socket is that of one read, so a server that sends slowly is stopped by
        the clock.
        """
        until, content = time.monotonic() + self.seconds, bytearray()
        key = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        # The scheme is http or https, as __post_init__ has checked.
        request = Request(url, headers={"User-Agent": "agentguard-monitor"} | key)  # noqa: S310
        with build_opener(_SameOrigin).open(request, timeout=self.seconds) as response:
            while chunk := response.read1(_CHUNK):
                content += chunk
                if len(content) > MOST_BYTES:
                    raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
                if time.monotonic() > until:
                    raise TimeoutError
        return bytes(content)


class _SameOrigin(HTTPRedirectHandler):
    """Follows redirects to the same scheme, host and port."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if _origin(newurl) != _origin(req.full_url):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # which raises only when it is read
    except ValueError as error:
        raise BadLogURLError(f"The URL of the log is invalid: {error}.") from None
    return parts


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _refusal(error: HTTPError) -> str:
    if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"status {error.code}: the log is not public; give its API key by --api-key-file"
    if error.code in range(300, 400):
        return f"status {error.code}: it redirects to another server, which is not followed"
    return f"status {error.code}"


def _reason(error: Exception) -> str:
    if isinstance(error, URLError):
        error = error.reason if isinstance(error.reason, Exception) else error
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
