from __future__ import annotations

from pathlib import Path

import pytest

from agentguard.environment import UNUSED_NAMES, environment, unused_settings
from agentguard.settings import SettingsError, load_settings, unknown_settings


@pytest.fixture(autouse=True)
def _only_what_is_set_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    for name in UNUSED_NAMES:
        monkeypatch.delenv(name, raising=False)


def test_defaults():
    settings = load_settings()

    assert (settings.api_host, settings.api_port, settings.otlp_port) == ("127.0.0.1", 8000, 4318)
    assert settings.cors_origins == ("http://localhost:3000",)
    assert settings.api_key is None
    assert not settings.keep_content


@pytest.mark.parametrize("name", ["API_PORT", "AGENTGUARD_API_PORT"])
def test_both_names_work_from_the_environment_and_from_a_file(monkeypatch, tmp_path, name):
    (tmp_path / ".env").write_text(f"{name}=9001\nOTHER=x\n")
    assert load_settings().api_port == 9001

    monkeypatch.setenv(name, "9002")
    assert load_settings().api_port == 9002


def test_names_that_agree_are_fine_and_names_that_disagree_are_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("API_PORT", "9001")
    monkeypatch.setenv("AGENTGUARD_API_PORT", "9001")
    assert load_settings().api_port == 9001

    monkeypatch.delenv("API_PORT")
    (tmp_path / ".env").write_text("API_PORT=9002\n")
    with pytest.raises(
        SettingsError, match="AGENTGUARD_API_PORT and API_PORT have different values"
    ):
        load_settings()


def test_all_faults_are_told_at_once_without_any_value(monkeypatch):
    for name, value in {
        "AGENTGUARD_API_PORT": "99999",
        "API_HOST": "a",
        "AGENTGUARD_API_HOST": "b",
        "AGENTGUARD_API_KEY": "two words",
        "AGENTGUARD_TRACE_URL": "http://x/secret",
        "AGENTGUARD_CORS_ORIGINS": "http://fine, nonsense",
        "AGENTGUARD_WINDOW_HOURS": "-1",
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as error:
        load_settings()

    message = str(error.value)
    for name in ("API_PORT", "API_HOST", "API_KEY", "TRACE_URL", "CORS_ORIGINS", "WINDOW_HOURS"):
        assert name in message
    assert "two words" not in message
    assert "secret" not in message


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_key_is_no_key(monkeypatch, value):
    monkeypatch.setenv("AGENTGUARD_API_KEY", value)

    if value:
        with pytest.raises(SettingsError):
            load_settings()
    else:
        assert load_settings().api_key is None


def test_a_key_is_never_shown(monkeypatch):
    monkeypatch.setenv("AGENTGUARD_API_KEY", "open-sesame")

    assert "sesame" not in repr(load_settings())
    key = load_settings().api_key
    assert key is not None
    assert key.get_secret_value() == "open-sesame"


def test_severities_must_be_in_order(monkeypatch):
    monkeypatch.setenv("AGENTGUARD_SEVERITY_HIGH", "0.9")

    with pytest.raises(SettingsError, match="SEVERITY"):
        load_settings()


def test_a_catalogue_may_be_several_files(monkeypatch):
    assert load_settings().catalog == ()

    monkeypatch.setenv("AGENTGUARD_CATALOG", "catalog.yaml, cards/pricing.json")

    assert load_settings().catalog == (Path("catalog.yaml"), Path("cards/pricing.json"))


def test_what_this_version_does_not_have_is_named_and_slips_of_the_pen_too(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "x")
    monkeypatch.setenv("AGENTGUARD_GEMINI_MODEL", "x")
    monkeypatch.setenv("AGENTGUARD_DATADIR", "x")

    assert unused_settings(environment()) == ()
    assert unknown_settings(environment()) == ("AGENTGUARD_DATADIR",)


def test_parts_and_a_url_lead_to_the_same_server(monkeypatch):
    for name, value in {
        "POSTGRES_HOST": "db",
        "POSTGRES_PASSWORD": "p@ss/word",
        "REDIS_HOST": "cache",
        "REDIS_DB": "2",
    }.items():
        monkeypatch.setenv(name, value)
    from_parts = load_settings()

    assert (
        from_parts.postgres.get_secret_value()
        == "postgresql://agentguard:p%40ss%2Fword@db:5432/agentguard"
    )
    assert from_parts.redis.get_secret_value() == "redis://cache:6379/2"
    assert "p@ss" not in repr(from_parts)

    monkeypatch.setenv("DATABASE_URL", "postgres://agentguard:p%40ss%2Fword@db/agentguard")
    assert (
        load_settings().postgres.get_secret_value()
        == "postgresql://agentguard:p%40ss%2Fword@db/agentguard"
    )


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("POSTGRES_PORT", "postgres"),
        ("POSTGRES_PASSWORD", "postgres"),
        ("REDIS_DB", "redis"),
        ("NEO4J_PASSWORD", "neo4j"),
    ],
)
def test_any_part_of_a_service_switches_it_on(monkeypatch, name, setting):
    assert getattr(load_settings(), setting) is None

    monkeypatch.setenv(name, "7")
    assert getattr(load_settings(), setting) is not None


def test_contradictions_between_services_are_all_told(monkeypatch):
    for name, value in {
        "DATABASE_URL": "postgresql://a:secret@one/x",
        "POSTGRES_HOST": "two",
        "POSTGRES_PASSWORD": "other-secret",
        "REDIS_URL": "redis://r/1",
        "REDIS_DB": "2",
        "CELERY_RESULT_BACKEND": "redis://r/3",
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as error:
        load_settings()

    message = str(error.value)
    for name in ("POSTGRES_HOST", "POSTGRES_PASSWORD", "REDIS_DB", "CELERY_BROKER_URL"):
        assert name in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x/y"),
        ("NEO4J_URI", "http://x"),
        ("REDIS_URL", "x:1"),
        ("CELERY_BROKER_URL", "kafka://x"),
        ("SENTRY_DSN", "x"),
    ],
)
def test_a_url_of_another_kind_of_server_is_refused_with_an_example(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"{name}: .* write it like"):
        load_settings()


@pytest.mark.parametrize(
    "name", ["API_KEY", "POSTGRES_PASSWORD", "DATABASE_URL", "NEO4J_PASSWORD", "SENTRY_DSN"]
)
def test_a_secret_may_stand_in_a_file(monkeypatch, tmp_path, name):
    secret = {"DATABASE_URL": "postgresql://h/d", "SENTRY_DSN": "http://key@h/1"}.get(
        name, "s3cret"
    )
    (tmp_path / "secret").write_text(secret + "\n")
    monkeypatch.setenv(f"AGENTGUARD_{name}_FILE", str(tmp_path / "secret"))

    assert getattr(load_settings(), name.lower()).get_secret_value() == secret
    assert unknown_settings(environment()) == ()

    monkeypatch.setenv(f"AGENTGUARD_{name}", secret)
    with pytest.raises(SettingsError, match="are both set"):
        load_settings()
    monkeypatch.delenv(f"AGENTGUARD_{name}")
    (tmp_path / "secret").unlink()
    with pytest.raises(SettingsError, match="names an unreadable file: No such file"):
        load_settings()


def test_faults_and_contradictions_are_told_together_and_none_that_only_follows_from_a_fault(
    monkeypatch,
):
    for name, value in {
        "API_PORT": "none",
        "CELERY_BROKER_URL": "kafka://secret",
        "CELERY_RESULT_BACKEND": "redis://r/3",
        "AGENTGUARD_SEVERITY_HIGH": "7",
        "AGENTGUARD_SEVERITY_MEDIUM": "0.9",
        "REDIS_URL": "redis://:secret@r/1",
        "REDIS_DB": "2",
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as error:
        load_settings()

    lines = str(error.value).splitlines()[1:]
    assert [line.partition(":")[0].split()[1] for line in lines] == [
        "AGENTGUARD_CELERY_BROKER_URL",
        "AGENTGUARD_API_PORT",
        "AGENTGUARD_SEVERITY_HIGH",
        "REDIS_DB",
    ]
    assert "secret" not in str(error.value)


def test_an_empty_secret_file_is_no_secret(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("\n")
    monkeypatch.setenv("AGENTGUARD_API_KEY_FILE", str(tmp_path / "key"))

    with pytest.raises(SettingsError, match="AGENTGUARD_API_KEY_FILE names a file that is empty"):
        load_settings()


def test_a_secret_file_that_cannot_be_read_contradicts_nothing(monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL_FILE", "nowhere")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://r/3")

    with pytest.raises(
        SettingsError, match="CELERY_BROKER_URL_FILE names an unreadable file"
    ) as error:
        load_settings()
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "NEO4J_URI",
            "bolt://neo4j:secret@host:7687",
            "user and password belong in NEO4J_USER and NEO4J_PASSWORD",
        ),
        ("SENTRY_DSN", "https://sentry.example/42", "the key or the project number is missing"),
        (
            "SENTRY_DSN",
            "https://secret@sentry.example/project",
            "the key or the project number is missing",
        ),
        ("REDIS_URL", "redis://:secret@host/cache", "the database must be a number"),
        ("CELERY_BROKER_URL", "redis://:secret@host/jobs", "the database must be a number"),
        ("SENTRY_ENVIRONMENT", "a/b", "pattern"),
    ],
)
def test_a_url_that_no_service_could_use_is_refused_at_the_start(
    monkeypatch, name, value, sentence
):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"{name}: .*{sentence}") as error:
        load_settings()
    assert "secret" not in str(error.value)


def test_a_file_of_settings_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / ".env").write_bytes(b"API_PORT=\xff\n")

    with pytest.raises(SettingsError, match=r"The file \.env is unreadable: it is not UTF-8"):
        load_settings()
