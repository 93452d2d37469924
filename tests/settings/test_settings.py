from __future__ import annotations

from pathlib import Path

import pytest

from agentguard.settings import PLAIN_NAMES, UNUSED_NAMES, SettingsError, environment, load_settings, unknown_settings, unused_settings


@pytest.fixture(autouse=True)
def _only_what_is_set_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    for name in (*PLAIN_NAMES.values(), *UNUSED_NAMES):
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
    with pytest.raises(SettingsError, match="AGENTGUARD_API_PORT and API_PORT disagree"):
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
    monkeypatch.setenv("NEO4J_URI", "bolt://x")
    monkeypatch.setenv("AGENTGUARD_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("AGENTGUARD_DATADIR", "x")

    assert unused_settings(environment()) == ("AGENTGUARD_DATABASE_URL", "NEO4J_URI")
    assert unknown_settings(environment()) == ("AGENTGUARD_DATADIR",)
