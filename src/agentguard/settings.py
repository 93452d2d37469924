"""Settings.

Environment and .env, the names with AGENTGUARD_ first, the plain names that people already have
beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import (
    AliasChoices,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agentguard.environment import (
    PLAIN_NAMES,
    UNUSED_NAMES,
    disagreements,
    environment,
    names_of,
    secrets_in_files,
)
from agentguard.kernel.errors import InvalidInputError

_DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_NEO4J_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
_REDIS_SCHEMES = ("redis", "rediss")
_BROKER_SCHEMES = ("amqp", "amqps", *_REDIS_SCHEMES)

MIB = 1024 * 1024


class SettingsError(InvalidInputError):
    """The settings contradict each other or cannot be read."""

    code = "bad-settings"


def _names(name: str) -> AliasChoices:
    prefixed = f"AGENTGUARD_{name.upper()}"
    return AliasChoices(prefixed, PLAIN_NAMES[prefixed], name)


def _shared(name: str, **more: Any) -> Any:
    """Return a field that has a plain name too, and no default but None unless it is given."""
    return Field(validation_alias=_names(name), **{"default": None, **more})


class Settings(BaseSettings):
    """Everything that can be set. Sizes in bytes, spans of time in the unit that the name says."""

    model_config = SettingsConfigDict(
        env_prefix="AGENTGUARD_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    api_host: str = Field(default="127.0.0.1", validation_alias=_names("api_host"))
    api_port: int = Field(default=8000, ge=0, le=65535, validation_alias=_names("api_port"))
    """0 lets the system choose."""
    otlp_port: int = Field(default=4318, ge=0, le=65535)
    """Where OTLP is received too, on 127.0.0.1, when that port is free; 0 = nowhere."""
    debug: bool = Field(default=False, validation_alias=_names("debug"))
    data_dir: Path = Path("agentguard-data")
    api_key: SecretStr | None = None
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ("http://localhost:3000",)
    catalog: Annotated[tuple[Path, ...], NoDecode] = ()
    ghost_days: int = Field(default=7, ge=1)
    """Who is declared and was not seen for this many days is a ghost."""
    trace_url: str | None = None
    housekeeping: str | None = None
    """Pattern of entry points that are health checks and polls, not workflows, in place of the
    built-in one; empty: every entry is one.
    """
    keep_content: bool = False
    """Whether the bodies of deliveries, prompts and answers included, are kept for as long as their
    spans are.
    """

    database_url: SecretStr | None = _shared("database_url")
    """`postgresql://user:password@host:port/database`. Unset: SQLite in the data directory."""
    postgres_host: str | None = _shared("postgres_host")
    """The same in parts, in place of a URL: whichever is set switches to PostgreSQL."""
    postgres_port: int | None = _shared("postgres_port", ge=1, le=65535)
    postgres_db: str | None = _shared("postgres_db")
    postgres_user: str | None = _shared("postgres_user")
    postgres_password: SecretStr | None = _shared("postgres_password")
    database_pool_size: int = Field(default=10, ge=1)
    """Connections to PostgreSQL that one process holds at most."""
    database_timeout_seconds: float = Field(default=30, gt=0)
    """How long one statement, or the wait for a connection, may take with PostgreSQL."""
    neo4j_uri: str | None = _shared("neo4j_uri")
    """`bolt://host:7687` or `neo4j://…`. Unset: `bolt://localhost:7687` where user, password or
    database is set, otherwise graphs are kept in the database.
    """
    neo4j_user: str | None = _shared("neo4j_user")
    neo4j_password: SecretStr | None = _shared("neo4j_password")
    neo4j_database: str | None = _shared("neo4j_database")
    neo4j_timeout_seconds: float = Field(default=30, gt=0)
    """How long one transaction with Neo4j, or the wait for a connection, may take."""
    redis_url: SecretStr | None = _shared("redis_url")
    """`redis://host:6379/0` or `rediss://…`. Unset: cache, rate limits and live updates are in each
    process.
    """
    redis_host: str | None = _shared("redis_host")
    """The same in parts, in place of a URL: whichever is set switches to Redis."""
    redis_port: int | None = _shared("redis_port", ge=1, le=65535)
    redis_db: int | None = _shared("redis_db", ge=0)
    redis_password: SecretStr | None = _shared("redis_password")
    redis_timeout_seconds: float = Field(default=0.5, gt=0)
    """How long Redis may take to answer before the work goes on without it."""
    celery_broker_url: SecretStr | None = _shared("celery_broker_url")
    """`amqp://user:password@host:5672//` or `redis://…`. Unset: the server runs jobs itself."""
    celery_result_backend: SecretStr | None = _shared("celery_result_backend")
    """Where Celery keeps results of its own, for its tools; what came of a job stands in the jobs
    table in any case.
    """
    jobs_queue: str = Field(default="agentguard", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Name of the queue; installations that share a broker need different ones."""
    job_attempts: int = Field(default=3, ge=1)
    """How often a job is tried before it fails."""
    job_lease_seconds: float = Field(default=30, gt=0)
    """After this long without a sign of life from who works on a job, it is given to another."""
    sentry_dsn: SecretStr | None = _shared("sentry_dsn")
    """Unset: errors are in the log only."""
    sentry_environment: str = _shared(
        "sentry_environment", default="production", pattern=r"^[^\s/]{1,64}$"
    )
    """What Sentry calls this installation."""
    rate_limit: int = Field(default=0, ge=0)
    """Requests to /api a client (an address; behind a proxy all are one) may make in a minute; 0 =
    any number.
    """

    severity_critical: float = Field(default=0.5, ge=0, le=1)
    """Share of runs lost from which a failure is CRITICAL."""
    severity_high: float = Field(default=0.25, ge=0, le=1)
    severity_medium: float = Field(default=0.05, ge=0, le=1)

    max_body_bytes: int = Field(default=64 * MIB, ge=1)
    """Of one OTLP delivery or JSON request, unpacked."""
    max_upload_bytes: int = Field(default=2048 * MIB, ge=1)
    """Of one scan, as sent and unpacked."""
    scan_max_requests: int = Field(default=8, ge=1)
    """Scans that are received or worked on at one time, jobs left out; more are told to come again.
    """
    upload_seconds: float = Field(default=3600, gt=0)
    """How long the body of one scan may take to come in."""
    job_bytes: int = Field(default=8 * MIB, ge=0)
    """A scan larger than this, as sent, becomes a job."""
    ingest_max_requests: int = Field(default=256, ge=1)
    """Deliveries in work at one time; more are told to come again."""
    ingest_max_bytes: int = Field(default=256 * MIB, ge=1)
    """Of all deliveries in work at one time, unpacked."""
    acknowledge_seconds: float = Field(default=30, gt=0)
    """How long a delivery may wait to become durable."""
    shutdown_seconds: int = Field(default=10, ge=1)
    """How long requests in work get at shutdown."""
    window_hours: float = Field(default=24, gt=0)
    """The live graph shows the spans received in this many hours."""
    retention_hours: float = Field(default=7 * 24, gt=0)
    """Spans received before that are deleted."""
    versions_kept: int = Field(default=20, ge=1)
    """Graph versions kept of each dataset."""

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("catalog", mode="before")
    @classmethod
    def _files(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part.strip()) for part in value.split(",") if part.strip())
        return (value,) if isinstance(value, Path) else value or ()

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if origin != "*" and (
                not parts.scheme or not parts.netloc or parts.path or parts.query or parts.fragment
            ):
                raise PydanticCustomError(
                    "bad_origin",
                    "{origin} is no origin; write it like http://localhost:3000",
                    {"origin": origin},
                )
        return value

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else ""
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise PydanticCustomError(
                "bad_key",
                "the key must be printable ASCII without spaces, or no client can send it",
            )
        return value

    @field_validator("housekeeping")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise PydanticCustomError(
                "bad_pattern", "the pattern cannot be read: {why}", {"why": str(error)}
            ) from None
        return value

    @field_validator("trace_url")
    @classmethod
    def _template(cls, value: str | None) -> str | None:
        if value is not None and "{trace_id}" not in value:
            raise PydanticCustomError("bad_template", "the template must contain {trace_id}")
        return value

    @field_validator(
        "database_url",
        "redis_url",
        "celery_broker_url",
        "celery_result_backend",
        "neo4j_uri",
        "sentry_dsn",
    )
    @classmethod
    def _url(cls, value: SecretStr | str | None, field: ValidationInfo) -> SecretStr | str | None:
        schemes, example = _URLS[field.field_name or ""]
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and not _is_url(text, schemes):
            raise PydanticCustomError(
                "bad_url",
                "this is no URL it can use; write it like {example}",
                {"example": example},
            )
        if text is not None and (fault := _url_fault(field.field_name or "", text)):
            raise PydanticCustomError(
                "bad_url", "{fault}; write it like {example}", {"fault": fault, "example": example}
            )
        return value

    @property
    def postgres(self) -> SecretStr | None:
        """URL of PostgreSQL, from whichever names it was set by; None = SQLite."""
        if self.database_url is not None:
            return SecretStr(
                "postgresql://" + self.database_url.get_secret_value().split("://", 1)[1]
            )
        if all(
            part is None
            for part in (
                self.postgres_host,
                self.postgres_port,
                self.postgres_db,
                self.postgres_user,
                self.postgres_password,
            )
        ):
            return None
        password = (
            f":{quote(self.postgres_password.get_secret_value(), safe='')}"
            if self.postgres_password
            else ""
        )
        user = quote(self.postgres_user or "agentguard", safe="")
        place = f"{self.postgres_host or 'localhost'}:{self.postgres_port or 5432}/{quote(self.postgres_db or 'agentguard', safe='')}"
        return SecretStr(f"postgresql://{user}{password}@{place}")

    @property
    def neo4j(self) -> str | None:
        """URI of Neo4j; None = graphs are kept in the database."""
        named = self.neo4j_user or self.neo4j_password or self.neo4j_database
        return self.neo4j_uri or ("bolt://localhost:7687" if named else None)

    @property
    def redis(self) -> SecretStr | None:
        """URL of Redis, from whichever names it was set by; None = in process."""
        if self.redis_url is not None:
            return self.redis_url
        if all(
            part is None
            for part in (self.redis_host, self.redis_port, self.redis_db, self.redis_password)
        ):
            return None
        password = (
            f":{quote(self.redis_password.get_secret_value(), safe='')}@"
            if self.redis_password
            else ""
        )
        return SecretStr(
            f"redis://{password}{self.redis_host or 'localhost'}:{self.redis_port or 6379}/{self.redis_db or 0}"
        )

    @model_validator(mode="wrap")
    @classmethod
    def _agree(cls, data: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        variables = environment()
        secrets, faults = secrets_in_files(variables, secret_fields())
        given = {**secrets, **data}
        errors = [_plain_error(message) for message in (*faults, *disagreements(variables))]
        named = {
            field
            for field in secret_fields()
            for name in names_of(field)
            if f"{name}_FILE" in variables
        }
        faulty = frozenset(named - secrets.keys())
        try:
            settings = handler(given)
        except ValidationError as error:
            errors, faulty = [*_details(error), *errors], faulty | _fields(error)
            settings = handler(
                {name: value for name, value in given.items() if _field(name) not in faulty}
            )
        errors += [_plain_error(message) for message in _contradictions(settings, faulty)]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return settings


_URLS = {
    "database_url": (_DATABASE_SCHEMES, "postgresql://user:password@host:5432/agentguard"),
    "neo4j_uri": (_NEO4J_SCHEMES, "bolt://host:7687"),
    "redis_url": (_REDIS_SCHEMES, "redis://host:6379/0"),
    "celery_broker_url": (_BROKER_SCHEMES, "amqp://user:password@host:5672//"),
    "celery_result_backend": (_REDIS_SCHEMES, "redis://host:6379/1"),
    "sentry_dsn": (("http", "https"), "https://key@host/42"),
}


def load_settings() -> Settings:
    """Read environment and .env.

    Raise SettingsError with every fault at once, each with its setting's name and without its
    value.
    """
    try:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The file .env cannot be read: {reason}.") from None
    except ValidationError as error:
        lines = [
            _sentence([str(part) for part in fault["loc"]], fault["msg"])
            for fault in error.errors()
        ]
        raise SettingsError(
            "The settings cannot be used.\n" + "\n".join(f"- {line}" for line in lines)
        ) from None


def unused_settings(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that are set for parts that this version does not have."""
    return tuple(name for name in UNUSED_NAMES if name in variables)


def unknown_settings(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that start with AGENTGUARD_ and mean nothing.

    Most likely a slip of the pen.
    """
    known = {f"AGENTGUARD_{field.upper()}" for field in Settings.model_fields} | set(UNUSED_NAMES)
    known |= {f"{name}_FILE" for field in secret_fields() for name in names_of(field)}
    return tuple(
        sorted(name for name in variables if name.startswith("AGENTGUARD_") and name not in known)
    )


def secret_fields() -> tuple[str, ...]:
    """Return the settings that may stand in a file, named by the same name with _FILE behind it."""
    return tuple(
        name for name, info in Settings.model_fields.items() if info.annotation == SecretStr | None
    )


def _contradictions(settings: Settings, faulty: frozenset[str]) -> Iterator[str]:
    """Yield what speaks against each other.

    A faulty field has its default here, which nobody chose, and speaks against nothing.
    """
    rising = settings.severity_medium <= settings.severity_high <= settings.severity_critical
    if not rising and not faulty & {"severity_medium", "severity_high", "severity_critical"}:
        yield "AGENTGUARD_SEVERITY_MEDIUM, _HIGH and _CRITICAL must not fall in this order"
    if (
        settings.celery_result_backend is not None
        and settings.celery_broker_url is None
        and "celery_broker_url" not in faulty
    ):
        yield (
            "CELERY_RESULT_BACKEND is set, but no CELERY_BROKER_URL: without a broker nothing"
            " uses it"
        )
    if settings.database_url is not None:
        yield from _parts_against_url("DATABASE_URL", settings.database_url, settings, "postgres")
    if settings.redis_url is not None:
        yield from _parts_against_url("REDIS_URL", settings.redis_url, settings, "redis")


def _parts_against_url(name: str, url: SecretStr, settings: Settings, prefix: str) -> Iterator[str]:
    """Yield each part that is set beside the URL and says something else."""
    parts = urlsplit(url.get_secret_value())
    whole = {
        "host": parts.hostname,
        "port": parts.port or {"postgres": 5432, "redis": 6379}[prefix],
        "db": unquote(parts.path.strip("/")),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
    for part, value in whole.items():
        given = getattr(settings, f"{prefix}_{part}", None)
        plain = given.get_secret_value() if isinstance(given, SecretStr) else given
        if plain is not None and str(plain) != str(
            value or (0 if (prefix, part) == ("redis", "db") else "")
        ):
            yield f"{prefix.upper()}_{part.upper()} and {name} disagree; set one of them"


def is_postgresql(url: str) -> bool:
    """Whether this names a database of PostgreSQL."""
    return _is_url(url, _DATABASE_SCHEMES)


def _is_url(text: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname)


def _url_fault(field: str, text: str) -> str | None:
    """Return what is wrong with a URL of the right kind, or None."""
    parts = urlsplit(text)
    if field == "neo4j_uri" and "@" in parts.netloc:
        return "user and password do not belong here, but in NEO4J_USER and NEO4J_PASSWORD"
    if field == "sentry_dsn" and not (parts.username and parts.path.rpartition("/")[2].isdecimal()):
        return "it has no key or no number of a project"
    if (
        parts.scheme in _REDIS_SCHEMES
        and not parts.path.strip("/").isdecimal()
        and parts.path.strip("/")
    ):
        return "its database is no number"
    return None


def _fields(error: ValidationError) -> frozenset[str]:
    return frozenset(_field(str(fault["loc"][0])) for fault in error.errors() if fault["loc"])


def _field(name: str) -> str:
    """Return the field that is meant by any of its names."""
    return name.lower().removeprefix("agentguard_")


def _plain_error(message: str) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError("settings", "{message}", {"message": message}), loc=(), input=None
    )


def _details(error: ValidationError) -> list[InitErrorDetails]:
    return [
        InitErrorDetails(
            type=PydanticCustomError("setting", "{message}", {"message": fault["msg"]}),
            loc=fault["loc"],
            input=None,
        )
        for fault in error.errors(include_input=False)
    ]


def _sentence(place: list[str], message: str) -> str:
    name = place[0].upper() if place else ""
    shown = (
        name
        if not name or name.startswith("AGENTGUARD_") or name in PLAIN_NAMES.values()
        else f"AGENTGUARD_{name}"
    )
    return f"{shown}: {message}" if shown else message
