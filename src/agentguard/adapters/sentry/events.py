"""What leaves for Sentry.

Made anew from the error's types and places, so that nothing that somebody sent or set can be in it.
"""

from __future__ import annotations

import errno
import platform
import re
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sentry_sdk import VERSION
from sentry_sdk.types import Event, Hint

from agentguard.adapters.sentry.places import places, written_places
from agentguard.kernel.errors import AgentGuardError

LOG_EVENT = "log_event"
"""Where a hint names the log event."""

_ID = re.compile(r"[0-9a-f]{32}")
_LOG_EVENT = re.compile(r"[a-z][a-z0-9_]{2,60}")
_MOST_ERRORS = 20
_QUIET_SECONDS = 60.0
_REMEMBERED = 256


@dataclass(slots=True)
class Outgoing:
    """Sentry's `before_send`.

    An allow-list by construction, since of the event that the SDK made only the random id survives.

    Messages, variables, source lines, breadcrumbs, requests, users, tags, host and module lists are
    left behind; what is no error at all is dropped. The same error at the same place leaves once a
    minute, with how many there were since.
    """

    release: str
    environment: str
    clock: Callable[[], float]
    """Seconds since the Unix epoch."""
    _last: OrderedDict[int, tuple[float, int]] = field(default_factory=OrderedDict)

    def __call__(self, event: Event, hint: Hint) -> Any:
        error = (hint.get("exc_info") or (None, None))[1]
        if not isinstance(error, BaseException):
            return None
        values = errors(error)
        unsent = self._unsent(hash(str(values)))
        if unsent is None:
            return None
        return _identity(event) | {
            "timestamp": self.clock(),
            "level": "error",
            "platform": "python",
            "release": self.release,
            "environment": self.environment,
            "sdk": {"name": "sentry.python", "version": VERSION, "packages": []},
            "contexts": {
                "runtime": {
                    "name": platform.python_implementation(),
                    "version": platform.python_version(),
                }
            },
            "exception": {"values": values},
            "tags": _tags(hint) | {"unsent_before": str(unsent)},
        }

    def _unsent(self, likeness: int) -> int | None:
        """Return how many like this were not sent since the last one that was.

        None where this one is not to be sent either.
        """
        now = self.clock()
        sent, unsent = self._last.pop(likeness, (-_QUIET_SECONDS, 0))
        quiet = now - sent < _QUIET_SECONDS
        self._last[likeness] = (sent, unsent + 1) if quiet else (now, 0)
        while len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return None if quiet else unsent


def errors(error: BaseException) -> list[dict[str, Any]]:
    """Return the error and what led to it as Sentry's exception interface has them.

    What it all began with first.
    """
    found = [_described(*each, number) for number, each in enumerate(_family(error))]
    return found[::-1]


def _family(error: BaseException) -> Iterator[tuple[BaseException, str, int | None]]:
    """Yield the error, its causes and the members of groups, each with its relation to which of
    those before it.
    """
    waiting: list[tuple[BaseException, str, int | None]] = [(error, "", None)]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_ERRORS:
        each, relation, parent = waiting.pop(0)
        if id(each) in seen:
            continue
        waiting += _behind(each, len(seen))
        seen.add(id(each))
        yield each, relation, parent


def _behind(error: BaseException, number: int) -> Iterator[tuple[BaseException, str, int]]:
    if error.__cause__ is not None:
        yield error.__cause__, "__cause__", number
    elif error.__context__ is not None and not error.__suppress_context__:
        yield error.__context__, "__context__", number
    if isinstance(error, BaseExceptionGroup):
        yield from (
            (inner, f"exceptions[{index}]", number) for index, inner in enumerate(error.exceptions)
        )


def _described(
    error: BaseException, relation: str, parent: int | None, number: int
) -> dict[str, Any]:
    kind = type(error)
    mechanism: dict[str, Any] = {
        "type": "generic" if parent is None else "chained",
        "handled": True,
        "exception_id": number,
    }
    if parent is not None:
        mechanism |= {"parent_id": parent, "source": relation}
    if isinstance(error, BaseExceptionGroup):
        mechanism["is_exception_group"] = True
    frames = _written_elsewhere(error) or places(error.__traceback__)
    known = {
        "type": kind.__qualname__,
        "module": kind.__module__,
        "value": _code(error),
        "mechanism": mechanism,
    }
    return known | ({"stacktrace": {"frames": frames}} if frames else {})


def _written_elsewhere(error: BaseException) -> list[dict[str, Any]]:
    """Return the places in a worker process, whose traceback comes as text, as the cause of the
    error that came from there.
    """
    return written_places(str(error)) if type(error).__qualname__ == "_RemoteTraceback" else []


def _code(error: BaseException) -> str:
    """Return what kind of its type the error is, where a closed list of kinds is known, in place of
    its message.
    """
    match error:
        case AgentGuardError():
            return type(error).code
        case sqlite3.Error():
            name = getattr(error, "sqlite_errorname", "")
            return name if name in vars(sqlite3) else ""
        case OSError():
            return errno.errorcode.get(error.errno, "") if isinstance(error.errno, int) else ""
    sqlstate = getattr(type(error), "sqlstate", "")  # asyncpg has a class for each
    return sqlstate if isinstance(sqlstate, str) else ""


def _identity(event: Event) -> dict[str, Any]:
    known = event.get("event_id")
    return {"event_id": known} if isinstance(known, str) and _ID.fullmatch(known) else {}


def _tags(hint: Hint) -> dict[str, str]:
    name = hint.get(LOG_EVENT)
    return {LOG_EVENT: name} if isinstance(name, str) and _LOG_EVENT.fullmatch(name) else {}
