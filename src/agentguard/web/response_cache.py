"""Cached documents about graph versions, under everything that they depend on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as version_of
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeAlias

import orjson

from agentguard.bootstrap.app import App
from agentguard.coordination.cache import Cache
from agentguard.kernel.stable_json import stable_json

Compute: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Ground: TypeAlias = Mapping[str, Any]
"""What every answer of a process follows from beside the question."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, of which graph version."""

    graph_version: str
    endpoint: str
    parameters: object = None
    """All that the answer depends on beside the graph and the ground; what can be written as JSON.
    """


@dataclass(slots=True)
class _Flight:
    """A question that is being answered."""

    landed: asyncio.Event = field(default_factory=asyncio.Event)
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class ResponseCache:
    """Documents as JSON, from the cache where they are there."""

    cache: Cache
    ground: Ground
    _flights: dict[str, _Flight] = field(default_factory=dict)

    async def of(self, question: Question, compute: Compute) -> bytes:
        """Return the answer.

        Equal questions that come at one time are answered by one computation, different ones side
        by side.

        Raises what `compute` does; then nothing is kept, and whoever waited computes for itself.
        """
        key = question_key(question, self.ground)
        while (flight := self._flights.get(key)) is not None:
            await flight.landed.wait()
            if flight.answer is not None:
                return flight.answer
        flight = self._flights[key] = _Flight()
        try:
            flight.answer = await self.cache.get(key) or await self._computed(key, compute)
        finally:
            del self._flights[key]
            flight.landed.set()
        return flight.answer

    async def _computed(self, key: str, compute: Compute) -> bytes:
        answer = orjson.dumps(await compute())
        await self.cache.put(key, answer)
        return answer


def question_key(question: Question, ground: Ground) -> str:
    """Return the key of the answer.

    Equal for equal questions on equal ground, and for no others.
    """
    return hashlib.sha256(stable_json([question, ground])).hexdigest()


def ground_of(app: App) -> Ground:
    """Return what this process's answers follow from.

    Its code, the catalogue, the links to traces, the severities' thresholds.
    """
    return {
        "version": version_of("agentguard"),
        "code": _fingerprint(files("agentguard")),
        "catalog": hashlib.sha256(repr(app.declared).encode()).hexdigest(),
        "trace_url": app.links.template,
        "thresholds": app.thresholds,
    }


def _fingerprint(folder: Traversable) -> str:
    """Return a digest of all source below the folder.

    Two builds of one version may answer differently.
    """
    digest = hashlib.sha256()
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir() and entry.name != "__pycache__":
            digest.update(f"{entry.name}/{_fingerprint(entry)}".encode())
        elif entry.name.endswith((".py", ".yaml")):
            digest.update(entry.name.encode() + hashlib.sha256(entry.read_bytes()).digest())
    return digest.hexdigest()
