"""Environment variables, .env, values in files, and the names of settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv import dotenv_values

_SHARED_NAMES = (
    "API_HOST",
    "API_PORT",
    "DEBUG",
    "DATABASE_URL",
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_DB",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "NEO4J_URI",
    "NEO4J_USER",
    "NEO4J_PASSWORD",
    "NEO4J_DATABASE",
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_DB",
    "REDIS_PASSWORD",
    "CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND",
    "SENTRY_DSN",
    "SENTRY_ENVIRONMENT",
    "WEB3_PROVIDER_URL",
    "WEB3_PRIVATE_KEY",
    "WEB3_CONTRACT_ADDRESS",
    "GEMINI_API_KEY",
    "GEMINI_MODEL",
)
PLAIN_NAMES = {f"AGENTGUARD_{plain}": plain for plain in _SHARED_NAMES}
"""Settings that have a second name without a prefix, as commonly used in .env files."""

MONITOR_API_KEY = "AGENTGUARD_MONITOR_API_KEY"
"""The key that `agentguard audit monitor` sends: of a server elsewhere, so it is no setting."""

UNUSED_NAMES: tuple[str, ...] = ()
"""Settings of features that this version does not have; `unused_settings` reports those set."""


def environment() -> Mapping[str, str]:
    """Return the variables of .env and the environment, which takes precedence.

    Names are in upper case; empty values are left out.
    """
    merged = {**dotenv_values(".env"), **os.environ}
    return {name.upper(): value for name, value in merged.items() if value}


def values_in_files(
    variables: Mapping[str, str], fields: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the values in files named by …_FILE variables, by field, and a list of errors.

    `fields` are the settings' names in lower case, without AGENTGUARD_.
    """
    found: dict[str, str] = {}
    faults = []
    named = [(field, name) for field in fields for name in names_of(field)]
    for field, name in ((field, name) for field, name in named if f"{name}_FILE" in variables):
        if name in variables:
            faults.append(f"{name} and {name}_FILE are both set; set only one of them")
            continue
        try:
            found[field] = _value(Path(variables[f"{name}_FILE"]))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            faults.append(f"{name}_FILE names an unreadable file: {reason}")
        except ValueError as error:
            faults.append(f"{name}_FILE names a file that {error}")
    return found, faults


def _value(file: Path) -> str:
    value = file.read_text(encoding="utf-8").rstrip("\r\n")
    if not value:
        raise ValueError("is empty")
    return value


def names_of(field: str) -> tuple[str, ...]:
    prefixed = f"AGENTGUARD_{field.upper()}"
    return (prefixed, PLAIN_NAMES[prefixed]) if prefixed in PLAIN_NAMES else (prefixed,)


def disagreements(variables: Mapping[str, str]) -> list[str]:
    """Return a sentence for each setting whose two names have different values."""
    pairs = [(a, b) for a, b in PLAIN_NAMES.items() if a in variables and b in variables]
    return [
        f"{a} and {b} have different values; set only one of them"
        for a, b in pairs
        if variables[a].strip() != variables[b].strip()
    ]


def unused_settings(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that are set for features that this version does not have."""
    return tuple(name for name in UNUSED_NAMES if name in variables)


def field_of(name: str) -> str:
    """Return the field of a setting's name."""
    return name.lower().removeprefix("agentguard_")


def named_sentence(place: list[str], message: str) -> str:
    """Return the message after the name of the setting that `place` begins with, if any."""
    name = place[0].upper() if place else ""
    shown = (
        name
        if not name or name.startswith("AGENTGUARD_") or name in PLAIN_NAMES.values()
        else f"AGENTGUARD_{name}"
    )
    return f"{shown}: {message}" if shown else message
