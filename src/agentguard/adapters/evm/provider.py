"""Requests to an RPC endpoint, bounded in time and size; no message shows more than its host."""

from __future__ import annotations

import re
from typing import Any, cast

import orjson
import requests
from web3.providers import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

import agentguard.adapters.evm.recursion_limit  # noqa: F401 - for its effect
from agentguard.adapters.evm.deadline import Deadline, DeadlineAdapter
from agentguard.adapters.evm.redaction import Secrets
from agentguard.audit.chain import ChainUnavailableError
from agentguard.kernel.masking import endpoint_of

MAX_ANSWER_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_HEADERS = {
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "AgentGuard",
}
_HEX = re.compile(r"0x[0-9a-fA-F]*")
_ADVICE = {
    401: "it wants other credentials: correct WEB3_PROVIDER_URL",
    403: "it does not allow this: correct WEB3_PROVIDER_URL, or ask its provider",
    404: "it has nothing there: correct the path in WEB3_PROVIDER_URL",
    429: "it has received too many requests: wait, or get a higher limit from its provider",
}


class BoundedProvider(JSONBaseProvider):
    """Sends each request once, over a connection of its own; follows no redirect.

    Raises ChainUnavailableError only. So that no log has the URL, nothing is logged.
    """

    global_ccip_read_enabled = False  # a contract must not make this process fetch URLs

    def __init__(self, url: str, timeout_seconds: float) -> None:
        super().__init__()
        self._url = url
        self._timeout_seconds = timeout_seconds
        self.place = endpoint_of(url)
        self.secrets = Secrets.of(url)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        try:
            answer = orjson.loads(self._post(body))
        except ValueError:
            raise self.unavailable("does not answer with JSON; is it an RPC endpoint?") from None
        if not isinstance(answer, dict):
            raise self.unavailable("does not answer with JSON-RPC; is it an RPC endpoint?")
        return _envelope(answer, self.secrets)

    def unavailable(self, what: str) -> ChainUnavailableError:
        """Return an error whose message begins with the endpoint."""
        return ChainUnavailableError(f"The RPC endpoint {self.place} {what}")

    def _post(self, body: bytes) -> bytes:
        with Deadline(self._timeout_seconds) as deadline:
            try:
                return self._received(body, deadline)
            except (requests.RequestException, OSError, ValueError) as error:
                late = deadline.passed or isinstance(error, requests.Timeout)
                raise self._late() if late else self._unreached(error) from None

    def _received(self, body: bytes, deadline: Deadline) -> bytes:
        received = bytearray()
        with self._session(deadline) as session, self._answer(session, body) as answer:
            self._check_status(answer.status_code)
            for chunk in answer.iter_content(_CHUNK_BYTES):
                received += chunk
                if len(received) > MAX_ANSWER_BYTES:
                    raise self.unavailable(f"answers with more than {MAX_ANSWER_BYTES:,} bytes.")
        if deadline.passed:  # an answer without a length ends where its connection does
            raise self._late()
        return bytes(received)

    def _session(self, deadline: Deadline) -> requests.Session:
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, DeadlineAdapter(deadline))
        return session

    def _answer(self, session: requests.Session, body: bytes) -> requests.Response:
        return session.post(
            self._url,
            body,
            headers=_HEADERS,
            timeout=self._timeout_seconds,
            stream=True,
            allow_redirects=False,
        )

    def _check_status(self, status: int) -> None:
        if status != 200:
            advice = _ADVICE.get(status, "try again later, or use another endpoint")
            raise self.unavailable(f"answers with HTTP status {status}; {advice}.")

    def _unreached(self, error: Exception) -> ChainUnavailableError:
        if isinstance(error, requests.exceptions.SSLError):
            return self.unavailable("cannot be reached by TLS; check its certificate.")
        return self.unavailable("is unreachable; check WEB3_PROVIDER_URL.")

    def _late(self) -> ChainUnavailableError:
        return self.unavailable(f"did not answer within {self._timeout_seconds:g} s.")


def _envelope(answer: dict[str, Any], secrets: Secrets) -> RPCResponse:
    """Return the answer without members that only notices of subscriptions have.

    They would make web3.py read the answer as one. web3.py logs errors, so they lose secrets here.
    """
    known = {"jsonrpc", "id", "result", "error"}
    kept = {name: value for name, value in answer.items() if name in known}
    if kept.get("error", ...) is None and "result" in kept:
        del kept["error"]  # some servers send both
    if isinstance(kept.get("error"), dict):
        kept["error"] = _without(secrets, kept["error"])
    return cast("RPCResponse", kept)


def _without(secrets: Secrets, error: dict[str, Any]) -> dict[str, Any]:
    """Return the error's code, its message without secrets, and what a contract gave as reason."""
    kept: dict[str, Any] = {name: error[name] for name in ("code", "message") if name in error}
    if isinstance(kept.get("message"), str):
        kept["message"] = secrets.removed_from(kept["message"])
    data = error.get("data")
    if isinstance(data, str) and _HEX.fullmatch(data):
        kept["data"] = data
    return kept
