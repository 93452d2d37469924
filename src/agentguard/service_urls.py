"""Validation and composition of the URLs of services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote, urlsplit

_DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_NEO4J_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
_REDIS_SCHEMES = ("redis", "rediss")
_BROKER_SCHEMES = ("amqp", "amqps", *_REDIS_SCHEMES)
_URLS = {
    "database_url": (_DATABASE_SCHEMES, "postgresql://user:password@host:5432/agentguard"),
    "migrate_to": (_DATABASE_SCHEMES, "postgresql://user:password@host:5432/agentguard"),
    "neo4j_uri": (_NEO4J_SCHEMES, "bolt://host:7687"),
    "redis_url": (_REDIS_SCHEMES, "redis://host:6379/0"),
    "celery_broker_url": (_BROKER_SCHEMES, "amqp://user:password@host:5672//"),
    "celery_result_backend": (_REDIS_SCHEMES, "redis://host:6379/1"),
    "sentry_dsn": (("http", "https"), "https://key@host/42"),
    "web3_provider_url": (("http", "https"), "https://rpc-amoy.example.com/KEY"),
}
"""Schemes and an example of the URL in each setting."""

URL_PARTS = ("host", "port", "db", "user", "password")
_DEFAULTS = {"postgres": {"port": "5432"}, "redis": {"port": "6379", "db": "0"}}


def is_postgresql(url: str) -> bool:
    """Whether this is the URL of a PostgreSQL database."""
    return _is_url(url, _DATABASE_SCHEMES)


def url_fault(setting: str, url: str) -> str | None:
    """Return what is wrong with the URL in a setting and an example, or None if it is valid."""
    schemes, example = _URLS[setting]
    if not _is_url(url, schemes):
        return f"not a supported URL; write it like {example}"
    fault = _detail_fault(setting, url)
    return f"{fault}; write it like {example}" if fault else None


def postgres_url(parts: Mapping[str, str]) -> str:
    """Return the URL of PostgreSQL; missing parts have their defaults."""
    password = f":{quote(parts['password'], safe='')}" if "password" in parts else ""
    user = quote(parts.get("user", "agentguard"), safe="")
    database = quote(parts.get("db", "agentguard"), safe="")
    host, port = parts.get("host", "localhost"), parts.get("port", "5432")
    return f"postgresql://{user}{password}@{host}:{port}/{database}"


def redis_url(parts: Mapping[str, str]) -> str:
    """Return the URL of Redis; missing parts have their defaults."""
    password = f":{quote(parts['password'], safe='')}@" if "password" in parts else ""
    host, port = parts.get("host", "localhost"), parts.get("port", "6379")
    return f"redis://{password}{host}:{port}/{parts.get('db', '0')}"


def different_parts(url: str, service: str, parts: Mapping[str, str]) -> list[str]:
    """Return the names of the given parts that differ from those in the URL."""
    split = urlsplit(url)
    found = {
        "host": split.hostname or "",
        "port": str(split.port or ""),
        "db": unquote(split.path.strip("/")),
        "user": unquote(split.username or ""),
        "password": unquote(split.password or ""),
    }
    defaults = _DEFAULTS[service]
    return [
        part
        for part in URL_PARTS
        if part in parts and parts[part] != (found[part] or defaults.get(part, ""))
    ]


def _is_url(text: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname)


def _detail_fault(setting: str, url: str) -> str | None:
    parts = urlsplit(url)
    database = parts.path.strip("/")
    if setting == "neo4j_uri" and "@" in parts.netloc:
        return "user and password belong in NEO4J_USER and NEO4J_PASSWORD"
    if setting == "sentry_dsn" and not (
        parts.username and parts.path.rpartition("/")[2].isdecimal()
    ):
        return "the key or the project number is missing"
    if parts.scheme in _REDIS_SCHEMES and database and not database.isdecimal():
        return "the database must be a number"
    return None
