"""Settings: environment and .env, the names with AGENTGUARD_ first, the plain names that people already have beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agentguard.kernel.errors import InvalidInputError

PLAIN_NAMES = {"AGENTGUARD_API_HOST": "API_HOST", "AGENTGUARD_API_PORT": "API_PORT", "AGENTGUARD_DEBUG": "DEBUG"}
"""Settings that have a second, plain name."""

UNUSED_NAMES = tuple(
    name
    for plain in (
        "DATABASE_URL",
        "POSTGRES_HOST",
        "POSTGRES_PORT",
        "POSTGRES_DB",
        "POSTGRES_USER",
        "POSTGRES_PASSWORD",
        "NEO4J_URI",
        "NEO4J_USER",
        "NEO4J_PASSWORD",
        "REDIS_URL",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_DB",
        "CELERY_BROKER_URL",
        "CELERY_RESULT_BACKEND",
        "GEMINI_API_KEY",
        "GEMINI_MODEL",
        "WEB3_PROVIDER_URL",
        "WEB3_PRIVATE_KEY",
        "WEB3_CONTRACT_ADDRESS",
        "SENTRY_DSN",
    )
    for name in (plain, f"AGENTGUARD_{plain}")
)
"""Settings of parts that this version does not have: `unused_settings` names those that are set, so that nobody believes they work."""

MIB = 1024 * 1024


class SettingsError(InvalidInputError):
    """The settings contradict each other or cannot be read."""

    code = "bad-settings"


def _names(name: str) -> AliasChoices:
    prefixed = f"AGENTGUARD_{name.upper()}"
    return AliasChoices(prefixed, PLAIN_NAMES[prefixed], name)


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
    """Pattern of entry points that are health checks and polls, not workflows, in place of the built-in one; empty: every entry is one."""
    keep_content: bool = False
    """Whether the bodies of deliveries, prompts and answers included, are kept for as long as their spans are."""

    severity_critical: float = Field(default=0.5, ge=0, le=1)
    """Share of runs lost from which a failure is CRITICAL."""
    severity_high: float = Field(default=0.25, ge=0, le=1)
    severity_medium: float = Field(default=0.05, ge=0, le=1)

    max_body_bytes: int = Field(default=64 * MIB, ge=1)
    """Of one OTLP delivery or JSON request, unpacked."""
    max_upload_bytes: int = Field(default=2048 * MIB, ge=1)
    """Of one scan, as sent and unpacked."""
    scan_max_requests: int = Field(default=8, ge=1)
    """Scans that are received or worked on at one time, jobs left out; more are told to come again."""
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
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

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
            if origin != "*" and (not parts.scheme or not parts.netloc or parts.path or parts.query or parts.fragment):
                raise PydanticCustomError("bad_origin", "{origin} is no origin; write it like http://localhost:3000", {"origin": origin})
        return value

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else ""
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise PydanticCustomError("bad_key", "the key must be printable ASCII without spaces, or no client can send it")
        return value

    @field_validator("housekeeping")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise PydanticCustomError("bad_pattern", "the pattern cannot be read: {why}", {"why": str(error)}) from None
        return value

    @field_validator("trace_url")
    @classmethod
    def _template(cls, value: str | None) -> str | None:
        if value is not None and "{trace_id}" not in value:
            raise PydanticCustomError("bad_template", "the template must contain {trace_id}")
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _agree(cls, data: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        errors = [_plain_error(message) for message in _disagreements(environment())]
        try:
            settings = handler(data)
        except ValidationError as error:
            raise ValidationError.from_exception_data(cls.__name__, [*_details(error), *errors]) from None
        if not settings.severity_medium <= settings.severity_high <= settings.severity_critical:
            errors.append(_plain_error("AGENTGUARD_SEVERITY_MEDIUM, _HIGH and _CRITICAL must not fall in this order"))
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return settings


def load_settings() -> Settings:
    """Read environment and .env; raise SettingsError with every fault at once, each with its setting's name and without its value."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [_sentence([str(part) for part in fault["loc"]], fault["msg"]) for fault in error.errors()]
        raise SettingsError("The settings cannot be used.\n" + "\n".join(f"- {line}" for line in lines)) from None


def environment() -> Mapping[str, str]:
    """Return what is set, the environment before .env, names in upper case, empty values left out."""
    merged = {**dotenv_values(".env"), **os.environ}
    return {name.upper(): value for name, value in merged.items() if value}


def unused_settings(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that are set for parts that this version does not have."""
    return tuple(name for name in UNUSED_NAMES if name in variables)


def unknown_settings(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that start with AGENTGUARD_ and mean nothing: most likely a slip of the pen."""
    known = {f"AGENTGUARD_{field.upper()}" for field in Settings.model_fields} | set(UNUSED_NAMES)
    return tuple(sorted(name for name in variables if name.startswith("AGENTGUARD_") and name not in known))


def _disagreements(variables: Mapping[str, str]) -> list[str]:
    pairs = [(a, b) for a, b in PLAIN_NAMES.items() if a in variables and b in variables]
    return [f"{a} and {b} disagree; set one of them" for a, b in pairs if variables[a].strip() != variables[b].strip()]


def _plain_error(message: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("settings", "{message}", {"message": message}), loc=(), input=None)


def _details(error: ValidationError) -> list[InitErrorDetails]:
    return [
        InitErrorDetails(type=PydanticCustomError("setting", "{message}", {"message": fault["msg"]}), loc=fault["loc"], input=None)
        for fault in error.errors(include_input=False)
    ]


def _sentence(place: list[str], message: str) -> str:
    name = place[0].upper() if place else ""
    shown = name if not name or name.startswith("AGENTGUARD_") or name in PLAIN_NAMES.values() else f"AGENTGUARD_{name}"
    return f"{shown}: {message}" if shown else message
