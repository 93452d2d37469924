"""Settings, read from the environment and .env."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import NoDecode

from agentguard.account_settings import AccountSettings, account_contradictions
from agentguard.environment import (
    MONITOR_API_KEY,
    UNUSED_NAMES,
    disagreements,
    environment,
    field_of,
    named_sentence,
    names_of,
    values_in_files,
)
from agentguard.kernel.errors import InvalidInputError
from agentguard.kernel.faults import requirement
from agentguard.kernel.patterns import BadPatternError, Pattern
from agentguard.notification_settings import notification_contradictions
from agentguard.service_settings import model_contradictions, setting_names, split_at_commas
from agentguard.service_urls import different_parts

MIB = 1024 * 1024


class SettingsError(InvalidInputError):
    """The settings are invalid or contradict each other."""

    code = "bad-settings"


class Settings(AccountSettings):
    """All settings. Sizes are in bytes, durations in the unit that the name states.

    The docstrings of the fields appear in docs/settings.md.
    """

    api_host: str = Field(default="127.0.0.1", validation_alias=setting_names("api_host"))
    """Address that `agentguard serve` listens on. An address that other machines can reach needs
    `AGENTGUARD_API_KEY` or `AGENTGUARD_PROXY_AUTHENTICATES`.
    """
    api_port: int = Field(default=8000, ge=0, le=65535, validation_alias=setting_names("api_port"))
    """Port of the API and of OTLP/HTTP. 0 lets the system choose a free port."""
    otlp_port: int = Field(default=4318, ge=0, le=65535)
    """Additional port for OTLP/HTTP on 127.0.0.1, used if it is free; 0 disables it."""
    otlp_grpc_host: str = "127.0.0.1"
    """Address for OTLP/gRPC; the same is needed for it as for `AGENTGUARD_API_HOST`."""
    otlp_grpc_port: int = Field(default=4317, ge=0, le=65535)
    """Port for OTLP/gRPC, used if it is free; 0 disables it."""
    debug: bool = Field(default=False, validation_alias=setting_names("debug"))
    """Log more detail, including every request."""
    data_dir: Path = Path("agentguard-data")
    """Folder of the database, the spans and the write-ahead log."""
    api_key: SecretStr | None = None
    """Key that clients must send as `Authorization: Bearer …`. Unset: only loopback requests are
    accepted.
    """
    audit_key: SecretStr | None = None
    """Private key that signs the audit log, with the content of the file that is generated
    otherwise: `audit/signing-key` in the data directory. Servers with one database must have one
    key.
    """
    audit_payload_days: float | None = Field(default=None, gt=0)
    """Payloads of audit entries are removed after this many days, rounded up to whole days. The
    entries and their proofs stay. Unset: payloads are kept.
    """
    audit_origin: str | None = None
    """Name of the audit log if its key is generated, such as `example.com/agentguard`."""
    audit_log_public: bool = False
    """Serve `/log`, the hashes and checkpoints of the audit log, to everybody, without a key. It
    has no entries.
    """
    audit_witnesses: Annotated[tuple[str, ...], NoDecode] = ()
    """Public keys (C2SP verifier keys) of the witnesses whose cosignatures of checkpoints are
    accepted, separated by commas.
    """
    audit_checkpoint_dir: Path | None = None
    """Folder into which checkpoints of the audit log are published, one file each: on another disk
    or host, where whoever can change the data directory cannot. Unset: nowhere.
    """
    proxy_authenticates: bool = False
    """Set to `true` only if a proxy in front of AgentGuard authenticates every request and no
    client can bypass it: requests then need no credentials.
    """
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ("http://localhost:3000",)
    """Web origins whose pages may call the API, separated by commas."""
    catalog: Annotated[tuple[Path, ...], NoDecode] = ()
    """Files that declare components, separated by commas: AgentGuard catalogs, A2A cards or
    Backstage entities; see [catalog.md](catalog.md).
    """
    dialects: Annotated[tuple[Path, ...], NoDecode] = ()
    """Files with rules for the spans of your own instrumentation, separated by commas; see
    [instrument.md](instrument.md#teach-agentguard-your-spans). Their rules take precedence over the
    built-in ones.
    """
    ghost_days: int = Field(default=7, ge=1)
    """A declared component unseen for this many days is reported as a ghost."""
    trace_url: str | None = None
    """URL template with `{trace_id}` that links evidence to your Jaeger or Tempo."""
    housekeeping: str | None = None
    """Regular expression of entry points that are health checks or polls, not workflows. Replaces
    the built-in one; empty: every entry point is a workflow.
    """
    join_traces: bool = True
    """Join traces whose context was lost between two services where ids, times and peer of the call
    agree; such calls are marked as inferred. `false`: only report them.
    """
    keep_content: bool = False
    """Keep the received request bodies, including prompts and responses, as long as their spans."""

    rate_limit: int = Field(default=0, ge=0)
    """Requests to `/api` and `/log` per minute and user, key or else address. 0: no limit."""

    severity_critical: float = Field(default=0.5, ge=0, le=1)
    """Share of runs lost, of the worst workflow and weighted, at which a failure is CRITICAL."""
    severity_high: float = Field(default=0.25, ge=0, le=1)
    """The same for HIGH."""
    severity_medium: float = Field(default=0.05, ge=0, le=1)
    """The same for MEDIUM; below it, a failure is LOW."""

    max_connections: int = Field(default=1000, ge=1)
    """Maximum number of open client connections per process, at most half of the limit of open
    files (`ulimit -n`). A further connection takes the place of an idle one or of the slowest
    upload; if there is none, it is refused with 503. OTLP/gRPC has half as many connections in
    addition, at most 256; further ones are closed.
    """
    head_seconds: float = Field(default=10, gt=0)
    """Time limit for receiving the head of a request, and the rest of a body after its response."""
    idle_seconds: float = Field(default=75, gt=0)
    """A connection is closed after this time without a request, or without its client reading the
    response. The default is longer than the 60 s of common load balancers.
    """
    max_body_bytes: int = Field(default=64 * MIB, ge=1)
    """Maximum size of one OTLP request, decompressed. JSON requests have at most 2 MiB."""
    max_grpc_message_bytes: int = Field(default=8 * MIB, ge=1)
    """Maximum size of one OTLP/gRPC request, as sent. gRPC holds requests completely before it
    hands them over, so as many are received at a time as fit into half of
    `AGENTGUARD_INGEST_MAX_BYTES`.
    """
    max_upload_bytes: int = Field(default=2048 * MIB, ge=1)
    """Maximum size of one scan, both as sent and decompressed."""
    window_max_requests: int = Field(default=32, ge=1)
    """Maximum number of graphs of windows (`lookback`, `since`, `until`) that are computed or wait
    at the same time. Further requests are rejected with a `Retry-After` header.
    """
    max_answer_items: int = Field(default=50_000, ge=1)
    """Maximum number of components, dependencies, fallbacks and workflows in one answer about a
    graph; about 2 KB each. Larger answers are refused with their size.
    """
    scan_max_requests: int = Field(default=8, ge=1)
    """Maximum number of scan requests in progress, not counting jobs. Further requests are
    rejected with a `Retry-After` header.
    """
    upload_seconds: float = Field(default=3600, gt=0)
    """Time limit for receiving the body of one scan."""
    job_bytes: int = Field(default=8 * MIB, ge=0)
    """A scan larger than this, as sent, becomes a job. One with more content than this,
    decompressed, has workers of its own, so that small scans do not wait for it.
    """
    ingest_max_requests: int = Field(default=256, ge=1)
    """Maximum number of OTLP requests in progress. Further requests are rejected with a
    `Retry-After` header.
    """
    ingest_max_bytes: int = Field(default=256 * MIB, ge=1)
    """Maximum total size of OTLP requests in progress, decompressed."""
    decode_seconds: float = Field(default=5, gt=0)
    """CPU time that decoding one group of OTLP requests may take, and half of its time in all. A
    request that exceeds it alone is answered with 400 and not decoded again.
    """
    acknowledge_seconds: float = Field(default=30, gt=0)
    """Time limit for making an OTLP request durable."""
    shutdown_seconds: int = Field(default=10, ge=1)
    """Time that requests in progress have to finish at shutdown."""
    window_hours: float = Field(default=24, gt=0)
    """Length of the live graph's window in hours."""
    live_cpu_share: float = Field(default=0.67, gt=0, le=1)
    """Share of one core for computing the live graph, while spans arrive."""
    live_max_spans: int = Field(default=2_000_000, ge=1)
    """Maximum number of spans in the live graph; about 0.6 KB of memory each. Of more spans in the
    window, those received last are used, and the coverage counts the others as `outside_window`.
    """
    live_store_seconds: float = Field(default=300, ge=0)
    """The newest live graph is served from memory. If it changed, it is stored this often, and
    whenever a simulation, playbook or comparison cites it or another process asks for it. Neo4j
    shows the stored graph.
    """
    retention_hours: float = Field(default=7 * 24, gt=0)
    """Spans are deleted this many hours after they were received."""
    retention_spans_bytes: int = Field(default=20 * 1024 * MIB, ge=1)
    """Maximum size of the stored spans; the oldest are deleted first. Request bodies that
    `AGENTGUARD_KEEP_CONTENT` keeps have the same limits, counted separately.
    """
    versions_kept: int = Field(default=20, ge=1)
    """Number of graph versions kept per dataset, with their runs. Versions that a stored result
    cites are kept in addition.
    """
    versions_days: float = Field(default=90, gt=0)
    """Graph versions are deleted after this many days, except the newest of each dataset."""
    datasets_kept: int = Field(default=200, ge=1)
    """Number of datasets of scans that are kept, last written first; `live` is always kept."""
    datasets_days: float = Field(default=90, gt=0)
    """A scan's dataset is deleted this many days after its last scan; `live` is always kept."""
    jobs_kept: int = Field(default=1000, ge=1)
    """Number of finished jobs that are kept, with their results."""
    jobs_days: float = Field(default=30, gt=0)
    """Finished jobs are deleted after this many days, with their results."""
    simulations_kept: int = Field(default=500, ge=1)
    """Number of stored simulations that are kept, each with the graph version that it cites."""
    simulations_days: float = Field(default=90, gt=0)
    """Stored simulations are deleted after this many days."""
    incidents_kept: int = Field(default=10_000, ge=1)
    """Number of resolved, reviewed or merged incidents that are kept; others are always kept."""
    incidents_days: float = Field(default=730, gt=0)
    """Resolved, reviewed or merged incidents are deleted this long after their last change."""

    @field_validator("cors_origins", "audit_witnesses", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_at_commas(value)

    @field_validator("catalog", "dialects", mode="before")
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
                    "{origin} is not an origin; write it like http://localhost:3000",
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
                "the key must be printable ASCII without spaces, so that clients can send it",
            )
        return value

    @field_validator("housekeeping")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        try:
            Pattern(value or "")
        except BadPatternError as error:
            raise PydanticCustomError("bad_pattern", "{why}", {"why": str(error)}) from None
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
        variables = environment()
        held, faults = values_in_files(variables, file_fields())
        given = {**held, **data}
        errors = [_plain_error(message) for message in (*faults, *disagreements(variables))]
        named = {f for f in file_fields() for n in names_of(f) if f"{n}_FILE" in variables}
        faulty = frozenset(named - held.keys())
        try:
            settings = handler(given)
        except ValidationError as error:
            errors, faulty = [*_details(error), *errors], faulty | _fields(error)
            settings = handler(
                {name: value for name, value in given.items() if field_of(name) not in faulty}
            )
        errors += [_plain_error(message) for message in _contradictions(settings, faulty)]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return settings


def load_settings() -> Settings:
    """Read the environment and .env.

    Raise SettingsError with all errors at once; each names its setting but not its value.
    """
    try:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The file .env is unreadable: {reason}.") from None
    except ValidationError as error:
        lines = [
            named_sentence([str(part) for part in fault["loc"]], fault["msg"])
            for fault in error.errors()
        ]
        raise SettingsError(
            "The settings are invalid.\n" + "\n".join(f"- {line}" for line in lines)
        ) from None


def unknown_settings(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables with the prefix AGENTGUARD_ that are no settings: probable typos."""
    known = {f"AGENTGUARD_{field.upper()}" for field in Settings.model_fields} | set(UNUSED_NAMES)
    known.add(MONITOR_API_KEY)
    known |= {f"{name}_FILE" for field in file_fields() for name in names_of(field)}
    return tuple(
        sorted(name for name in variables if name.startswith("AGENTGUARD_") and name not in known)
    )


def file_fields() -> tuple[str, ...]:
    """Return the settings that can be read from a file named by `<setting>_FILE`."""
    return (*secret_fields(), "web3_contract_address")


def secret_fields() -> tuple[str, ...]:
    """Return the settings that are never shown."""
    return tuple(
        name for name, info in Settings.model_fields.items() if info.annotation == SecretStr | None
    )


def _contradictions(settings: Settings, faulty: frozenset[str]) -> Iterator[str]:
    """Yield a sentence for each contradiction between settings.

    Fields in `faulty` hold their defaults, which the user did not choose, and are ignored.
    """
    rising = settings.severity_medium <= settings.severity_high <= settings.severity_critical
    if not rising and not faulty & {"severity_medium", "severity_high", "severity_critical"}:
        yield "AGENTGUARD_SEVERITY_MEDIUM, _HIGH and _CRITICAL must be in ascending order"
    if (
        settings.celery_result_backend is not None
        and settings.celery_broker_url is None
        and "celery_broker_url" not in faulty
    ):
        yield "CELERY_RESULT_BACKEND is set without CELERY_BROKER_URL; it has no effect then"
    yield from account_contradictions(settings, faulty)
    yield from model_contradictions(settings, faulty)
    yield from notification_contradictions(settings, faulty)
    for service, name, url in (
        ("postgres", "DATABASE_URL", settings.database_url),
        ("redis", "REDIS_URL", settings.redis_url),
    ):
        if url is not None:
            different = different_parts(
                url.get_secret_value(), service, settings.url_parts(service)
            )
            for part in different:
                yield (
                    f"{service.upper()}_{part.upper()} and {name} have different values; set only"
                    " one of them"
                )


def _fields(error: ValidationError) -> frozenset[str]:
    return frozenset(field_of(str(fault["loc"][0])) for fault in error.errors() if fault["loc"])


def _plain_error(message: str) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError("settings", "{message}", {"message": message}), loc=(), input=None
    )


def _details(error: ValidationError) -> list[InitErrorDetails]:
    return [
        InitErrorDetails(
            type=PydanticCustomError("setting", "{message}", {"message": requirement(fault)}),
            loc=fault["loc"],
            input=None,
        )
        for fault in error.errors(include_input=False)
    ]
