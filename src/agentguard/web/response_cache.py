"""Cached documents about graph versions, keyed by all of their inputs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version as version_of
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeAlias

import orjson

from agentguard.bootstrap.app import App
from agentguard.coordination.cache import Cache
from agentguard.kernel.stable_json import stable_json

Compute: TypeAlias = Callable[[], Awaitable[Mapping[str, Any] | bytes]]
"""Returns a document, or its JSON."""
Inputs: TypeAlias = Mapping[str, Any]
"""The inputs that all responses of a process share."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request about a graph version."""

    graph_version: str
    endpoint: str
    parameters: object = None
    """The other inputs of the response; must be serializable as JSON."""


@dataclass(slots=True)
class _Flight:
    """A computation in progress."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class ResponseCache:
    """Documents as JSON, cached."""

    cache: Cache
    inputs: Inputs
    _shared: bytes = field(init=False)
    """The inputs as JSON."""
    _flights: dict[str, _Flight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_shared", stable_json(self.inputs))

    async def of(self, question: Question, compute: Compute) -> bytes:
        """Return the response.

        Concurrent equal questions share one computation; different ones run concurrently. If
        `compute` raises, nothing is cached, and each waiting request computes for itself.
        """
        key = self.key(question)
        while (flight := self._flights.get(key)) is not None:
            await flight.done.wait()
            if flight.answer is not None:
                return flight.answer
        flight = self._flights[key] = _Flight()
        try:
            flight.answer = await self.cache.get(key) or await self._computed(key, compute)
        finally:
            del self._flights[key]
            flight.done.set()
        return flight.answer

    def key(self, question: Question) -> str:
        """Return the cache key: equal for equal questions and inputs only."""
        return hashlib.sha256(stable_json(question) + b"\0" + self._shared).hexdigest()

    async def _computed(self, key: str, compute: Compute) -> bytes:
        found = await compute()
        answer = found if isinstance(found, bytes) else orjson.dumps(found)
        await self.cache.put(key, answer)
        return answer


def shared_inputs(app: App) -> Inputs:
    """Return the inputs that all responses of this process share.

    Its code, the catalog, the links to traces, the severity thresholds.
    """
    return {
        "version": version_of("agentguard"),
        "code": _code(),
        "catalog": hashlib.sha256(repr(app.declared).encode()).hexdigest(),
        "trace_url": app.links.template,
        "thresholds": app.thresholds,
    }


@cache
def _code() -> str:
    """Return the digest of the code that this process runs, which stays as it is."""
    return _fingerprint(files("agentguard"))


def _fingerprint(folder: Traversable) -> str:
    """Return a digest of all source below the folder: builds of one version may differ."""
    digest = hashlib.sha256()
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir() and entry.name != "__pycache__":
            digest.update(f"{entry.name}/{_fingerprint(entry)}".encode())
        elif entry.name.endswith((".py", ".yaml")):
            digest.update(entry.name.encode() + hashlib.sha256(entry.read_bytes()).digest())
    return digest.hexdigest()
