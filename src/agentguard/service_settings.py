"""Settings of the services that replace embedded parts, read from the environment and .env."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agentguard.environment import PLAIN_NAMES
from agentguard.service_urls import URL_PARTS, postgres_url, redis_url, url_fault


def setting_names(name: str) -> AliasChoices:
    """Return both names of a setting that also has one without the prefix."""
    prefixed = f"AGENTGUARD_{name.upper()}"
    return AliasChoices(prefixed, PLAIN_NAMES[prefixed], name)


def split_at_commas(value: object) -> object:
    """Return the parts of a text; anything else as it is."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def secret_text(value: SecretStr | None) -> str | None:
    """Return the secret in clear."""
    return None if value is None else value.get_secret_value()


def _shared(name: str, **more: Any) -> Any:
    """Return a field that also has a name without the prefix; its default is None."""
    return Field(validation_alias=setting_names(name), **{"default": None, **more})


def _key_fault(key: str) -> str | None:
    if not re.fullmatch(r"(0x)?[0-9A-Fa-f]{64}", key):
        return "the key must be 32 bytes in hexadecimal: 64 digits, with or without 0x"
    if not 0 < int(key, 16) < _CURVE_ORDER:
        return "the key is outside of the range of keys; generate another one"
    return None


def _address_fault(address: str) -> str | None:
    if not re.fullmatch(r"0x[0-9A-Fa-f]{40}", address):
        return "not an address; it has 0x and 40 hexadecimal digits"
    return None


def _chain_fault(chain_id: int) -> str | None:
    if chain_id == 80001:
        return (
            "80001 is Polygon's test network Mumbai, which was shut down in April 2024; Amoy"
            " (80002) replaced it"
        )
    return None


_CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Of secp256k1 (SEC 2, §2.4.1)."""
_CHAIN_FAULTS: dict[str, Callable[[Any], str | None]] = {
    "web3_private_key": _key_fault,
    "web3_contract_address": _address_fault,
    "web3_chain_id": _chain_fault,
}


class ServiceSettings(BaseSettings):
    """Databases, cache, broker, error reports and the chain for anchors.

    The docstrings of the fields appear in docs/settings.md.
    """

    model_config = SettingsConfigDict(
        env_prefix="AGENTGUARD_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = _shared("database_url")
    """`postgresql://user:password@host:port/database`. Unset: SQLite in the data directory."""
    postgres_host: str | None = _shared("postgres_host")
    """Host of PostgreSQL, instead of a URL. Setting any `POSTGRES_…` variable selects PostgreSQL.
    Default: `localhost`.
    """
    postgres_port: int | None = _shared("postgres_port", ge=1, le=65535)
    """Default: 5432."""
    postgres_db: str | None = _shared("postgres_db")
    """Name of the database. Default: `agentguard`."""
    postgres_user: str | None = _shared("postgres_user")
    """Default: `agentguard`."""
    postgres_password: SecretStr | None = _shared("postgres_password")
    """Password of PostgreSQL."""
    migrate_to: SecretStr | None = None
    """URL of the PostgreSQL database into which `agentguard migrate` copies the SQLite database."""
    database_pool_size: int = Field(default=10, ge=1)
    """Maximum number of PostgreSQL connections per process."""
    database_timeout_seconds: float = Field(default=30, gt=0)
    """Timeout of one PostgreSQL statement, and of waiting for a connection."""
    neo4j_uri: str | None = _shared("neo4j_uri")
    """`bolt://host:7687` or `neo4j://…`. Unset: `bolt://localhost:7687` if user, password or
    database is set; otherwise Neo4j is not used.
    """
    neo4j_user: str | None = _shared("neo4j_user")
    """Default: `neo4j`."""
    neo4j_password: SecretStr | None = _shared("neo4j_password")
    """Unset: no authentication."""
    neo4j_database: str | None = _shared("neo4j_database")
    """Default: `neo4j`."""
    neo4j_timeout_seconds: float = Field(default=30, gt=0)
    """Timeout of one Neo4j transaction, and of waiting for a connection."""
    redis_url: SecretStr | None = _shared("redis_url")
    """`redis://host:6379/0` or `rediss://…`. Unset: cache, rate limits and live updates are per
    process.
    """
    redis_host: str | None = _shared("redis_host")
    """Host of Redis, instead of a URL. Setting any of `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB` and
    `REDIS_PASSWORD` selects Redis. Default: `localhost`.
    """
    redis_port: int | None = _shared("redis_port", ge=1, le=65535)
    """Default: 6379."""
    redis_db: int | None = _shared("redis_db", ge=0)
    """Number of the database. Default: 0."""
    redis_password: SecretStr | None = _shared("redis_password")
    """Password of Redis."""
    redis_timeout_seconds: float = Field(default=0.5, gt=0)
    """Timeout of Redis, after which work continues without it."""
    celery_broker_url: SecretStr | None = _shared("celery_broker_url")
    """`amqp://user:password@host:5672//` or `redis://…`. Unset: the server runs the jobs."""
    celery_result_backend: SecretStr | None = _shared("celery_result_backend")
    """Result backend for Celery's own tools, a `redis://…` URL. Results of jobs are in the
    database in any case.
    """
    jobs_queue: str = Field(default="agentguard", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Name of the job queue. Installations that share a broker need different names."""
    job_attempts: int = Field(default=3, ge=1)
    """Maximum number of attempts of a job."""
    job_lease_seconds: float = Field(default=30, gt=0)
    """A job whose worker sends no heartbeat for this long is given to another worker."""
    sentry_dsn: SecretStr | None = _shared("sentry_dsn")
    """DSN of the Sentry project that receives errors. Unset: errors are only logged."""
    sentry_environment: str = _shared(
        "sentry_environment", default="production", pattern=r"^[^\s/]{1,64}$"
    )
    """Name of this environment in Sentry."""
    web3_provider_url: SecretStr | None = _shared("web3_provider_url")
    """URL of an RPC endpoint of Polygon or another EVM chain, for anchors of the audit log; see
    [anchors.md](anchors.md). It is never shown beyond its host. Unset: nothing is anchored on a
    chain.
    """
    web3_private_key: SecretStr | None = _shared("web3_private_key")
    """Key of the account that pays for anchors: 32 bytes in hexadecimal. Use an account that has
    no other purpose.
    """
    web3_contract_address: str | None = _shared("web3_contract_address")
    """Address of the contract that `agentguard audit deploy-contract` made. Unset: anchors are
    calldata that the account sends to itself.
    """
    web3_chain_id: int | None = Field(default=None, ge=1)
    """Id of the only chain that anchors are sent to: 137 is Polygon, 80002 its test network Amoy.
    Unset: either of these two. Any other chain must be set here.
    """
    web3_timeout_seconds: float = Field(default=10, gt=0)
    """Timeout of one request to the RPC endpoint."""
    web3_finality_depth: int = Field(default=256, ge=1)
    """Where the RPC endpoint does not tell which block is final (`finalized`), a block with this
    many on top of it is.
    """
    web3_max_fee_gwei: int = Field(default=1000, ge=1)
    """Limit of what an anchor offers per unit of gas, in gwei. While the chain's fees are above
    it, anchors wait.
    """
    playbooks: Annotated[tuple[Path, ...], NoDecode] = ()
    """Files with templates of playbooks, separated by commas; each replaces the packaged one of the
    same condition, or adds a condition. See [playbooks.md](playbooks.md).
    """
    gemini_api_key: SecretStr | None = _shared("gemini_api_key")
    """Key of the Gemini API, which then phrases playbooks; see
    [playbooks.md](playbooks.md#let-a-language-model-phrase-them). Unset: no Gemini.
    """
    gemini_model: str = _shared("gemini_model", default="gemini-3.8-flash", min_length=1)
    """Name of the Gemini model."""
    gemini_base_url: str | None = None
    """URL of a gateway to the Gemini API, without version. Unset: Google's."""
    gemini_api_version: Literal["v1", "v1beta"] = "v1beta"
    """Version of the Gemini API, for gateways that have only one."""
    openai_base_url: str | None = None
    """URL of an endpoint that is compatible with OpenAI's chat completions, such as
    `http://localhost:8080/v1`; its model then phrases playbooks, instead of Gemini.
    """
    openai_model: str | None = None
    """Name of the model there; needed with `AGENTGUARD_OPENAI_BASE_URL`."""
    openai_api_key: SecretStr | None = None
    """Key of that endpoint. Unset: it needs none."""
    language_model_timeout_seconds: float = Field(default=60, gt=0)
    """Time limit of one question to the language model."""
    language_model_tokens_per_day: int = Field(default=1_000_000, ge=0)
    """Tokens that each process may use in 24 hours; then playbooks stay deterministic."""
    language_model_input_price: float | None = Field(default=None, ge=0)
    """Price of a million input tokens, in any currency. Unset: costs are null."""
    language_model_output_price: float | None = Field(default=None, ge=0)
    """Price of a million output tokens, in the same currency."""
    language_model_records: Path | None = None
    """Folder into which every exchange with the language model is written, as JSON with names from
    telemetry and without the key. Unset: nowhere.
    """
    audit_anchor_interval_seconds: float = Field(default=3600, gt=0)
    """A checkpoint of the audit log is anchored, and published, this often, if the log has grown.
    """
    audit_anchor_poll_seconds: float = Field(default=15, gt=0)
    """While an anchor is not final, the chain is asked this often."""
    audit_anchor_stuck_seconds: float = Field(default=600, gt=0)
    """An anchor that is not mined for this long is replaced by one with higher fees."""

    @field_validator(
        "database_url",
        "migrate_to",
        "redis_url",
        "celery_broker_url",
        "celery_result_backend",
        "neo4j_uri",
        "sentry_dsn",
        "web3_provider_url",
    )
    @classmethod
    def _url(cls, value: SecretStr | str | None, field: ValidationInfo) -> SecretStr | str | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and (fault := url_fault(field.field_name or "", text)):
            raise PydanticCustomError("bad_url", "{fault}", {"fault": fault})
        return value

    @field_validator("playbooks", mode="before")
    @classmethod
    def _templates(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part.strip()) for part in value.split(",") if part.strip())
        return (value,) if isinstance(value, Path) else value or ()

    @field_validator("gemini_base_url", "openai_base_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", value):
            raise PydanticCustomError(
                "bad_url", "not a URL that begins with http:// or https:// and has no credentials"
            )
        return value

    @field_validator("web3_private_key", "web3_contract_address", "web3_chain_id")
    @classmethod
    def _of_chain(cls, value: Any, field: ValidationInfo) -> Any:
        shown = value.get_secret_value() if isinstance(value, SecretStr) else value
        if shown is not None and (fault := _CHAIN_FAULTS[field.field_name or ""](shown)):
            raise PydanticCustomError("bad_chain_setting", "{fault}", {"fault": fault})
        return value

    @property
    def postgres(self) -> SecretStr | None:
        """URL of PostgreSQL, whichever way it is set; None = SQLite."""
        if self.database_url is not None:
            return SecretStr(
                "postgresql://" + self.database_url.get_secret_value().split("://", 1)[1]
            )
        parts = self.url_parts("postgres")
        return SecretStr(postgres_url(parts)) if parts else None

    @property
    def neo4j(self) -> str | None:
        """URI of Neo4j; None = the newest graph is shown nowhere else."""
        named = self.neo4j_user or self.neo4j_password or self.neo4j_database
        return self.neo4j_uri or ("bolt://localhost:7687" if named else None)

    @property
    def redis(self) -> SecretStr | None:
        """URL of Redis, whichever way it is set; None = no Redis."""
        if self.redis_url is not None:
            return self.redis_url
        parts = self.url_parts("redis")
        return SecretStr(redis_url(parts)) if parts else None

    def url_parts(self, service: str) -> dict[str, str]:
        """Return the parts of a service's URL that are set separately."""
        values = {part: getattr(self, f"{service}_{part}", None) for part in URL_PARTS}
        return {
            part: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for part, value in values.items()
            if value not in (None, "", SecretStr(""))
        }


def model_contradictions(settings: ServiceSettings, faulty: frozenset[str]) -> Iterator[str]:
    """Yield a sentence for each contradiction; settings in `faulty` are ignored."""
    endpoint = (settings.openai_base_url, settings.openai_model)
    if endpoint.count(None) == 1 and not {"openai_base_url", "openai_model"} & faulty:
        yield "AGENTGUARD_OPENAI_BASE_URL and AGENTGUARD_OPENAI_MODEL must be set together"
    if settings.gemini_api_key is not None and settings.openai_base_url is not None:
        yield "GEMINI_API_KEY and AGENTGUARD_OPENAI_BASE_URL are both set; set only one of them"
    prices = (settings.language_model_input_price, settings.language_model_output_price)
    if prices.count(None) == 1:
        yield "AGENTGUARD_LANGUAGE_MODEL_INPUT_PRICE and _OUTPUT_PRICE must be set together"
