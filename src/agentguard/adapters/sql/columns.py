"""Column types and defaults with the same values in SQLite and PostgreSQL."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Dialect,
    FunctionElement,
    String,
    TypeDecorator,
    Uuid,
    or_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US = 1000


class Moment(TypeDecorator[int]):
    """A time: ns since the epoch in Python, TIMESTAMPTZ in the database, cut to microseconds."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value // _NS_PER_US)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        # SQLite stores UTC without a zone.
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(microseconds=1) * _NS_PER_US


class Name(TypeDecorator[str]):
    """A name made by AgentGuard, looked up by any text.

    Text that PostgreSQL cannot store is no such name, so it finds nothing.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _NOWHERE.sub("\N{REPLACEMENT CHARACTER}", value)


class ForeignText(TypeDecorator[str]):
    """Text from telemetry; what PostgreSQL cannot store (NUL, lone surrogates) is escaped."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escaped(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value)


_NOWHERE = re.compile("[\0\ud800-\udfff]")
_UNSTORABLE = re.compile("[\0\\\\\ud800-\udfff]")
_ESCAPE = re.compile(r"\\([0-9a-f]{4})")


def escaped(text: str) -> str:
    """Return foreign text as it is stored."""
    return _UNSTORABLE.sub(lambda found: f"\\{ord(found[0]):04x}", text)


Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON document that people may query; None is NULL, not JSON's null."""


class random_id(FunctionElement[uuid.UUID]):  # noqa: N801 - a SQL function
    """A random UUID (RFC 9562, version 4), made by the database."""

    type = Uuid()
    inherit_cache = True


class transaction_time(FunctionElement[datetime]):  # noqa: N801 - a SQL function
    """When the transaction began, by the database's clock."""

    type = DateTime(timezone=True)
    inherit_cache = True


_SQLITE_TIME = "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"


class database_time(FunctionElement[int]):  # noqa: N801 - a SQL function
    """The time now by the database's clock; unlike `transaction_time` it goes on meanwhile."""

    type = Moment()
    inherit_cache = True


@compiles(database_time, "postgresql")
def _(_element: database_time, _compiler: Any, **_options: Any) -> str:
    return "clock_timestamp()"


@compiles(database_time, "sqlite")
def _(_element: database_time, _compiler: Any, **_options: Any) -> str:
    return _SQLITE_TIME


@compiles(random_id, "postgresql")
def _(_element: random_id, _compiler: Any, **_options: Any) -> str:
    return "gen_random_uuid()"


@compiles(random_id, "sqlite")
def _(_element: random_id, _compiler: Any, **_options: Any) -> str:
    variant = "substr('89ab', 1 + (abs(random()) % 4), 1)"
    return (
        f"(lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || {variant} ||"
        " substr(hex(randomblob(2)), 2) || hex(randomblob(6))))"
    )


@compiles(transaction_time, "postgresql")
def _(_element: transaction_time, _compiler: Any, **_options: Any) -> str:
    return "now()"


@compiles(transaction_time, "sqlite")
def _(_element: transaction_time, _compiler: Any, **_options: Any) -> str:
    return _SQLITE_TIME


def passed(moment: ColumnElement[int], now: int, most_ahead: int) -> ColumnElement[bool]:
    """Return whether the moment has passed.

    One further ahead than `most_ahead` (ns) was written before the clock was set back, and counts
    as passed: otherwise work would wait until the clock has caught up.
    """
    return or_(moment <= now, moment > now + most_ahead)


def without_nul(value: Any) -> Any:
    """Return JSON without NUL, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, Mapping):
        return {name: without_nul(each) for name, each in value.items()}
    return [without_nul(each) for each in value] if isinstance(value, list | tuple) else value
