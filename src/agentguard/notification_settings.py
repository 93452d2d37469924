"""Settings of detected incidents and of notifications, read from the environment and .env."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from agentguard.service_settings import ServiceSettings, split_at_commas
from agentguard.simulation.severities import Severity

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
_SECRET_BYTES = range(24, 65)


class NotificationSettings(ServiceSettings):
    """Which conditions open incidents, and who is told about incidents.

    The docstrings of the fields appear in docs/settings.md.
    """

    incident_error_share: float | None = Field(default=None, gt=0, le=1)
    """Open an incident when at least this share of one caller's calls of a component fails in the
    live graph; 0.2 is 20 %. Unset: failing calls open no incident.
    """
    incident_error_calls: int = Field(default=20, ge=1)
    """Minimum number of calls of that caller; with fewer, no incident is opened."""
    incident_shadow_agents: bool = False
    """Open an incident when an agent that the catalog does not declare appears in the live graph.
    """
    webhook_url: SecretStr | None = None
    """URL of your own that notifications about incidents are posted to; see
    [notifications.md](notifications.md). It is never shown beyond its host.
    """
    webhook_secret: SecretStr | None = None
    """Secret that signs what is posted there: `whsec_` and 24 to 64 bytes in base64. Several,
    separated by commas, while one is replaced.
    """
    slack_webhook_url: SecretStr | None = None
    """URL of an incoming webhook of Slack."""
    pagerduty_routing_key: SecretStr | None = None
    """Integration key of a PagerDuty service, for its Events API v2."""
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    """URL of that API: another one in the EU (`https://events.eu.pagerduty.com/v2/enqueue`)."""
    notification_severity: Severity = Severity.LOW
    """Lowest severity of incidents that are told. A receiver that was told of an incident is also
    told of what follows, whatever its severity is then.
    """
    notification_hours: float = Field(default=24, gt=0)
    """A notification that could not be delivered for so long is given up."""
    notification_timeout_seconds: float = Field(default=10, gt=0)
    """Time limit of one attempt."""
    private_targets: Annotated[tuple[str, ...], NoDecode] = ()
    """Hosts, addresses and networks (`10.0.0.0/8`), separated by commas, that notifications may go
    to although they are not public. A host may have private and loopback addresses; link-local,
    multicast and reserved ones and metadata services of clouds must be named as addresses.
    """
    notifications_kept: int = Field(default=10_000, ge=1)
    """Number of notifications, delivered or given up, that are kept."""
    notifications_days: float = Field(default=90, gt=0)
    """Notifications are deleted this long after they were delivered or given up."""

    @field_validator("private_targets", mode="before")
    @classmethod
    def _split_targets(cls, value: object) -> object:
        return split_at_commas(value)

    @field_validator("private_targets")
    @classmethod
    def _are_targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not _is_network(each) and not _HOST.fullmatch(each):
                raise PydanticCustomError(
                    "bad_target",
                    "{text} is no host, address or network; write it like hooks.internal or"
                    " 10.0.0.0/8",
                    {"text": each},
                )
        return value

    @field_validator("webhook_url", "slack_webhook_url")
    @classmethod
    def _is_secret_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_http_url(value.get_secret_value()):
            raise PydanticCustomError("bad_url", _BAD_URL)
        return value

    @field_validator("pagerduty_url")
    @classmethod
    def _is_shown_url(cls, value: str) -> str:
        if not _is_http_url(value):
            raise PydanticCustomError("bad_url", _BAD_URL)
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _signs(cls, value: SecretStr | None) -> SecretStr | None:
        parts = [] if value is None else value.get_secret_value().split(",")
        if not all(_is_signing_secret(part.strip()) for part in parts):
            raise PydanticCustomError(
                "bad_secret",
                "must be whsec_ and 24 to 64 bytes in base64; make one with: echo"
                " whsec_$(openssl rand -base64 32)",
            )
        return value

    @field_validator("pagerduty_routing_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
            raise PydanticCustomError("bad_key", "must be printable ASCII without spaces")
        return value


_BAD_URL = "must begin with https:// or http://, in ASCII, without user and password"


def notification_contradictions(
    settings: NotificationSettings, faulty: frozenset[str]
) -> Iterator[str]:
    """Yield a sentence for each setting that another one needs; those in `faulty` do not count."""
    pair = ("webhook_url", "webhook_secret")
    if [getattr(settings, name) for name in pair].count(None) == 1 and not {*pair} & faulty:
        yield "AGENTGUARD_WEBHOOK_URL and AGENTGUARD_WEBHOOK_SECRET must be set together"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text
    known = parts.scheme in ("http", "https") and bool(parts.hostname)
    return plain and known and "@" not in parts.netloc


def _is_signing_secret(text: str) -> bool:
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    return len(secret) in _SECRET_BYTES
